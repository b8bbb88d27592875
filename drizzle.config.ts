import { defineConfig } from 'drizzle-kit';

// `generate` and `generate --custom` only: `push` and `pull` both mishandle partitioned tables.
export default defineConfig({
  dialect: 'postgresql',
  schema: ['./src/log/schema.ts', './src/features/*/tables.ts', './src/archive/tables.ts'],
  out: './drizzle',
});

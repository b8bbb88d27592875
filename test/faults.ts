/** `npm run test:faults -- shipping`: the long form of the tests that kill and pause, on a PostgreSQL of its own. */
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startServer, withoutSync } from './support/postgres-server.ts';
import { endServices } from './support/process.ts';
import { killRun } from './support/sinks/kill-run.ts';

const minutes_max = 40;

const runs = {
  shipping: async (DATABASE_URL: string) => {
    const run = { n_events: 90_000, n_kills: 50, n_pauses: 8, n_poison: 50, lease_ms: 4_000, seed: 7 };
    const result = await killRun({ ...run, DATABASE_URL, say: console.log }, minutes_max * 60_000);
    const { refused, poison, ...numbers } = result;
    console.log(JSON.stringify({ ...numbers, refused: refused.length, poison: poison.length }, null, 1));
    return (
      result.lost === 0 &&
      result.doubled === 0 &&
      result.sent_again_percent <= 10 &&
      result.faults.length === 0 &&
      JSON.stringify(refused) === JSON.stringify(poison)
    );
  },
};

const name = process.argv[2] ?? '';
const run = runs[name as keyof typeof runs];
if (!run) {
  console.error(`npm run test:faults -- ${Object.keys(runs).join(' | ')}`);
  process.exit(2);
}
const folder = await mkdtemp(join(tmpdir(), 'edgetrail-faults-'));
await chmod(folder, 0o755); // The server's own user must get through.
const server = await startServer(join(folder, 'postgres'), { flags: withoutSync });
try {
  const passed = await run(server.url);
  console.log(passed ? 'passed' : 'FAILED');
  process.exitCode = passed ? 0 : 1;
} finally {
  await endServices();
  await server.stop();
  await rm(folder, { recursive: true, force: true });
}

/** `npm run test:rollup`: a thousand counts under racing writers, late events and killed readers, each compared with a recount. */
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { templateOf } from '../support/databases.ts';
import { ownerUrl, startServer, withoutSync } from '../support/postgres-server.ts';
import { raceRollup } from '../support/rollup-race.ts';

const checks_min = 1_000;

const folder = await mkdtemp(join(tmpdir(), 'edgetrail-rollup-'));
await chmod(folder, 0o755); // The user of the server must be able to enter the folder.
const server = await startServer(join(folder, 'postgres'), { flags: withoutSync });
try {
  const { database, migrate } = templateOf(server.url);
  await migrate();
  const result = await raceRollup(ownerUrl(server.url, database, database), (checks) => checks >= checks_min);
  const { checks, mismatches, steps, killed, events, wrong_rows } = result;
  console.log(
    `${checks} checks, ${mismatches.length} mismatches; ${events} events, ${steps} steps, ${killed} killed, ${wrong_rows} wrong rows`,
  );
  for (const mismatch of mismatches.slice(0, 3)) console.log(mismatch);
  if (mismatches.length > 0 || wrong_rows !== 0 || killed === 0) process.exitCode = 1;
} finally {
  await server.stop();
  await rm(folder, { recursive: true, force: true });
}

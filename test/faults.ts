/** `npm run test:faults -- <name>`: long runs that kill, pause and refuse, on a PostgreSQL of their own. */
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { alerts } from './faults/alerts.ts';
import { archive } from './faults/archive.ts';
import { away } from './faults/away.ts';
import { clock } from './faults/clock.ts';
import { derived } from './faults/derived.ts';
import { disk } from './faults/disk.ts';
import { features } from './faults/features.ts';
import { kills } from './faults/kills.ts';
import { panels } from './faults/panels.ts';
import { poison } from './faults/poison.ts';
import { postgres } from './faults/postgres.ts';
import { resets } from './faults/resets.ts';
import type { FaultRun } from './faults/run.ts';
import { s3 } from './faults/s3.ts';
import { shipping } from './faults/shipping.ts';
import { sigterm } from './faults/sigterm.ts';
import { splunk } from './faults/splunk.ts';
import { stories } from './faults/stories.ts';
import { streams } from './faults/streams.ts';
import { syslog } from './faults/syslog.ts';
import { trust } from './faults/trust.ts';
import { two } from './faults/two.ts';
import { writes } from './faults/writes.ts';
import { databaseOn, startServer, withoutSync } from './support/postgres-server.ts';
import { endServices } from './support/process.ts';

const runs: Record<string, FaultRun> = {
  alerts,
  archive,
  clock,
  disk,
  derived,
  features,
  kills,
  panels,
  shipping,
  away,
  poison,
  postgres,
  resets,
  s3,
  sigterm,
  splunk,
  stories,
  streams,
  syslog,
  trust,
  two,
  writes,
};

const [name = '', ...args] = process.argv.slice(2);
const run = runs[name];
if (!run) {
  console.error(`npm run test:faults -- ${Object.keys(runs).join(' | ')}`);
  process.exit(2);
}
const folder = await mkdtemp(join(tmpdir(), 'edgetrail-faults-'));
await chmod(folder, 0o755); // The server's own user must get through.
const server = await startServer(join(folder, 'postgres'), { flags: withoutSync });
let n = 0;
const fresh = () => databaseOn(server, `run_${++n}`);
const started = performance.now();
try {
  const { numbers, claims } = await run({ fresh, say: console.log, args });
  console.log(JSON.stringify({ ...numbers, run_s: Math.round((performance.now() - started) / 1000) }, null, 1));
  for (const [claim, isSo] of Object.entries(claims)) console.log(`${isSo ? 'ok    ' : 'FAILED'} ${claim}`);
  process.exitCode = Object.values(claims).every((isSo) => isSo) ? 0 : 1;
} finally {
  await endServices();
  await server.stop();
  await rm(folder, { recursive: true, force: true });
}

/** Two instances that write to two buckets, to one of them with conditions, while they are killed. */
import { seeded } from './far-side.ts';
import { ordersFrom, startFleet, wait } from './fleet.ts';
import { s3 } from './s3.ts';

export type BucketRun = {
  DATABASE_URL: string;
  n_kills: number;
  /** Events are written until the kills are over, and at least so many. */
  n_events_min: number;
  lease_ms: number;
  seed: number;
  say?(line: string): void;
};

export type BucketResult = {
  events: number;
  kills: number;
  stores: { objects: number; bytes: number; written_again: number; isExport: boolean; faults: string[] }[];
};

/** Runs until both sinks are up to date. */
export async function bucketRun(run: BucketRun, ms_max: number): Promise<BucketResult> {
  const { DATABASE_URL, n_kills, n_events_min, lease_ms, say = () => {} } = run;
  const random = seeded(run.seed);
  const far = await Promise.all([s3('key-id', 'secret-key', 'auto'), s3('key-id', 'secret-key', 'auto')]);
  const env = { SINK_LEASE_MS: String(lease_ms), KEY_ID: 'key-id', SECRET_KEY: 'secret-key' };
  const fleet = await startFleet({ DATABASE_URL, n_instances: 2, env, ms_max });
  for (const [i, store] of far.entries()) {
    // Answers that are late or lost after the object was stored: a kill leaves a sender that does not know it is there.
    store.cut = () => random() < 0.1;
    store.wait_ms = () => random() * 500;
    await fleet.put(`bucket-${i}`, {
      kind: 's3',
      url: store.url,
      bucket: 'audit',
      access_key_id: 'env:KEY_ID',
      secret_access_key: 'env:SECRET_KEY',
      conditional: i === 0,
      linger_s: i,
    });
  }
  let isOver = false;
  // Each kill while an object is being written, or just after: half of them are of the instance that writes it.
  const n_asked = () => far[0].asked.length + far[1].asked.length;
  const asked = async () => {
    const before = n_asked();
    await fleet.until('an object is written', () => n_asked() > before, 5);
  };
  const disturbing = fleet.disturb({ n_kills, random, until: asked }).then(() => {
    isOver = true;
    say(`${n_kills} kills are over`);
  });
  const n_batch = 250;
  const odd = { description: 'tab\t, "quotes", \u2028 and \u{1f600}', metadata: { 'ключ "x"': ['ü', 1.5, null] } };
  let n = 0;
  for (; n < n_events_min || !isOver; n += n_batch) {
    await fleet.write(ordersFrom(n, n_batch, n % 1_000 === 0 ? odd : {}));
    await wait(50);
  }
  await disturbing;
  const events = await fleet.head();
  await fleet.upToDate('bucket-0', 'bucket-1');
  const file = await fleet.ask('/api/logs/export?format=ndjson', { signal: AbortSignal.timeout(ms_max) });
  const exported = Buffer.from(await file.arrayBuffer());
  await fleet.end();
  await Promise.all(far.map((store) => store.close()));
  const stores = far.map(({ objects, faults, asked }) => {
    const inOrder = [...objects].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([, body]) => body);
    const stored = Buffer.concat(inOrder);
    return {
      objects: objects.size,
      bytes: stored.length,
      written_again: asked.filter(({ method }) => method === 'PUT').length - objects.size,
      isExport: stored.equals(exported),
      faults,
    };
  });
  return { events, kills: n_kills, stores };
}

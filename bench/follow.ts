/** 1,000 followers over SSE, compared with a bare server that writes the same bytes to as many sockets. */
import { follow_user, runFollowers, sentNow } from './follow-load.ts';
import { type Context, type Measurement, quantile, type Row } from './measurement.ts';
import { authorization, type RunningServer, startServer, withServers } from './service.ts';

const followers = 1_000;
const p99_ms_max = 60;

type Load = { events_per_s: number; events: number; filters: number };

const steady: Load = { events_per_s: 20, events: 100, filters: 1 };
const burst: Load = { events_per_s: 500, events: 1_000, filters: 1 };
const filtered: Load = { ...steady, filters: 200 };

/** An event whose SSE message, with all fields, has about as many bytes as the message of the reference. */
export const event = () =>
  JSON.stringify({ event_type: 'UPDATE', entity_type: 'order', user_id: follow_user, description: sentNow() });
const message_bytes = 440;
export const message = () => `data: ${sentNow()}${'x'.repeat(message_bytes - 28)}\n\n`;

export const bareServer = new URL('./bare-follow.ts', import.meta.url).href;

/** The CPU time of one delivery in µs, and the 99th percentile of the latency in ms. */
export async function deliver(
  server: RunningServer,
  load: Load,
  body: string,
): Promise<{ cpu_us: number; p99_ms: number }> {
  let before = await server.usage();
  const { delivered, latencies } = await runFollowers(
    { port: server.port, authorization, followers, body, ...load },
    async () => {
      before = await server.usage();
    },
  );
  const after = await server.usage();
  return { cpu_us: (after.cpu_us - before.cpu_us) / delivered, p99_ms: quantile(latencies, 0.99) };
}

type Delivered = Awaited<ReturnType<typeof deliver>>;
const turns = 2;

/** Measures both in turn and returns the run with the least CPU time of each: other load on the machine adds to it. */
async function inTurn(one: () => Promise<Delivered>, other: () => Promise<Delivered>): Promise<[Delivered, Delivered]> {
  const least = (a: Delivered, b: Delivered) => (a.cpu_us < b.cpu_us ? a : b);
  let [ours, theirs] = [await one(), await other()];
  for (let turn = 1; turn < turns; turn++) {
    ours = least(ours, await one());
    theirs = least(theirs, await other());
  }
  return [ours, theirs];
}

async function againstBare(load: Load, name: string, ratio_max: number, { databases }: Context): Promise<Row[]> {
  const service = await startServer(await databases.postgres.fresh());
  const bare = await startServer({ DATA_DIR: '' }, bareServer);
  const [ours, theirs] = await withServers([service, bare], () =>
    inTurn(
      () => deliver(service, load, event()),
      () => deliver(bare, load, message()),
    ),
  );
  return [
    cpuRow(name, ours.cpu_us, { name: 'µs by a bare server', value: theirs.cpu_us }, ratio_max),
    {
      name: `${name}: p99`,
      value: ours.p99_ms,
      unit: 'ms',
      goal: { at_most: p99_ms_max },
      steady: false,
      more: { 'bare p99 ms': theirs.p99_ms },
    },
  ];
}

const cpuRow = (name: string, value: number, reference: { name: string; value: number }, at_most: number): Row => ({
  name,
  value,
  unit: 'µs of CPU',
  reference,
  goal: { at_most },
  steady: true,
});

async function againstOneFilter(name: string, { databases }: Context): Promise<Row[]> {
  const service = await startServer(await databases.postgres.fresh());
  const [many, one] = await withServers([service], () =>
    inTurn(
      () => deliver(service, filtered, event()),
      () => deliver(service, steady, event()),
    ),
  );
  return [cpuRow(name, many.cpu_us, { name: 'µs with one filter', value: one.cpu_us }, 2)];
}

const names = {
  steady: 'follow: 1,000 followers, 20 events/s, a delivery',
  burst: 'follow: 1,000 followers, 500 events/s, a delivery',
  filters: 'follow: 200 filters, 20 events/s, a delivery',
};

export const followMeasurements: Measurement[] = [
  { name: names.steady, measure: (context) => againstBare(steady, names.steady, 1.2, context) },
  { name: names.burst, measure: (context) => againstBare(burst, names.burst, 0.3, context) },
  { name: names.filters, measure: (context) => againstOneFilter(names.filters, context) },
];

/** Single POSTs, compared with a bare server that appends through the same queue without checks. */
import { runLoad } from './load.ts';
import { type Context, type Measurement, quantile, type Row } from './measurement.ts';
import { startServer, token, withServers } from './service.ts';

const warm_ms = 1_000;
const measured_ms = 2_000;
/** Service and reference take turns, so that other load on the machine affects both. */
const turns = 3;

const bareServer = new URL('./bare-append.ts', import.meta.url).href;

async function measureSingles(callers: number, name: string, { databases }: Context): Promise<Row[]> {
  const servers = [
    await startServer(await databases.postgres.fresh()),
    await startServer(await databases.postgres.fresh(), bareServer),
  ] as const;
  const rows: [number, number] = [0, 0];
  const cpu: [number, number] = [0, 0];
  const latencies: number[] = [];
  const takeTurn = async () => {
    for (const [i, server] of servers.entries()) {
      const before = await server.usage();
      const load = await runLoad({ port: server.port, token, callers, rows: 1, warm_ms, ms: measured_ms });
      const after = await server.usage();
      rows[i as 0 | 1] += load.rows;
      cpu[i as 0 | 1] += (after.cpu_us - before.cpu_us) / load.acknowledged / turns;
      if (i === 0) latencies.push(...load.latencies);
    }
  };
  await withServers([...servers], async () => {
    for (let turn = 0; turn < turns; turn++) await takeTurn();
  });
  const seconds = (turns * measured_ms) / 1000;
  return [
    {
      name,
      value: rows[0] / seconds,
      unit: 'rows/s',
      reference: { name: 'rows/s by a bare server', value: rows[1] / seconds },
      goal: { at_least: 0.7 },
      steady: true,
      more: {
        'p50 ms': quantile(latencies, 0.5),
        'p99 ms': quantile(latencies, 0.99),
        'µs of CPU a POST': cpu[0],
        'bare µs': cpu[1],
      },
    },
  ];
}

export const writeMeasurements: Measurement[] = [64, 256].map((callers) => {
  const name = `write: ${callers} callers, 1 event a POST`;
  return { name, measure: (context) => measureSingles(callers, name, context) };
});

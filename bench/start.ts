/** The time from the start of the service's process to its first response that it is ready, with a long log and an empty one. */
import type { Context, Measurement, Row } from './measurement.ts';
import { quantile } from './measurement.ts';
import { startServer } from './service.ts';

const tries = 7;

async function startTime(place: { DATABASE_URL: string }): Promise<number> {
  const started = performance.now();
  const service = await startServer(place);
  const { status } = await fetch(`http://127.0.0.1:${service.port}/readyz`);
  const ms = performance.now() - started;
  await service.close();
  if (status !== 200) throw new Error(`/readyz answered ${status}`);
  return ms;
}

async function measureStart({ databases, generatedLog, rows_n }: Context): Promise<Row[]> {
  const empty = await databases.postgres.fresh();
  if (!('DATABASE_URL' in empty)) throw new Error('the empty log is in PostgreSQL');
  const long = { DATABASE_URL: await generatedLog() };
  const [ofEmpty, ofLong]: [number[], number[]] = [[], []];
  for (let i = 0; i < tries; i++) {
    ofEmpty.push(await startTime(empty));
    ofLong.push(await startTime(long));
  }
  return [
    {
      name: `start: ready with ${rows_n.toLocaleString('en')} rows`,
      value: quantile(ofLong, 0.5),
      unit: 'ms',
      reference: { name: 'ms with none', value: quantile(ofEmpty, 0.5) },
      goal: { at_most: 1.2 },
      steady: true,
    },
  ];
}

export const startMeasurements: Measurement[] = [{ name: 'start', measure: measureStart }];

/** Writers while guests ask the hardest questions all the time, compared with the same writers alone, in turns. */
import { generateLog } from './generate.ts';
import { hardFilters } from './list.ts';
import { runLoad } from './load.ts';
import { type Context, type Measurement, quantile, type Row } from './measurement.ts';
import { authorization, startServer, token, withServers } from './service.ts';

const guests = 8;
const writers = 8;
const turn_ms = 10_000;
const turns = 3;

async function measureGuests(name: string, { databases, rows_n }: Context): Promise<Row[]> {
  const place = await databases.postgres.fresh();
  if ('DATABASE_URL' in place) await generateLog(place.DATABASE_URL, rows_n);
  const service = await startServer(place);
  const { port } = service;
  const posts = async () =>
    (await runLoad({ port, token, callers: writers, rows: 1, warm_ms: 500, ms: turn_ms })).rows / (turn_ms / 1000);
  const [alone, beside]: [number[], number[]] = [[], []];
  let asked = 0;
  const guest = async (until: { over: boolean }, from: number) => {
    for (let i = from; !until.over; i++) {
      const [query] = hardFilters[i % hardFilters.length] ?? [''];
      const path = i % 4 === 0 ? `/api/logs/stats?${query}` : `/api/logs?limit=50&${query}`;
      await fetch(`http://127.0.0.1:${port}${path}`, { headers: { authorization } }).then((answer) => answer.text());
      asked += 1;
    }
  };
  await withServers([service], async () => {
    for (let turn = 0; turn < turns; turn++) {
      alone.push(await posts());
      const until = { over: false };
      const asking = Promise.all(Array.from({ length: guests }, (_, i) => guest(until, i * 2)));
      beside.push(await posts());
      until.over = true;
      await asking;
    }
  });
  return [
    {
      name,
      value: quantile(beside, 0.5),
      unit: 'rows/s',
      reference: { name: 'rows/s alone', value: quantile(alone, 0.5) },
      goal: { at_least: 0.7 },
      steady: false,
      more: { 'questions a second': asked / ((turns * turn_ms) / 1000) },
    },
  ];
}

const name = `guests: POSTs of ${writers} callers while ${guests} guests ask hard questions`;
export const guestMeasurements: Measurement[] = [{ name, measure: (context) => measureGuests(name, context) }];

/** What the rollup costs: a step over 20,000 events, and appends beside it. */
import { readerLimits, runReaders } from '../src/log/reader.ts';
import { createStore } from '../src/log/store.ts';
import { openPostgres } from '../src/runtime/postgres.ts';
import { generateLog } from './generate.ts';
import { type Context, type Measurement, quantile, type Row } from './measurement.ts';
import { shopTexts } from './shop.ts';

const generated_rows = 400_000;
const batch_rows = 100;
const turn_ms = 3_000;
const turns = 3;

async function open({ databases }: Context) {
  const place = await databases.postgres.fresh();
  if (!('DATABASE_URL' in place)) throw new Error('the log is in PostgreSQL');
  const database = openPostgres(place.DATABASE_URL, 3);
  return { url: place.DATABASE_URL, database, store: createStore(database.db, database.reads) };
}

async function measureStep(name: string, context: Context): Promise<Row[]> {
  const { url, database, store } = await open(context);
  await generateLog(url, generated_rows);
  const costs: number[] = [];
  for (let remaining = generated_rows; remaining > 0; ) {
    const started = performance.now();
    ({ remaining } = await store.rollUp(readerLimits.step_ids_max));
    costs.push(((performance.now() - started) * 1_000) / readerLimits.step_ids_max);
  }
  await database.close();
  return [{ name, value: quantile(costs, 0.5), unit: 'µs an event', goal: { at_most: 3 }, steady: false }];
}

const fail = (what: string, error: unknown) => {
  throw new Error(what, { cause: error });
};

/** Appends from one connection, in turns without and with steps of the rollup as the service takes them beside. */
async function measureBeside(name: string, context: Context): Promise<Row[]> {
  const { database, store } = await open(context);
  const texts = shopTexts(24, batch_rows);
  const entries = texts.map((text) => JSON.parse(text));
  const appendFor = async (ms: number) => {
    let rows = 0;
    const until = performance.now() + ms;
    for (let i = 0; performance.now() < until; i++) {
      await store.append(entries[i % entries.length]);
      rows += batch_rows;
    }
    return rows / (ms / 1_000);
  };
  const [alone, together]: [number[], number[]] = [[], []];
  await appendFor(500);
  for (let turn = 0; turn < turns; turn++) {
    alone.push(await appendFor(turn_ms));
    while ((await store.rollUp()).remaining > 0);
    const over = new AbortController();
    const reading = runReaders([{ name: 'rollup', step: () => store.rollUp() }], fail, over.signal);
    together.push(await appendFor(turn_ms));
    over.abort();
    await reading;
  }
  await database.close();
  return [
    {
      name,
      value: quantile(together, 0.5),
      unit: 'rows/s',
      reference: { name: 'rows/s without it', value: quantile(alone, 0.5) },
      goal: { at_least: 0.95 },
      steady: true,
    },
  ];
}

const names = { step: 'rollup: a step of 20,000 events', beside: 'rollup: appends in batches of 100 beside it' };
export const rollupMeasurements: Measurement[] = [
  { name: names.step, measure: (context) => measureStep(names.step, context) },
  { name: names.beside, measure: (context) => measureBeside(names.beside, context) },
];

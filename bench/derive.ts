/** What all that is derived from the log costs together: a step of each reader, and how fast they catch up. */
import { features } from '../src/features/index.ts';
import { readerLimits } from '../src/log/reader.ts';
import { createStore } from '../src/log/store.ts';
import { derivationsOf } from '../src/runtime/derivations.ts';
import { openPglite } from '../src/runtime/pglite.ts';
import { openPostgres } from '../src/runtime/postgres.ts';
import { generateLog } from './generate.ts';
import type { Context, Measurement, Row } from './measurement.ts';
import { shopEvent } from './shop.ts';

const rows_n = 200_000;
const embedded_rows_n = 40_000;
const batch_rows = 1_000;

type Name = 'PostgreSQL' | 'embedded database';

/** A log of the embedded database in steps of `ids_max`, or a generated one. */
async function open(name: Name, { databases }: Context) {
  const place = await (name === 'PostgreSQL' ? databases.postgres : databases.pglite).fresh();
  const database = 'DATA_DIR' in place ? await openPglite(place.DATA_DIR) : openPostgres(place.DATABASE_URL, 3);
  const store = createStore(database.db, database.reads);
  if ('DATABASE_URL' in place) {
    await generateLog(place.DATABASE_URL, rows_n);
    return { store, database, n: rows_n, ids_max: readerLimits.step_ids_max };
  }
  for (let n = 0; n < embedded_rows_n; n += batch_rows)
    await store.append(Array.from({ length: batch_rows }, (_, i) => shopEvent(n + i)) as never);
  return { store, database, n: embedded_rows_n, ids_max: readerLimits.embedded_step_ids_max };
}

async function measure(name: Name, at_least: number, context: Context): Promise<Row[]> {
  const { store, database, n, ids_max } = await open(name, context);
  const rows: Row[] = [];
  let seconds = 0;
  for (const derivation of derivationsOf(features)) {
    const started = performance.now();
    while ((await store.stepDerivation(derivation, ids_max)).remaining > 0);
    const s = (performance.now() - started) / 1_000;
    seconds += s;
    rows.push({
      name: `derive: ${derivation.name}, ${name}, steps of ${ids_max.toLocaleString('en')}`,
      value: (s * 1e6) / n,
      unit: 'µs an event',
      steady: false,
    });
  }
  await database.close();
  return [
    ...rows,
    { name: `derive: catching up, ${name}`, value: n / seconds, unit: 'events/s', goal: { at_least }, steady: false },
  ];
}

export const deriveMeasurements: Measurement[] = [
  { name: 'derive: PostgreSQL', measure: (context) => measure('PostgreSQL', 12_000, context) },
  { name: 'derive: embedded database', measure: (context) => measure('embedded database', 5_000, context) },
];

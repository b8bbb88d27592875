/**
 * A single writer while another connection holds one old snapshot for a minute, as a pg_dump or a long export does:
 * rows that die under it stay, so a counter that is updated would get slower every second. Ours must not.
 * `npx tsx bench/held-snapshot.ts`
 */
import postgres from 'postgres';
import type { NewEntry } from '../src/entry.ts';
import { openPostgres } from '../src/runtime/postgres.ts';
import { createStore, type Store } from '../src/store.ts';
import { check, openBenchDatabases } from './databases.ts';
import { shopEvent } from './shop.ts';

const slices = 6;
const slice_ms = 10_000;
const goal = 0.8;

type Slice = { rate: number; plain: number };

const blank = { timestamp: null, session_id: null, event_uid: null };

/** Appends one event after the other for so long; returns how many. */
async function write(store: Store, from: number, ms: number): Promise<number> {
  const until = performance.now() + ms;
  let n = 0;
  for (; performance.now() < until; n++) {
    const event: NewEntry = { ...blank, ...shopEvent(from + n) };
    await store.append([event]);
  }
  return n;
}

/** Plain INSERTs into a table without indexes: how fast the machine is now, whatever its neighbours do. */
async function machineSpeed(client: postgres.Sql, ms: number): Promise<number> {
  const from = performance.now();
  let n = 0;
  for (; performance.now() < from + ms; n++)
    await client`insert into bench_reference values (${n}, ${'x'.repeat(400)})`;
  return (n * 1000) / (performance.now() - from);
}

async function main(): Promise<void> {
  const databases = await openBenchDatabases();
  try {
    const place = await databases.postgres.fresh();
    if (!('DATABASE_URL' in place)) throw new Error('this one needs PostgreSQL');
    const holder = postgres(place.DATABASE_URL, { max: 1 });
    const database = openPostgres(place.DATABASE_URL, 1);
    const store = createStore(database.db);
    let written = await write(store, 0, 2_000);
    await holder`create table bench_reference (n bigint, filler text)`;
    const reference = postgres(place.DATABASE_URL, { max: 1 });
    const measured: Slice[] = [];
    console.log(
      `${databases.postgres.name}: one writer, one event at a time, while one snapshot is held for ${(slices * slice_ms) / 1000} s`,
    );
    console.log('seconds   rows/s   plain INSERTs/s   ratio');
    await holder.begin('isolation level repeatable read', async (held) => {
      await held`select count(*) from log_batches`;
      for (let slice = 0; slice < slices; slice++) {
        const before = await machineSpeed(reference, 500);
        const n = await write(store, written, slice_ms - 1_000);
        const plain = (before + (await machineSpeed(reference, 500))) / 2;
        written += n;
        const rate = (n * 1000) / (slice_ms - 1_000);
        measured.push({ rate, plain });
        console.log(
          `${String(slice * 10).padStart(2)} to ${String(slice * 10 + 10).padStart(2)}   ${rate.toFixed(0).padStart(5)}   ${plain.toFixed(0).padStart(15)}   ${(rate / plain).toFixed(3)}`,
        );
      }
    });
    await check(database, written);
    await Promise.all([holder.end(), reference.end(), database.close()]);
    report(measured);
  } finally {
    await databases.close();
  }
}
/** The first ten seconds against the last: as measured, and with the machine's own ups and downs taken out. */
function report(measured: Slice[]): void {
  const [first, last] = [measured[0], measured.at(-1)];
  if (!first || !last) return;
  const ratio = last.rate / first.rate;
  const corrected = ratio / (last.plain / first.plain);
  console.log(
    `first ten seconds ${first.rate.toFixed(0)} rows/s, last ten ${last.rate.toFixed(0)}: ratio ${ratio.toFixed(2)}, ` +
      `relative to plain INSERTs ${corrected.toFixed(2)}; the goal is at least ${goal}`,
  );
  if (Math.max(ratio, corrected) < goal) process.exitCode = 1;
}

await main();

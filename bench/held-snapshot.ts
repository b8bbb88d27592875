/**
 * One writer while another connection holds an old snapshot for a minute, as pg_dump or a long export does. Dead rows
 * cannot be removed meanwhile, so updates of a counter row would get slower every second. Writes must not. Exits with 1
 * when they do.
 * `npx tsx bench/held-snapshot.ts`
 */
import postgres from 'postgres';
import { createStore } from '../src/log/store.ts';
import { openPostgres } from '../src/runtime/postgres.ts';
import { check, openBenchDatabases, type Place } from './databases.ts';
import { shopEvent } from './shop.ts';

const slices = 6;
/** Each slice of ten seconds alternates between the database with the snapshot and one without. */
const turns = 10;
const held_ms = 800;
const free_ms = 200;
const goal = 0.8;

type Slice = { held: number; free: number };

const blank = {
  timestamp: null,
  session_id: null,
  event_uid: null,
  span_id: null,
  parent_span_id: null,
  caused_by: null,
};

function openWriter(place: Place) {
  if (!('DATABASE_URL' in place)) throw new Error('this one needs PostgreSQL');
  const database = openPostgres(place.DATABASE_URL, 1);
  const store = createStore(database.db);
  let written = 0;
  return {
    url: place.DATABASE_URL,
    /** Appends one event after the other for `ms`; returns how many. */
    async write(ms: number): Promise<number> {
      const until = performance.now() + ms;
      const from = written;
      while (performance.now() < until) {
        await store.append([{ ...blank, ...shopEvent(written) }]);
        written += 1;
      }
      return written - from;
    },
    async close(): Promise<void> {
      await check(database, written);
      await database.close();
    },
  };
}
type Writer = ReturnType<typeof openWriter>;

async function measure(held: Writer, free: Writer): Promise<Slice> {
  let [inHeld, inFree] = [0, 0];
  for (let turn = 0; turn < turns; turn++) {
    inHeld += await held.write(held_ms);
    inFree += await free.write(free_ms);
  }
  return { held: (inHeld * 1000) / (turns * held_ms), free: (inFree * 1000) / (turns * free_ms) };
}

/** Compares the first and the last ten seconds: as measured, and corrected for the speed of the machine. */
function report(measured: Slice[]): void {
  const [first, last] = [measured[0], measured.at(-1)];
  if (!first || !last) return;
  const ratio = last.held / first.held;
  const corrected = ratio / (last.free / first.free);
  console.log(
    `first ten seconds ${first.held.toFixed(0)} rows/s, last ten ${last.held.toFixed(0)}: ratio ${ratio.toFixed(2)}; ` +
      `relative to the database that is not held ${corrected.toFixed(2)}; the goal is at least ${goal}`,
  );
  if (Math.max(ratio, corrected) < goal) process.exitCode = 1;
}

async function main(): Promise<void> {
  const databases = await openBenchDatabases();
  try {
    const held = openWriter(await databases.postgres.fresh());
    const free = openWriter(await databases.postgres.fresh());
    for (const writer of [held, free]) await writer.write(2_000);
    const holder = postgres(held.url, { max: 1 });
    const measured: Slice[] = [];
    console.log(`${databases.postgres.name}: one writer, one event at a time, while one snapshot is held

seconds    rows/s   without the snapshot   ratio`);
    await holder.begin('isolation level repeatable read', async (snapshot) => {
      await snapshot`select count(*) from log_batches`;
      for (let slice = 0; slice < slices; slice++) {
        const seen = await measure(held, free);
        measured.push(seen);
        const seconds = `${slice * 10} to ${slice * 10 + 10}`.padEnd(9);
        const rates = `${seen.held.toFixed(0).padStart(7)} ${seen.free.toFixed(0).padStart(22)}`;
        console.log(`${seconds} ${rates} ${(seen.held / seen.free).toFixed(2).padStart(7)}`);
      }
    });
    await holder.end();
    await Promise.all([held.close(), free.close()]);
    report(measured);
  } finally {
    await databases.close();
  }
}

await main();

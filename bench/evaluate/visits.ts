/** Visits of a real team's activity, of which 5 % come up to three hours late: how many differ from one pass over all. */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { visits, visitsPage } from '../../src/features/visits/tables.ts';
import { createStore } from '../../src/log/store.ts';
import { openPostgres } from '../../src/runtime/postgres.ts';
import { type Seen, type Visit, visitsOf } from '../../test/features/visits/oracle.ts';
import { type BenchDatabases, openBenchDatabases } from '../databases.ts';
import { atMost, type Part, type Row } from './part.ts';

const late_part = 0.05;
const late_ms_max = 3 * 60 * 60_000;
const seeds = [1, 2, 3];
/** Events of a request, and at most so many ids of a step after it. */
const batches = [1, 97, 1_000, 20_000];
const page_rows = 1_000;

type Event = { timestamp: string; user_id: string; event_type: string; entity_type: string };

async function readEvents(folder: string): Promise<Event[]> {
  const names = (await readdir(folder)).filter((name) => name.endsWith('.ndjson.gz')).sort();
  const texts = await Promise.all(names.map(async (name) => gunzipSync(await readFile(join(folder, name))).toString()));
  return texts.flatMap((text) => text.trim().split('\n')).map((line) => JSON.parse(line) as Event);
}

/** Numbers from 0 to 1 that depend on the seed alone (mulberry32). */
function randomOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** The events in the order in which they arrive. */
function arrivals(events: Event[], seed: number): Event[] {
  const random = randomOf(seed);
  return events
    .map((event) => ({
      event,
      at: Date.parse(event.timestamp) + (random() < late_part ? random() * late_ms_max : 0),
    }))
    .sort((a, b) => a.at - b.at)
    .map(({ event }) => event);
}

async function differing(events: Event[], batch: number, databases: BenchDatabases) {
  const place = await databases.postgres.fresh();
  if (!('DATABASE_URL' in place)) throw new Error('the log is in PostgreSQL');
  const { db, close, reads } = openPostgres(place.DATABASE_URL, 3);
  const store = createStore(db, reads);
  const request_rows = Math.min(batch, page_rows);
  for (let i = 0; i < events.length; i += request_rows) {
    await store.append(events.slice(i, i + request_rows) as never);
    if (batch <= page_rows) await store.stepDerivation(visits, batch);
  }
  while ((await store.stepDerivation(visits, batch)).remaining > 0);
  const told: Visit[] = [];
  for (let after = { ms: Date.parse('0001-01-01T00:00:00Z'), visit: 0 }; ; ) {
    const all = { users: [], sessions: [], from_ms: null, to_ms: null };
    const page = { limit: page_rows, offset: 0, before: null, after };
    const found = await visitsPage(db, all, page, { in: ['LOGIN'], out: ['LOGOUT'] });
    told.push(...found.visits.toReversed());
    const [last] = found.visits;
    if (!found.hasMore || !last) break;
    after = { ms: Date.parse(last.ended), visit: last.visit };
  }
  await close();
  const seen = events.map(
    (event, i): Seen => ({
      id: i + 1,
      ...event,
      session_id: null,
      service: null,
      ip_address: null,
    }),
  );
  const expected = visitsOf(seen);
  const keyOf = ({ visit, user_id, started, ended, n, last_id }: Visit) =>
    JSON.stringify([visit, user_id, started, ended, n, last_id]);
  const keys = new Set(told.map(keyOf));
  const missing = expected.filter((visit) => !keys.has(keyOf(visit))).length;
  return { n: expected.length, wrong: missing + told.length - (expected.length - missing) };
}

async function run(folder: string): Promise<Row[]> {
  const events = await readEvents(folder);
  const databases = await openBenchDatabases();
  try {
    const rows: Row[] = [];
    for (const batch of batches) {
      let [n, wrong] = [0, 0];
      for (const seed of seeds) {
        const counted = await differing(arrivals(events, seed), batch, databases);
        n += counted.n;
        wrong += counted.wrong;
      }
      rows.push(
        atMost(
          `${events.length} events, 5 % late, in requests and steps of ${batch}, seeds ${seeds.join(', ')}: of ${n} visits, those that differ from one pass`,
          wrong,
          0,
          0,
        ),
      );
    }
    return rows;
  } finally {
    await databases.close();
  }
}

export const visitsPart: Part = { name: 'visits', folder: 'activity-git', run };

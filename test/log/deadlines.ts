/**
 * `npm run test:deadlines`: random questions that a guest may ask of a log of a million events. None holds a connection of
 * PostgreSQL for longer than its deadline, and none the event loop of the embedded database for longer than 300 ms.
 * `--rows 200000` takes a shorter log, `--runs 300` more questions, `--only pglite` one database.
 */
import { parseArgs } from 'node:util';
import fc from 'fast-check';
import postgres from 'postgres';
import { ask, derived } from '../../bench/ask.ts';
import { openBenchDatabases, type Place } from '../../bench/databases.ts';
import { fillLog, generateLog, session } from '../../bench/generate.ts';
import { authorization, type RunningServer, startServer } from '../../bench/service.ts';
import { aggregateLimits } from '../../src/log/aggregate.ts';
import { deadlineLimits } from '../../src/log/deadlines.ts';
import { filterRows } from '../../src/log/filter.ts';
import { listLimits } from '../../src/log/list.ts';

import { openPglite } from '../../src/runtime/pglite.ts';

const { values: options } = parseArgs({
  options: {
    rows: { type: 'string', default: '1000000' },
    runs: { type: 'string', default: '200' },
    only: { type: 'string', default: '' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
  },
});
const rows = Number(options.rows);

/** READ_MS_MAX of the service: the deadline of exact counts, statistics and followers. */
const read_ms_max = 2_000;
/** A statement notices its deadline only between rows and pages, and this machine does other work as well. */
const late_ms_max = 250;
const loop_ms_max = 300;

const day_ms = 86_400_000;
const time = fc.nat(800).map((days) => new Date(Date.now() - days * day_ms).toISOString());
const words = ['x', 'zq', 'via', 'order', 'DHL', 'recalled', 'nowhere', 'Postal', '%', 'paid', "o'", 'é', 'or'];
const search = fc.oneof(
  fc.constantFrom(...words),
  fc.string({ minLength: 1, maxLength: 6 }).filter((text) => text.trim() !== ''),
);
const id = fc.constantFrom('1', '100064', '999000', '9000000');
/** Values that many, few and no entries have. A field without any here takes texts that none has. */
const values: Record<string, fc.Arbitrary<string>> = {
  event_type: fc.constantFrom('UPDATE', 'CREATE', 'PAYMENT', 'DELETE', 'REFUND', 'NONE'),
  entity_type: fc.constantFrom('order', 'customer', 'product', 'nothing'),
  entity_id: fc.constantFrom('order-3', 'order-150001', 'nothing-1'),
  user_id: fc.constantFrom('user-3', 'user-19', 'user-13333', 'nobody'),
  service: fc.constantFrom('checkout', 'warehouse', 'none'),
  session_id: fc.constantFrom('session-100', 'session-7', 'none'),
  ip_address: fc.constantFrom('10.0.0.1', '2001:db8::1'),
  without: fc.constantFrom('user_id', 'service', 'ip_address'),
  hour_of_week: fc.constantFrom('0', '100', '167'),
  pattern: fc.constantFrom('0123456789abcdef', 'e3b0c44298fc1c14'),
  first_id: id,
  last_id: id,
  start_date: time,
  end_date: time,
  search,
};
const term = fc.oneof(
  ...filterRows.map(({ key, not }) =>
    fc
      .tuple(fc.array(values[key] ?? fc.constantFrom('100064', 'none'), { minLength: 1, maxLength: 3 }), fc.boolean())
      .map(([texts, negated]) => texts.map((text): [string, string] => [negated && not ? `${key}!` : key, text])),
  ),
  fc
    .tuple(
      fc.constantFrom('metadata.channel', 'metadata.status', 'metadata.basket', 'metadata.express', 'metadata.a.b'),
      fc.constantFrom('web', 'fax', 'paid', '7', 'true', 'null'),
      fc.boolean(),
    )
    .map(([key, text, negated]): [string, string][] => [[negated ? `${key}!` : key, text]]),
);
const filter = fc.array(term, { maxLength: 4 }).map((terms) => new URLSearchParams(terms.flat()).toString());

const { preferred_ms_max, collected_ms_max, windows_ms_max } = listLimits;
const list_ms_max = Math.max(preferred_ms_max, collected_ms_max, windows_ms_max);
const { statement_ms_max } = deadlineLimits;
/** Each address with the longest deadline of its statements. */
const addresses: [path: string, deadline_ms: number][] = [
  ['/api/logs?limit=50', list_ms_max],
  ['/api/logs?limit=1000&count=none', list_ms_max],
  ['/api/logs?limit=50&count=exact', read_ms_max],
  ['/api/logs?limit=20&offset=9000&count=none', list_ms_max],
  ['/api/logs/stats?', read_ms_max],
  ['/api/logs/aggregate?group_by=user_id', aggregateLimits.aggregate_ms_max],
  ['/api/logs/aggregate?interval=day&measure=entities', aggregateLimits.aggregate_ms_max],
  ['/logs?', statement_ms_max],
  ['/logs/counts?', statement_ms_max],
  ['/api/logs/stream?after=0', read_ms_max],
];
const question = fc
  .tuple(fc.constantFrom(...addresses), filter)
  .map(([[path, deadline_ms], query]) => ({ path: `${path}&${query}`, deadline_ms }));

/** Refusals that name what a guest can do instead. */
const isRefusal = (message: string) => /: (400|503) /.test(message) && /narrow|cursors|values|characters/.test(message);

async function putQuestion(port: number, path: string): Promise<number> {
  const started = performance.now();
  if (path.includes('/stream')) {
    const over = new AbortController();
    const { body } = await fetch(`http://127.0.0.1:${port}${path}`, {
      headers: { authorization },
      signal: over.signal,
    });
    await body?.getReader().read();
    await new Promise((resolve) => setTimeout(resolve, 100));
    over.abort();
  } else
    await ask(port, path).catch((error: Error) => {
      if (!isRefusal(error.message)) throw error;
    });
  return performance.now() - started;
}

/** The longest time in ms that a reader's statement has run, as another connection saw it. */
function watchStatements(url: string) {
  const sql = postgres(url, { max: 1, onnotice: () => {} });
  let longest = { ms: 0, query: '' };
  let isOver = false;
  const watching = (async () => {
    while (!isOver) {
      const seen = await sql<{ ms: number; query: string }[]>`
        select extract(epoch from clock_timestamp() - query_start)::float8 * 1000 as ms, coalesce(wait_event_type || ':' || wait_event || ' ', '') || left(query, 500) as query
        from pg_stat_activity
        where application_name = 'edgetrail' and state = 'active' and query !~ 'step_reader|drain_inbox|make_partitions'`;
      for (const each of seen) if (each.ms > longest.ms) longest = each;
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    await sql.end();
  })();
  return {
    take: () => {
      const taken = longest;
      longest = { ms: 0, query: '' };
      return taken;
    },
    stop: () => {
      isOver = true;
      return watching;
    },
  };
}

const settings = { READ_MS_MAX: String(read_ms_max) };
const assertAll = (check: (of: { path: string; deadline_ms: number }) => Promise<void>) =>
  fc.assert(fc.asyncProperty(question, check), {
    numRuns: Number(options.runs),
    seed: Number(options.seed),
    endOnFailure: true,
  });

async function onPostgres(place: Place): Promise<void> {
  if (!('DATABASE_URL' in place)) throw new Error('not PostgreSQL');
  console.log(`PostgreSQL: ${rows} events at ${Math.round(await generateLog(place.DATABASE_URL, rows))} rows/s`);
  const service = await startServer({ ...place, ...settings });
  const watch = watchStatements(place.DATABASE_URL);
  const longest = new Map<number, number>();
  try {
    await derived(service.port);
    watch.take();
    await assertAll(async ({ path, deadline_ms }) => {
      await putQuestion(service.port, path);
      const { ms, query } = watch.take();
      longest.set(deadline_ms, Math.max(ms, longest.get(deadline_ms) ?? 0));
      if (ms > deadline_ms + late_ms_max)
        throw new Error(`${path} held a connection for ${Math.round(ms)} ms: ${query}`);
    });
  } finally {
    await watch.stop();
    await service.close();
  }
  for (const [deadline_ms, ms] of longest)
    console.log(`PostgreSQL: the longest statement with a deadline of ${deadline_ms} ms ran for ${Math.round(ms)} ms`);
}

async function fillPglite(place: { DATA_DIR: string }): Promise<void> {
  const { db, close } = await openPglite(place.DATA_DIR);
  const client = (
    db as unknown as {
      $client: { query(text: string, values: unknown[]): Promise<{ rows: Record<string, string>[] }> };
    }
  ).$client;
  for (const [name, value] of Object.entries(session))
    await client.query(`select set_config($1, $2, false)`, [name, value]);
  const run = async (text: string, values: unknown[] = []) => (await client.query(text, values)).rows;
  console.log(`PGlite: ${rows} events at ${Math.round(await fillLog({ connections: 1, run }, rows))} rows/s`);
  await close();
}

async function onPglite(place: Place): Promise<void> {
  if (!('DATA_DIR' in place)) throw new Error('not PGlite');
  await fillPglite(place);
  const service: RunningServer = await startServer({ ...place, ...settings });
  let longest = 0;
  try {
    await derived(service.port);
    await service.usage();
    await assertAll(async ({ path }) => {
      await putQuestion(service.port, path);
      const { loop_ms_max: ms } = await service.usage();
      longest = Math.max(longest, ms);
      if (ms > loop_ms_max) throw new Error(`${path} held the event loop for ${Math.round(ms)} ms`);
    });
  } finally {
    await service.close();
  }
  console.log(`PGlite: the event loop was held for at most ${Math.round(longest)} ms`);
}

const databases = await openBenchDatabases();
try {
  console.log(`seed ${options.seed}`);
  if (options.only !== 'pglite') await onPostgres(await databases.postgres.fresh());
  if (options.only !== 'postgres') await onPglite(await databases.pglite.fresh());
} finally {
  await databases.close();
}

/**
 * Writes a skewed log of any size through SQL: some types, users and entities are frequent, some words occur only in old
 * months. The same number of rows gives the same events, apart from their times, which end now.
 */
import postgres from 'postgres';

/** Types with their share of the rows in per mille. */
const types = [
  ['UPDATE', 550],
  ['CREATE', 300],
  ['PAYMENT', 100],
  ['DELETE', 45],
  ['REFUND', 5],
] as const;

const months = 24;
const step_rows = 50_000;
const batch_rows = 1_000;

/** An SQL expression: a hash of the row's number, different for each salt, from 0 to `below` - 1. */
const random = (salt: number, below: number) => `((hashint8extended(n, ${salt}) & 9007199254740991) % ${below})`;
/** A skewed number: half of the rows have one of the 20 first, the others are spread over `below`. */
const skewed = (salt: number, below: number) =>
  `(case when ${random(salt, 2)} = 0 then ${random(salt + 1, 20)} else ${random(salt + 1, below)} end)`;
const oneOf = (salt: number, words: string[]) =>
  `(array[${words.map((word) => `'${word}'`).join(',')}])[1 + ${random(salt, words.length)}]`;

const typeOf = `case ${types
  .map(([type], i) => {
    const below = types.slice(0, i + 1).reduce((sum, [, share]) => sum + share, 0);
    return `when r.share < ${below} then '${type}'`;
  })
  .join(' ')} end`;

const carriers = ['Postal', 'Courier', 'Freight', 'Bike'];
/** A carrier that was used in the first quarter of the time only, and a rare word of the first month. */
const oldWords = `case when r.age > 0.75 and ${random(21, 40)} = 0 then ' by DHL' when r.age > 0.96 and ${random(22, 500)} = 0 then ' recalled' else '' end`;

/** The time of a row's batch: the batches are spread evenly over the months, and the last one is now. */
const takenSql = (n: string) =>
  `to_timestamp($3::float8 - (1 - ceil(${n} / ${batch_rows}.0) * ${batch_rows} / $4::float8) * $5::float8)::timestamptz(3)`;

const rowsSql = `
  insert into activity_logs (id, "timestamp", event_type, entity_type, entity_id, user_id, description, metadata,
                             ip_address, user_agent, service, trace_id, session_id, created_at)
  select n, taken - r.late_ms * interval '1 ms', ${typeOf}, r.entity,
         r.entity || '-' || r.entity_n, 'user-' || r.user_n,
         r.verb || ' ' || r.entity || ' ' || r.entity_n || ' via ' || ${oneOf(11, carriers)} || ${oldWords},
         case when ${random(12, 10)} < 7 then jsonb_build_object('status', r.verb, 'total', r.total, 'channel', ${oneOf(13, ['web', 'ios', 'android', 'partner'])},
           'basket', ${random(14, 1_000_000)}, 'express', ${random(15, 5)} = 0) end,
         ('10.' || ${random(16, 4)} || '.' || ${random(17, 256)} || '.' || ${random(18, 256)})::inet,
         'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/140.0', ${oneOf(19, ['checkout', 'payments', 'warehouse', 'accounts'])},
         case when ${random(20, 2)} = 0 then to_hex(n / 4 + 1048576) end,
         case when ${random(23, 5)} < 2 then 'session-' || n / 20 end, taken
  from generate_series($1::bigint, $2::bigint) n,
       lateral (select ${takenSql('n')} as taken) b,
       lateral (select ${random(1, 1000)} as share, ${random(2, 600_000)} as late_ms, 1 - n / $4::float8 as age,
                ${skewed(3, 200_000)} as entity_n, ${skewed(5, 20_000)} as user_n, (${random(7, 50_000)} / 100.0)::numeric(10, 2) as total,
                ${oneOf(8, ['order', 'order', 'order', 'payment', 'shipment', 'customer', 'product'])} as entity,
                ${oneOf(9, ['placed', 'packed', 'paid', 'changed', 'returned', 'failed'])} as verb) r`;

/** A database that runs statements, on so many connections at once. Each has the settings of `session`. */
export type Target = {
  connections: number;
  run(text: string, values?: unknown[]): PromiseLike<Record<string, string>[]>;
};

/** The settings of the connections. */
export const session = {
  maintenance_work_mem: '512MB',
  synchronous_commit: 'off',
  jit: 'off',
  'edgetrail.append': 'on',
};

/**
 * Fills the empty, migrated log of a database with `rows` events, a multiple of 1,000. Returns how many a second were
 * written, indexes included.
 */
export async function generateLog(url: string, rows: number): Promise<number> {
  const connections = 2;
  const sql = postgres(url, { max: connections, onnotice: () => {}, connection: session });
  const run = async (text: string, values: unknown[] = []) => [...(await sql.unsafe(text, values as never[]))];
  return fillLog({ connections, run: run as Target['run'] }, rows).finally(() => sql.end());
}

/** The same through any connections. */
export async function fillLog({ connections, run }: Target, rows: number): Promise<number> {
  if (rows % batch_rows !== 0) throw new Error(`the number of rows must be a multiple of ${batch_rows}`);
  const started = performance.now();
  const span = [Date.now() / 1000, rows, months * 30 * 86_400];
  // As an import would, but all at once.
  await run(
    `select make_months(array(select generate_series(to_timestamp($1::float8 - $2::float8), now(), interval '27 days')))`,
    [span[0], span[2]],
  );
  // Building the indexes at the end takes a fraction of the time of filling them row by row.
  const indexes = await dropIndexes(run);
  const steps = Array.from({ length: Math.ceil(rows / step_rows) }, (_, i) => i * step_rows + 1);
  await inParallel(connections, steps, async (from) => {
    const step = [from, Math.min(rows, from + step_rows - 1), ...span];
    await run(rowsSql, step);
    await run(batchesSql, step);
  });
  await run(indexes.key);
  await inParallel(connections, indexes.others, run);
  const seconds = (performance.now() - started) / 1000;
  await run('vacuum analyze');
  return rows / seconds;
}

/** Runs `work` for each item, so many at once. */
async function inParallel<T>(n: number, items: T[], work: (item: T) => PromiseLike<unknown>): Promise<void> {
  const rest = items[Symbol.iterator]();
  const worker = async () => {
    for (const item of rest) await work(item);
  };
  await Promise.all(Array.from({ length: n }, worker));
}

const batchesSql = `
  insert into log_batches (last_id, n, committed_at)
  select n, ${batch_rows}, ${takenSql('n')}
  from generate_series($1::bigint + ${batch_rows - 1}, $2::bigint, ${batch_rows}) n`;

/** Drops the primary key and the indexes of the log, and returns the statements that make them again. */
async function dropIndexes(run: Target['run']): Promise<{ key: string; others: string[] }> {
  const [key] = await run(`
    select pg_get_constraintdef(oid) as definition from pg_constraint
    where conname = 'activity_logs_pkey' and conrelid = 'activity_logs'::regclass`);
  const indexes = await run(`
    select indexname as name, indexdef as definition from pg_indexes
    where tablename = 'activity_logs' and indexname <> 'activity_logs_pkey' and schemaname = current_schema()
    order by indexname = 'idx_activity_logs_description' desc`);
  for (const { name } of indexes) await run(`drop index "${name}"`);
  await run('alter table activity_logs drop constraint activity_logs_pkey');
  return {
    key: `alter table activity_logs add constraint activity_logs_pkey ${key?.definition}`,
    others: indexes.map(({ definition = '' }) => definition.replace(' ON ONLY ', ' ON ')),
  };
}

/** The role of the service owns nothing: what it may not do, with triggers and without any, and what nobody may by default. */
import { beforeAll, describe, expect, it } from 'vitest';
import { adminClient } from '../support/harness.ts';
import { denied, refusalOf, twoRoles } from '../support/two-roles.ts';

const roles = await twoRoles();
const { own, serve, owner, service } = roles;
const running = await roles.start();
const event = { event_type: 'CREATE', entity_type: 'order' };
for (const n of [1, 2, 3]) await running.write({ ...event, event_uid: `uid ${n}`, description: `Order ${n}` });
await own`insert into activity_inbox_refused (n, reason, event) values (1, 'a reason', '{}')`;
await own`insert into log_sessions (digest, user_name, proof, expires_at) values ('a', 'ana', 'p', now() + interval '1 hour')`;
await running.stop();

/** The log, its partitions, and every other table of ours; with the drizzle's own one. */
const tables = (
  await own<{ name: string }[]>`
    select c.oid::regclass::text as name from pg_class c
    where c.relkind in ('r', 'p') and c.relnamespace in ('public'::regnamespace, 'drizzle'::regnamespace) order by 1`
).map(({ name }) => name);

/** The rows of all tables, and what the catalog says of them, of their triggers and of our functions. */
async function everything(): Promise<Record<string, string>> {
  const found: Record<string, string> = {};
  const digest = (rows: string) => `coalesce(md5(string_agg(r::text, '|' order by r::text)), 'none') from (${rows}) r`;
  const queries = {
    ...Object.fromEntries(tables.map((name) => [name, `select * from only ${name}`])),
    relations: `select relname, relkind, relacl, relowner, relhastriggers, relispartition from pg_class where relnamespace = 'public'::regnamespace`,
    triggers: 'select tgrelid::regclass, tgname, tgenabled, tgfoid from pg_trigger',
    columns: `select attrelid::regclass, attname, atttypid from pg_attribute where attnum > 0 and attrelid::regclass::text ~ '^(activity|log)'`,
    functions: `select oid, proname, prosrc, proacl, proconfig, prosecdef from pg_proc where pronamespace = 'public'::regnamespace`,
    roles: 'select rolname, rolsuper, rolcreatedb, rolcreaterole from pg_roles',
  };
  for (const [name, query] of Object.entries(queries))
    found[name] = (await own.unsafe(`select ${digest(query)}`))[0]?.coalesce;
  return found;
}

/** What is refused on each table. */
const onEach: [what: string, statement: (table: string) => string][] = [
  ['INSERT', (t) => `insert into ${t} default values`],
  ['UPDATE', (t) => `update ${t} set ${columnOf(t)} = ${columnOf(t)}`],
  ['DELETE', (t) => `delete from ${t}`],
  ['TRUNCATE', (t) => `truncate ${t}`],
  ['SELECT FOR UPDATE', (t) => `select from ${t} for update`],
  ['LOCK', (t) => `lock table ${t} in access exclusive mode`],
  ['DISABLE TRIGGER', (t) => `alter table ${t} disable trigger user`],
  ['ADD COLUMN', (t) => `alter table ${t} add column more text`],
  ['ROW LEVEL SECURITY', (t) => `alter table ${t} enable row level security`],
  [
    'CREATE TRIGGER',
    (t) => `create trigger t before insert on ${t} execute function suppress_redundant_updates_trigger()`,
  ],
  ['CREATE RULE', (t) => `create rule r as on insert to ${t} do instead nothing`],
  ['CREATE INDEX', (t) => `create index on ${t} ((1))`],
  ['RENAME', (t) => `alter table ${t} rename to other`],
  ['OWNER', (t) => `alter table ${t} owner to ${service}`],
  ['DROP', (t) => `drop table ${t} cascade`],
];
const columns = new Map(
  (
    await own<{ name: string; column: string }[]>`
      select attrelid::regclass::text as name, min(attname) as column from pg_attribute
      where attnum > 0 and not attisdropped and attname not in ('n') group by 1`
  ).map(({ name, column }) => [name, column]),
);
const columnOf = (table: string) => columns.get(table) ?? 'missing';

/** Sessions are no log: the service opens and ends them itself. */
const allowed = ['INSERT log_sessions', 'DELETE log_sessions', 'LOCK log_sessions'];

const month = tables.find((name) => /^activity_logs_\d{4}_\d{2}$/.test(name)) ?? 'missing';
const cast = `
  create type pg_temp.evil as (a text);
  create function pg_temp.run(pg_temp.evil) returns varchar language plpgsql as $$ begin delete from log_sessions; return 'A'; end $$;
  create cast (pg_temp.evil as varchar) with function pg_temp.run(pg_temp.evil) as implicit;`;

/** What is refused beside that. */
const others: [what: string, statement: string][] = [
  ['a row with an id', `insert into activity_logs (id, event_type, entity_type) values (99, 'FORGED', 'order')`],
  [
    'a row with an id, into a partition',
    `insert into ${month} (id, event_type, entity_type) values (99, 'F', 'order')`,
  ],
  [
    'a row with an id, with the setting of append_logs',
    `set edgetrail.append = 'on'; insert into activity_logs (id, event_type, entity_type) values (99, 'F', 'order')`,
  ],
  [
    'a row of the inbox with a number',
    `insert into activity_inbox (n, event_type) overriding system value values (1, 'A')`,
  ],
  ['a row of the inbox', `insert into activity_inbox (event_type, entity_type) values ('A', 'b')`],
  ['COPY into the log', `copy activity_logs (id) from program 'echo 1'`],
  ['session_replication_role', `set session_replication_role = 'replica'`],
  ['SET ROLE', `set role ${owner}`],
  ['SET SESSION AUTHORIZATION', `set session authorization ${owner}`],
  ['GRANT of the owner', `grant ${owner} to ${service}`],
  ['ALTER ROLE', `alter role ${service} superuser`],
  ['CREATE TABLE', 'create table mine (a integer)'],
  [
    'CREATE FUNCTION',
    `create function to_jsonb(activity_inbox) returns jsonb language sql as $$ select '{}'::jsonb $$`,
  ],
  ['CREATE OPERATOR', 'create operator === (leftarg = text, rightarg = text, function = texteq)'],
  ['CREATE SCHEMA', 'create schema mine'],
  ['CREATE EXTENSION', 'create extension btree_gin'],
  ['CREATE in the schema of the migrations', 'create table drizzle.mine (a integer)'],
  ['REPLACE of append_logs', 'create or replace function lock_log() returns bigint language sql as $$ select 0 $$'],
  ['ALTER FUNCTION', `alter function append_logs(jsonb) set search_path = pg_temp`],
  ['DROP FUNCTION', 'drop function append_logs(jsonb)'],
  ['GRANT of a function', `grant execute on function lock_log() to ${service}`],
  ['DETACH PARTITION', `alter table activity_logs detach partition ${month}`],
  [
    'ATTACH PARTITION',
    `alter table activity_logs attach partition ${month} for values from ('2001-01-01') to ('2001-02-01')`,
  ],
  ['ALTER DEFAULT PRIVILEGES', `alter default privileges for role ${owner} grant all on tables to ${service}`],
  [
    'ALTER DATABASE',
    `alter database ${new URL(roles.ownerUrl).pathname.slice(1)} set session_replication_role = replica`,
  ],
  ['the sequence of the inbox', `select setval('activity_inbox_n_seq', 1)`],
  ['lock_log', 'select lock_log()'],
  ['make_range', `select make_range('2001-01-01', '2001-02-01')`],
  ['require_months', `select require_months(array['2001-01-01'::timestamptz])`],
  ['bound_history', 'select bound_history()'],
  ['take_over_legacy', 'select take_over_legacy(1)'],
  ['derive_rollup_1', 'select derive_rollup_1(0, 3)'],
  ['forget_rollup', 'select forget_rollup(1)'],
  [
    'a trigger function of ours on a table of its own, whose type has a cast that would run as the owner',
    `${cast} create temporary table t (event_type pg_temp.evil);
     create trigger t before insert on t for each row execute function redirect_to_inbox();
     insert into t values (row('A')::pg_temp.evil)`,
  ],
  [
    'check_event as a trigger of a table of its own',
    'create temporary table t (a text); create trigger t before insert on t for each row execute function check_event()',
  ],
];

describe.each(['with the triggers', 'without any trigger'])('%s, the role of the service is refused', (how) => {
  let before: Record<string, string> = {};
  beforeAll(async () => {
    if (how === 'without any trigger')
      for (const name of tables.filter((name) => !name.startsWith('drizzle')))
        for (const { tgname } of await own<{ tgname: string }[]>`
          select tgname from pg_trigger where tgrelid = ${name}::regclass and not tgisinternal and tgparentid = 0`)
          await own`drop trigger ${own(tgname)} on ${own(name)}`;
    before = await everything();
  });

  it.each(onEach)('%s on the log, on each partition and on the bookkeeping', async (what, statement) => {
    const passed: string[] = [];
    for (const table of tables)
      if ((await refusalOf(serve, statement(table))) !== denied) passed.push(`${what} ${table}`);
    expect(passed.filter((one) => !allowed.includes(one))).toEqual([]);
    expect(await everything()).toEqual(before);
  });

  it('GRANT on the log, on each partition and on the bookkeeping: it gives nothing', async () => {
    // On a table on which it has a right, PostgreSQL answers with a warning and not with an error.
    for (const table of tables) await serve.unsafe(`grant update on ${table} to ${service}`).catch(() => {});
    expect(await everything()).toEqual(before);
  });

  it.each(others)('%s', async (_what, statement) => {
    expect(await refusalOf(serve, statement)).toBe(denied);
    expect(await everything()).toEqual(before);
  });
});

it('the refusals were tested on all kinds of tables', () => {
  for (const name of ['activity_logs', month, 'activity_logs_history', 'log_lock', 'log_batches', 'log_uids'])
    expect(tables).toContain(name);
  for (const name of ['log_identity', 'log_readers', 'log_rollup', 'log_takeover', 'drizzle.__drizzle_migrations'])
    expect(tables).toContain(name);
});

it('reads the log through its parent, and neither a partition nor what only the functions use', async () => {
  expect(await serve`select id from activity_logs order by id`).toHaveLength(3);
  for (const name of [month, 'log_lock', 'log_takeover', 'drizzle.__drizzle_migrations'])
    expect(await refusalOf(serve, `select from ${name}`), name).toBe(denied);
});

describe('a function with the rights of the owner', () => {
  it('finds the tables of the log, although temporary ones of the same names come first in the search_path', async () => {
    const made = await serve.begin(async (tx) => {
      await tx.unsafe('create temporary table log_lock (only_row boolean) on commit drop');
      for (const name of ['log_batches', 'log_uids', 'log_identity', 'log_readers'])
        await tx.unsafe(`create temporary table ${name} (like public.${name}) on commit drop`);
      await tx.unsafe(`create temporary table activity_logs (like public.activity_logs) on commit drop`);
      await tx.unsafe(`create function pg_temp.lock_log() returns bigint language sql as 'select 0::bigint'`);
      await tx.unsafe(`create function pg_temp.month_name(timestamptz) returns text language sql as $$ select 'x' $$`);
      await tx`set local search_path = pg_temp, public`;
      await tx`select count(*) from public.append_logs(${tx.json([{ ...event, event_uid: 'uid 4' }])})`;
      await tx`select public.step_reader('rollup', 1, 1000, 1)`;
      await tx`select public.make_partitions(3)`;
      return tx`select (select count(*) from activity_logs)::int as shadow, (select count(*) from log_batches)::int as batches`;
    });
    expect(made).toEqual([{ shadow: 0, batches: 0 }]);
    expect(await own`select id::int, event_uid from activity_logs order by id desc limit 1`).toEqual([
      { id: 4, event_uid: 'uid 4' },
    ]);
  });

  it('names its schemas, the temporary one last, and is not for everybody to call', async () => {
    const [{ checked, faulty }] = await own<[{ checked: number; faulty: string[] }]>`
      select count(*)::int as checked, coalesce(array_agg(p.oid::regprocedure::text) filter (where
        not coalesce(p.proconfig, '{}') @> array['search_path=public, pg_temp']
        or exists (select from aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a where a.grantee = 0)), '{}') as faulty
      from pg_proc p where p.prosecdef and p.pronamespace = 'public'::regnamespace`;
    expect(faulty).toEqual([]);
    expect(checked).toBeGreaterThan(20);
  });
});

describe('months that are made while the service runs', async () => {
  const other = await twoRoles();
  const newest = `activity_logs_${new Date(Date.UTC(new Date().getUTCFullYear(), new Date().getUTCMonth() + 3)).toISOString().slice(0, 7).replace('-', '_')}`;

  it('are made by the role of the service, which gets no right on them, whatever the default privileges say', async () => {
    await other.own`drop table ${other.own(newest)}`;
    await other.own`alter default privileges grant all on tables to ${other.own(other.service)}`;
    await other.own`alter default privileges grant select on tables to public`;
    await other.serve`select make_partitions(3)`;
    const [made] = await other.own`select relowner::regrole::text as owner,
      array(select a.grantee::regrole::text from aclexplode(relacl) a where a.grantee <> relowner) as others
      from pg_class where oid = to_regclass(${newest})`;
    expect(made).toEqual({ owner: other.owner, others: [] });
    for (const statement of [`select from ${newest}`, `update ${newest} set user_id = 'x'`, `truncate ${newest}`])
      expect(await refusalOf(other.serve, statement), statement).toBe(denied);
  });
});

describe('on a server whose public schema is for everybody to create in, as before PostgreSQL 15', async () => {
  const open = await twoRoles();
  await adminClient(open.ownerUrl)`grant create on schema public to public`;
  const running = await open.start();

  it('/status says that the role may create there', async () => {
    const text = (await (await running.request('/status')).text()).replace(/<[^>]*>/g, '');
    expect(text).toContain('owns nothing, but has more rights than it needs: CREATE in the schema public');
  });
});

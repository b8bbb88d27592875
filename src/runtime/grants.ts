/** Grants the service's role what it needs, and nothing more, after each migration. */
import { sql } from 'drizzle-orm';
import { type Database, logIdentity } from '../log/schema.ts';

/**
 * The functions that the service calls. Those that write are SECURITY DEFINER with a search_path of their own: they are all
 * by which the service's role writes. The others are of queries, and are granted because an administrator may have taken
 * EXECUTE from PUBLIC.
 */
export const servicesFunctions: readonly string[] = [
  'append_logs',
  'drain_inbox',
  'drain_inbox_rows',
  'make_partitions',
  'make_months',
  'step_reader',
  'put_reader',
  'amend_reader',
  'switch_reader',
  'drop_reader',
  'take_reader',
  'move_reader',
  'settle_refused',
  'keep_unusual',
  'add_tile_keys',
  'add_tiles',
  'add_checkpoint',
  'visits_beyond_1',
  'pattern_rows',
  'pattern_key',
  'pattern_text',
  'pattern_hash',
];

/** Tables that it does not read: what only the functions use, and what the owner alone copies. */
const unreadTables: readonly string[] = ['log_lock', 'log_takeover', 'activity_logs_legacy'];

/** The tables that it writes itself. Sessions are no log, and functions would only repeat the two statements. */
const writtenTables: Readonly<Record<string, readonly string[]>> = { log_sessions: ['INSERT', 'DELETE'] };

/** The role's rights cannot be granted: the sentence says what is missing. */
export class GrantError extends Error {
  override name = 'GrantError';
}

/**
 * Grants `role` its rights on the log that the connection of the owner sees, and revokes other rights that it has on the
 * log's tables. Partitions are read through the log, so no right on one is needed. Nothing is written when nothing is to
 * be changed. A role that owns the tables, or may become their owner, keeps all rights.
 */
export async function grantService(owner: Database, role: string): Promise<void> {
  if (await isOwner(owner, role)) return;
  const statements = await changesFor(owner, role);
  if (statements.length === 0) return;
  await owner.transaction(async (tx) => {
    for (const statement of statements) await tx.execute(sql.raw(statement));
  });
  // Who may not grant a right gets no error, but a warning that nothing was granted.
  const [left] = await changesFor(owner, role);
  if (left) throw new GrantError(`the role of MIGRATION_DATABASE_URL could not do this: ${left}`);
}

/** The role of a connection, as the server knows it: a pooler may give it another name than the URL. */
export async function roleOf(db: Database): Promise<string> {
  const [row] = await db.select({ role: sql<string>`current_user::text` }).from(sql`(select) as nothing`);
  if (!row) throw new Error('the server did not name the role');
  return row.role;
}

/** The identity of the log that a connection sees, with its database: a copy has the same identity. */
export async function identityOf(db: Database): Promise<string> {
  const [row] = await db
    .select({ identity: sql<string>`current_database() || ' ' || ${logIdentity.log_id}` })
    .from(logIdentity);
  if (!row) throw new Error('log_identity has no row');
  return row.identity;
}

/** Rejects unless the connection of the service sees this log. */
export async function requireLog(db: Database, role: string, identity: string): Promise<void> {
  const [row] = await db
    .select({ is_there: sql<boolean>`to_regclass('log_identity') is not null` })
    .from(sql`(select) as nothing`);
  if (row?.is_there && (await identityOf(db)) === identity) return;
  throw new GrantError(
    `DATABASE_URL: the role ${role} does not see the log of MIGRATION_DATABASE_URL: both must name the same database, and both roles need the same search_path`,
  );
}

async function isOwner(db: Database, role: string): Promise<boolean> {
  const [row] = await db
    .select({ owns: sql<boolean>`pg_has_role(${role}::name, c.relowner, 'MEMBER')` })
    .from(sql`pg_class c`)
    .where(sql`c.oid = 'activity_logs'::regclass`);
  return row?.owns === true;
}

const textArray = (texts: readonly string[]) => sql`string_to_array(${texts.join(',')}, ',')`;

/** The statements that give the role its rights, in order. */
async function changesFor(db: Database, role: string): Promise<string[]> {
  const written = sql.join(
    Object.entries(writtenTables).map(([table, rights]) => sql`when ${table} then ${textArray(rights)}`),
    sql` `,
  );
  const rows = await db.select({ statement: sql<string>`statement` }).from(sql`(
    with log as (
      select c.relnamespace as schema from pg_class c where c.oid = 'activity_logs'::regclass
    ), role as (
      select r.oid, quote_ident(r.rolname) as name from pg_roles r where r.rolname = ${role}
    ), our as (
      select c.oid, c.relacl, case
          when c.relispartition or c.relname = any(${textArray(unreadTables)}) then '{}'
          else array['SELECT'] || case c.relname ${written} else '{}' end
        end as wanted,
        exists (select from pg_attribute a cross join aclexplode(a.attacl) g where a.attrelid = c.oid and g.grantee = role.oid) as has_columns,
        array(select g.privilege_type::text from aclexplode(c.relacl) g where g.grantee = role.oid) as has
      from pg_class c join log on log.schema = c.relnamespace cross join role
      where c.relkind in ('r', 'p') and c.relname ~ '^(activity|log)_' and pg_has_role(c.relowner, 'USAGE')
    )
    select 1 as place, format('GRANT USAGE ON SCHEMA %s TO %s', log.schema::regnamespace, role.name) as statement
    from log cross join role where not has_schema_privilege(role.oid, log.schema, 'USAGE')
    union all
    select 2, format('REVOKE ALL ON TABLE %s FROM %s', our.oid::regclass, role.name)
    from our cross join role where has_columns or not has <@ wanted
    union all
    select 3, format('GRANT %s ON TABLE %s TO %s', array_to_string(wanted, ', '), our.oid::regclass, role.name)
    from our cross join role where wanted <> '{}' and (has_columns or not (has <@ wanted and wanted <@ has))
    union all
    select 4, format('GRANT EXECUTE ON FUNCTION %s TO %s', p.oid::regprocedure, role.name)
    from pg_proc p join log on log.schema = p.pronamespace cross join role
    where p.proname = any(${textArray(servicesFunctions)}) and not exists (
      select from aclexplode(p.proacl) g where g.grantee = role.oid and g.privilege_type = 'EXECUTE')
    order by 1, 2) as change`);
  return rows.map(({ statement }) => statement);
}

/** What the role of the service may do to the log beyond appending and reading, as the database says. */
import { sql } from 'drizzle-orm';
import type { Reads } from './reads.ts';

export type Rights = {
  /** It owns the tables, or may become their owner: it can disable triggers and change everything. */
  owns: boolean;
  /** Otherwise the rights that it does not need, such as `UPDATE on activity_logs`. */
  more: string[];
};

export function rightsOf(reads: Reads) {
  async function rights(): Promise<Rights> {
    const [row] = await reads((db) =>
      db
        .select({
          // Of the session's user: a role that was set can be reset.
          owns: sql<boolean>`pg_has_role(session_user, log.relowner, 'MEMBER')`,
          more: sql<string>`array_to_string(array(
            select 'CREATE in the schema ' || log.relnamespace::regnamespace
            where has_schema_privilege(log.relnamespace, 'CREATE')
            union all
            (select p.name || ' on ' || t.relname
            from pg_class t cross join unnest(array['INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'TRIGGER']) p (name)
            where t.relkind in ('r', 'p') and t.relnamespace = log.relnamespace and t.relname ~ '^(activity|log)_'
              and not (t.relname = 'log_sessions' and p.name in ('INSERT', 'DELETE'))
              and case when p.name in ('INSERT', 'UPDATE') then has_any_column_privilege(t.oid, p.name)
                else has_table_privilege(t.oid, p.name) end
            order by 1)), '|')`,
        })
        .from(sql`pg_class log`)
        .where(sql`log.oid = 'activity_logs'::regclass`),
    );
    return { owns: row?.owns === true, more: row?.more ? row.more.split('|') : [] };
  }

  return { rights };
}

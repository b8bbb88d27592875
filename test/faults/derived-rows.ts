/** What is derived from a log: whether it has caught up, a digest of its rows, and the same again from nothing. */
import postgres from 'postgres';
import { features } from '../../src/features/index.ts';
import { createStore } from '../../src/log/store.ts';
import { derivationsOf } from '../../src/runtime/derivations.ts';
import { openPostgres } from '../../src/runtime/postgres.ts';

export type DerivedRows = Awaited<ReturnType<typeof derivedRows>>;

/** Of a database with its tables. `close` ends the connections. */
export async function derivedRows(DATABASE_URL: string) {
  const database = openPostgres(DATABASE_URL, 3);
  const sql = postgres(DATABASE_URL, { max: 1, onnotice: () => {} });
  const derivations = derivationsOf(features);
  const store = createStore(database.db);
  const tables = (
    await sql<{ name: string }[]>`
      select table_name as name from information_schema.columns
      where table_schema = current_schema() and column_name = 'version' and table_name <> 'log_readers' order by 1`
  ).map(({ name }) => name);

  /** A digest of each derived table's rows. */
  async function state(): Promise<Record<string, string>> {
    const digests = tables.map(async (table) => {
      const [row] = await sql<{ n: number; digest: string }[]>`
        select count(*)::integer as n, md5(coalesce(string_agg(t::text, e'\n' order by t::text), '')) as digest
        from ${sql(table)} t`;
      return [table, `${row?.n} rows ${row?.digest}`] as const;
    });
    return Object.fromEntries(await Promise.all(digests));
  }

  return {
    tables,
    state,
    /** How many derivations have not read up to an id. */
    behind: async (head: number) => {
      const [row] = await sql<{ n: number }[]>`
        select ${derivations.length} - count(*)::integer as n from log_readers where kind = 'derive' and cursor = ${head}`;
      return row?.n ?? derivations.length;
    },
    /** Forgets all rows and derives them again, so many ids a step. No service may run. Returns the digests. */
    again: async (ids_max: number) => {
      for (const { name, version } of derivations) await sql`select ${sql(`forget_${name}`)}(${version})`;
      await sql`delete from log_readers where kind = 'derive'`;
      for (const derivation of derivations) while ((await store.stepDerivation(derivation, ids_max)).remaining > 0);
      return state();
    },
    close: async () => {
      await sql.end();
      await database.close();
    },
  };
}

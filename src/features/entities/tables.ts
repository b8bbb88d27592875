/** Who touched an entity, and which entities share its traces and sessions: counted within a deadline. */
import { and, eq, type SQL, sql } from 'drizzle-orm';
import type { Filter } from '../../log/filter.ts';
import { isoOf, readDatabaseTime } from '../../log/instant.ts';
import { literal } from '../../log/literals.ts';
import { type Database, activityLogs as log } from '../../log/schema.ts';
import type { Store } from '../../log/store.ts';
import { readWhole } from '../../log/whole-reads.ts';

export const countLimits = {
  statement_ms_max: 1_000,
  users_max: 50,
  related_max: 50,
  /** The newest traces and sessions of an entity, looked for in its newest events that have one, */
  keys_max: 200,
  key_events_max: 2_000,
  /** and the first events of each. */
  events_of_key_max: 200,
  /** More values do not fit into the address of a list. */
  linked_keys_max: 40,
} as const;

export type Entity = { entity_type: string; entity_id: string };
export type User = { user_id: string | null; n: number; last: string };
/** `more`: there are further users. */
export type Users = { users: User[]; more: boolean };
/** An entity with its events in the shared traces; `keys`: these traces, unless they are more than an address holds. */
export type Related = Entity & { n: number; shared: number; keys: string[] | null };
/** `n_keys`: how many traces were looked at. Not `exact`: not all events of one of them were counted. */
export type Relations = { n_keys: number; exact: boolean; related: Related[]; more: boolean };
/** What the statement returns: one more entity than are shown, each with one more key than is linked. */
type Found = { n_keys: number; exact: boolean; related: (Entity & { n: number; shared: number; keys: string[] })[] };
export type SharedKey = 'trace_id' | 'session_id';

const isEntity = ({ entity_type, entity_id }: Entity): SQL | undefined =>
  and(eq(log.entity_id, entity_id), eq(log.entity_type, entity_type));

/** The one JSON value of a statement. */
async function jsonOf<T>(db: Database, value: SQL): Promise<T> {
  const [row] = await db.select({ json: sql<string>`(${value})::text` }).from(sql`(select) as one`);
  return JSON.parse(row?.json ?? 'null') as T;
}

/** The users of an entity, those with the most events first; null when counting took too long. */
export async function usersOf(store: Store, filter: Filter, entity: Entity, newest: number): Promise<Users | null> {
  const { statement_ms_max, users_max } = countLimits;
  const counted = sql`select coalesce(json_agg(u), '[]') from (
    select ${log.user_id}, count(*) as n, max(${log.timestamp})::text as last from ${log} where ${isEntity(entity)}
    group by 1 order by n desc, 1 limit ${literal(users_max + 1)}) u`;
  const run = (tx: Database) => jsonOf<User[]>(tx, counted);
  const found = await readWhole(store.reads, filter, newest, run, statement_ms_max);
  const users = found?.slice(0, users_max).map((user) => ({ ...user, last: isoOf(readDatabaseTime(user.last)) }));
  return found && users ? { users, more: found.length > users_max } : null;
}

/** The entities with events in the newest traces (or sessions) of this one; null when counting took too long. */
export async function relationsOf(
  store: Store,
  filter: Filter,
  entity: Entity,
  by: SharedKey,
  newest: number,
): Promise<Relations | null> {
  const { statement_ms_max, related_max, keys_max, key_events_max, events_of_key_max, linked_keys_max } = countLimits;
  const key = log[by];
  const counted = sql`with keys as materialized (
      select k from (
        select ${key} as k, ${log.timestamp} as at from ${log} where ${isEntity(entity)} and ${key} is not null
        order by ${log.timestamp} desc, ${log.id} desc limit ${literal(key_events_max)}) newest
      group by k order by max(at) desc, k limit ${literal(keys_max)}),
    shared as materialized (
      select keys.k, r.entity_type, r.entity_id, count(*) over (partition by keys.k) > ${literal(events_of_key_max)} as cut
      from keys cross join lateral (
        select ${log.entity_type}, ${log.entity_id} from ${log} where ${key} = keys.k
        order by ${log.timestamp}, ${log.id} limit ${literal(events_of_key_max + 1)}) r)
    select json_build_object(
      'n_keys', (select count(*) from keys),
      'exact', not coalesce((select bool_or(cut) from shared), false),
      'related', (select coalesce(json_agg(e), '[]') from (
        select entity_type, entity_id, count(*) as n, count(distinct k) as shared,
          (array_agg(distinct k))[1:${literal(linked_keys_max + 1)}] as keys
        from shared
        where entity_id is not null and (entity_type, entity_id) <> (${entity.entity_type}::text, ${entity.entity_id}::text)
        group by 1, 2 order by shared desc, n desc, 1, 2 limit ${literal(related_max + 1)}) e))`;
  const run = (tx: Database) => jsonOf<Found>(tx, counted);
  const found = await readWhole(store.reads, filter, newest, run, statement_ms_max);
  if (!found) return null;
  const related = found.related
    .slice(0, related_max)
    .map((each) => ({ ...each, keys: each.keys.length > linked_keys_max ? null : each.keys }));
  return { ...found, related, more: found.related.length > related_max };
}

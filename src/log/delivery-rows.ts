/** The rows of deliveries: who may send which part of the log where, how far that is, and what was refused. */
import { and, asc, count, eq, gt, inArray, ne, sql } from 'drizzle-orm';
import { type AppendedRow, appendRows } from './append-logs.ts';
import type { Json, Metadata, NewEntry } from './entry.ts';
import { isoOf, plainIsoOf, readDatabaseTime } from './instant.ts';
import { type Database, activityLogs as log, logBatches, logReaders, logRefused } from './schema.ts';

/** A row of log_readers that is a delivery. */
export type Delivery = Omit<typeof logReaders.$inferSelect, 'version'>;

/** A row with what can be said about it at one moment: lag is exact, because ids are dense. */
export type DeliveryState = Delivery & {
  lag_events: number;
  /** When the log took the first event after the cursor; null when there is none. */
  waiting_since: string | null;
  refused_events: number;
};

/** What a step leaves behind for the next one. */
export type Move = {
  pending: Json;
  state: Json;
  status?: 'held';
  /** When the next step is due, in ms from now. */
  due_ms: number;
  attempts: number;
  error: string | null;
  /** Whether the far side kept anything. */
  ok: boolean;
  /** Whether the lease goes on. */
  keep: boolean;
  refused: { id: number; upto?: number; n?: number; reason: string }[];
};

export type Refused = Pick<typeof logRefused.$inferSelect, 'id' | 'upto' | 'n' | 'reason' | 'at'>;
export type Deliveries = ReturnType<typeof deliveriesOf>;
type ReadOnly = <T>(run: (db: Database) => Promise<T>) => Promise<T>;

/** A replay is a reader of its own beside the one it repeats, named `<name>~<after>-<until>`. */
export const replayOf = (name: string, after: number, until: number) => `${name}~${after}-${until}`;

const databaseTime = (text: string | null) => text && (plainIsoOf(text) ?? isoOf(readDatabaseTime(text)));
/** As jsonb has times. */
const jsonTime = (text: string | null) => text && new Date(text).toISOString();

/**
 * Deliveries in one database. What only reads goes through `reads`, so that pages and the loop's look each second do not
 * take the writers' connections.
 */
export function deliveriesOf(db: Database, reads: ReadOnly = (run) => run(db)) {
  const call = async <T>(query: ReturnType<typeof sql>): Promise<T | null> => {
    const [row] = await db.select({ text: sql<string | null>`t::text` }).from(sql`(select ${query} as t) as called`);
    return JSON.parse(row?.text ?? 'null') as T | null;
  };

  const columns = {
    row: sql<string>`to_jsonb(${logReaders})::text`,
    head: sql<number>`coalesce((select max(${logBatches.last_id}) from ${logBatches}), 0)`.mapWith(Number),
    waiting_since: sql<string | null>`(select l.created_at::text from ${log} l where l.id = ${logReaders.cursor} + 1)`,
    refused_events:
      sql<number>`coalesce((select sum(f.n) from ${logRefused} f where f.reader = ${logReaders.name}), 0)`.mapWith(
        Number,
      ),
  };
  const isBehind = sql`${logReaders.cursor} < coalesce((select max(${logBatches.last_id}) from ${logBatches}), 0)`;
  /** When what is pending may go on, where it names a time. */
  const wakeAt = sql`(${logReaders.pending}->>'wake_at')::timestamptz`;
  const hasWork = sql`(${isBehind} or ${logReaders.pending} is not null)`;
  const isDelivery = ne(logReaders.kind, 'derive');

  async function states(names: string[] | null): Promise<DeliveryState[]> {
    const rows = await reads((from) =>
      from
        .select(columns)
        .from(logReaders)
        .where(names ? and(isDelivery, inArray(logReaders.name, names)) : isDelivery)
        .orderBy(asc(logReaders.name)),
    );
    return rows.map(({ row, head, waiting_since, refused_events }) => {
      const delivery = readRow(row);
      return {
        ...delivery,
        lag_events: Math.max(0, Math.min(head, delivery.until ?? head) - delivery.cursor),
        waiting_since: databaseTime(waiting_since),
        refused_events,
      };
    });
  }

  /** All deliveries, by name. */
  const list = () => states(null);

  const one = async (name: string): Promise<DeliveryState | null> => (await states([name]))[0] ?? null;

  /** The names of the deliveries that have something to do and that nobody else is doing, the longest due first. */
  async function due(me: string, n_max: number): Promise<string[]> {
    const now = sql`clock_timestamp()`;
    const rows = await reads((from) =>
      from
        .select({ name: logReaders.name })
        .from(logReaders)
        .where(
          and(
            isDelivery,
            eq(logReaders.status, 'on'),
            sql`${logReaders.due_at} <= ${now}`,
            sql`(${logReaders.owner_until} is null or ${logReaders.owner_until} <= ${now} or ${logReaders.owner} = ${me})`,
            sql`(${isBehind} or ${logReaders.pending} is not null and coalesce(${wakeAt}, '-infinity') <= ${now})`,
          ),
        )
        .orderBy(asc(logReaders.due_at))
        .limit(n_max),
    );
    return rows.map(({ name }) => name);
  }

  /** Whether there are deliveries, and in how many ms the first of those with something to do is due. */
  async function nextDue(): Promise<{ hasAny: boolean; due_ms: number | null }> {
    const at = sql`greatest(${logReaders.due_at}, ${logReaders.owner_until}, case when ${isBehind} then null else ${wakeAt} end)`;
    const [row] = await reads((from) =>
      from
        .select({
          n: count(),
          due_ms: sql<number | null>`extract(epoch from
          min(${at}) filter (where ${logReaders.status} = 'on' and ${hasWork}) - clock_timestamp())::float8 * 1000`,
        })
        .from(logReaders)
        .where(isDelivery),
    );
    return { hasAny: (row?.n ?? 0) > 0, due_ms: row?.due_ms ?? null };
  }

  /** Takes the lease, or prolongs it; null when another process has it or there is nothing to do. */
  async function take(name: string, me: string, lease_ms: number): Promise<Delivery | null> {
    const rows = await db
      .select({ row: sql<string>`to_jsonb(t)::text` })
      .from(sql`take_reader(${name}, ${me}, ${lease_ms}::integer) as t`);
    return rows[0] ? readRow(rows[0].row) : null;
  }

  /** Moves a delivery from its cursor on. False: another process holds it, and everything here is out of date. */
  async function move({ name, epoch, cursor }: Delivery, to: number, step: Move): Promise<boolean> {
    const moved = call<boolean>(
      sql`move_reader(${name}, ${epoch}::bigint, ${cursor}::bigint, ${to}::bigint, ${JSON.stringify(step, storable)}::jsonb)`,
    );
    return (await moved) === true;
  }

  /** Makes or changes a delivery. `after` counts only for a new one. */
  async function put(
    { name, kind, spec, filter }: { name: string; kind: string; spec: Metadata; filter: string },
    after: number,
    until: number | null = null,
  ): Promise<'made' | 'changed' | 'same'> {
    const [row] = await db
      .select({ did: sql<'made' | 'changed' | 'same'>`did` })
      .from(
        sql`put_reader(${name}, ${kind}, ${JSON.stringify(spec)}::jsonb, ${filter}, ${after}::bigint, ${until}::bigint) as did`,
      );
    if (!row) throw new Error('put_reader answered with nothing');
    return row.did;
  }

  const switchTo = async (name: string, status: 'on' | 'paused'): Promise<boolean> =>
    (await call<boolean>(sql`switch_reader(${name}, ${status})`)) === true;

  /** Changes the spec of a delivery that goes on as it is. */
  const amend = async (name: string, spec: Metadata): Promise<boolean> =>
    (await call<boolean>(sql`amend_reader(${name}, ${JSON.stringify(spec)}::jsonb)`)) === true;

  const drop = async (name: string): Promise<boolean> => (await call<boolean>(sql`drop_reader(${name})`)) === true;

  /** What the far side refused, after an id. */
  async function refused(name: string, after: number, n_max: number): Promise<Refused[]> {
    return reads((from) =>
      from
        .select({
          id: logRefused.id,
          upto: logRefused.upto,
          n: logRefused.n,
          reason: logRefused.reason,
          at: logRefused.at,
        })
        .from(logRefused)
        .where(and(eq(logRefused.reader, name), gt(logRefused.id, after)))
        .orderBy(asc(logRefused.id))
        .limit(n_max),
    );
  }

  /** Forgets refused events that the far side has kept after all. */
  async function settle(name: string, ids: number[]): Promise<void> {
    if (ids.length > 0) await call(sql`settle_refused(${name}, ${JSON.stringify(ids)}::jsonb)::text`);
  }

  return { list, one, due, nextDue, take, move, put, amend, switchTo, drop, refused, settle };
}

/**
 * Changes deliveries and appends the event that says so, in one commit: neither is there without the other. `change`
 * returns the event, or null when nothing has changed. Returns the id of the event.
 */
export async function changeDeliveries(
  db: Database,
  change: (deliveries: Deliveries) => Promise<NewEntry | null>,
): Promise<number | null> {
  return db.transaction(
    async (tx) => {
      const event = await change(deliveriesOf(tx));
      if (!event) return null;
      const [appended] = await appendRows(tx, [event], JSON.stringify([event]));
      return appended?.id ?? null;
    },
    { isolationLevel: 'read committed' },
  );
}

class Early extends Error {}

/**
 * Moves a reader that is held and appends what it has derived, in one commit. Null when another process holds it. With
 * `quiet_until`, the events must directly follow what the reader has read, and be taken after that time; if not, nothing
 * is changed and the answer is `early`.
 */
export async function deriveEvents(
  db: Database,
  delivery: Delivery,
  to: number,
  step: Move,
  events: NewEntry[],
  quiet_until: number | null,
  write?: (db: Database) => Promise<void>,
): Promise<AppendedRow[] | 'early' | null> {
  const derived = db.transaction(
    async (tx) => {
      if (!(await deliveriesOf(tx).move(delivery, to, step))) return null;
      // Rows first: an append locks the log until the commit.
      await write?.(tx);
      const appended = events.length === 0 ? [] : await appendRows(tx, events, JSON.stringify(events));
      const first = appended.find(({ entry }) => entry)?.entry;
      if (quiet_until !== null && first && (first.id !== to + 1 || Date.parse(first.created_at) <= quiet_until))
        throw new Early();
      return appended;
    },
    { isolationLevel: 'read committed' },
  );
  return derived.catch((error) => {
    if (error instanceof Early) return 'early';
    throw error;
  });
}

/**
 * A far side's words as jsonb has texts: without U+0000 (error 22P05) and without halves of surrogate pairs (22P02), which
 * the cut of a text to its length leaves as well. A move that the database refuses would be refused at each repetition.
 */
const storable = (_key: string, value: unknown) =>
  typeof value === 'string' ? value.replaceAll('\0', '').toWellFormed() : value;

function readRow(text: string): Delivery {
  const row = JSON.parse(text) as Delivery;
  return {
    ...row,
    moved_at: jsonTime(row.moved_at) ?? '',
    due_at: jsonTime(row.due_at) ?? '',
    owner_until: jsonTime(row.owner_until),
    last_ok_at: jsonTime(row.last_ok_at),
  };
}

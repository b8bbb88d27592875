/** The range that a delivery sends next: as much of what matches as fits into a request. */
import type { Pending, Range, State } from './delivery-outcome.ts';
import type { Delivery } from './delivery-rows.ts';
import type { Sink } from './delivery-sink.ts';
import { type Filter, readFilter } from './filter.ts';
import type { Newest } from './history.ts';
import type { Entry } from './schema.ts';
import type { Store } from './store.ts';

type RangeStore = Pick<Store, 'sinceUpto' | 'byIds'>;

const encoder = new TextEncoder();
const read_rows_max = 10_000;

/** Whether too few events can wait for a full batch. */
export function canLinger(
  { cursor, pending, until }: Delivery,
  { size }: State,
  { limits }: Sink,
  end: Newest,
): boolean {
  const { events_max, linger_ms = 0 } = limits;
  return linger_ms > 0 && !pending && until === null && end.id - cursor < Math.min(size ?? events_max, events_max);
}

/** The first event of the next batch. It is read alone: with all others at each look, an event was read 60 times in five minutes. */
export async function firstOf(store: RangeStore, row: Delivery, end: Newest): Promise<Entry | undefined> {
  return (await store.sinceUpto(row.cursor, filterOf(row), end, 1)).entries[0];
}

const filterOf = ({ filter }: Delivery) => readFilter(new URLSearchParams(filter));

/** A range with the lines of what is sent of it, and whether no more fits. */
export type Read = Range & { lines: string[]; isFull: boolean };

/** The range that is pending, or the next one: as much as fits into a request. */
export async function nextRange(
  store: RangeStore,
  row: Delivery,
  { size }: State,
  { limits, line, by_range }: Sink,
  end: Newest,
): Promise<Read> {
  const { cursor, pending, until } = row;
  const known = pending as Pending | null;
  const events_max = Math.max(1, Math.min(size ?? limits.events_max, limits.events_max));
  const stop = { ...end, id: Math.min(end.id, until ?? end.id) };
  const found = known?.left
    ? { entries: [...(await store.byIds(known.left)).values()].sort((a, b) => a.id - b.id), cursor: known.to }
    : await readRange(
        store,
        cursor,
        filterOf(row),
        known ? { ...end, id: known.to } : stop,
        known ? Number.MAX_SAFE_INTEGER : events_max,
      );
  const { entries } = found;
  const lines: string[] = [];
  let bytes = 0;
  for (const entry of entries) {
    const text = line(entry);
    bytes += encoder.encode(text).length;
    // A range that is known by its ids is sent as it is.
    if (!(known && by_range) && lines.length > 0 && (bytes > limits.bytes_max || lines.length === events_max)) break;
    lines.push(text);
  }
  const isWhole = lines.length === entries.length;
  const sent = entries.slice(0, lines.length);
  const to = isWhole || known ? (known?.to ?? found.cursor) : (sent.at(-1)?.id ?? found.cursor);
  return {
    from: cursor,
    pending: known,
    to,
    unsettled: known ? entries : sent,
    sent,
    lines,
    more: to < stop.id,
    isFull: !isWhole || lines.length >= events_max || until === to,
  };
}

/** What matches of a range, and the id up to which it was read: one read covers a limited number of ids. */
async function readRange(store: RangeStore, from: number, wanted: Filter, end: Newest, rows_max: number) {
  const entries: Entry[] = [];
  let cursor = from;
  do {
    const read = await store.sinceUpto(cursor, wanted, end, Math.min(rows_max - entries.length, read_rows_max));
    for (const entry of read.entries) entries.push(entry);
    cursor = read.cursor;
  } while (cursor < end.id && rows_max === Number.MAX_SAFE_INTEGER);
  return { entries, cursor };
}

/** The event by which a finished digest reaches sinks: `DIGEST`, once for each day and week. */
import { own_service, readEntry } from '../../log/entry.ts';
import type { Store } from '../../log/store.ts';
import { type Digest, digestOf, sentenceOf } from './digest.ts';
import { dayAfter, dayOf, type Period, readPeriod, weekOf } from './period.ts';
import { isStored, rangeOf } from './tables.ts';

export const digestEvent = 'DIGEST';
/** Above it the event names the digest, and its lists are at /api/digests. */
const json_chars_max = 60_000;

/**
 * Appends the events of the day that has ended, and of the week that ended with it, once all of their events are counted.
 * It may be called at any time and by any number of instances: the event_uid stores each once. A day without events has
 * none: two quiet days would tell of each other for ever.
 */
export async function announce(store: Pick<Store, 'reads' | 'append'>, now_ms: number): Promise<void> {
  const today = dayOf(now_ms);
  const yesterday = dayAfter(today, -1);
  const week = readPeriod(weekOf(yesterday));
  for (const period of [readPeriod(yesterday), ...(week.to === yesterday ? [week] : [])]) {
    const event_uid = `edgetrail:digest:${period.name}`;
    const digest = await store.reads(async (db) =>
      // Each minute: a day that has no events, or is told of already, is not summed up again.
      (await rangeOf(db, period)) === null || (await isStored(db, event_uid)) ? null : digestOf(db, period, today),
    );
    if (!digest?.is_final || digest.events <= ownDigests(digest)) continue;
    await store.append([eventOf(digest, period, event_uid)]);
  }
}

const ownDigests = ({ own }: Digest): number => own.find(({ value }) => value === digestEvent)?.n ?? 0;

function eventOf(digest: Digest, period: Period, event_uid: string) {
  const { name, from, to, events, first_id, last_id, usual } = digest;
  const isShort = JSON.stringify(digest).length <= json_chars_max;
  const read = readEntry({
    event_type: digestEvent,
    entity_type: period.days === 1 ? 'day' : 'week',
    entity_id: name,
    service: own_service,
    event_uid,
    description: sentenceOf(digest),
    metadata: isShort ? digest : { name, from, to, events, first_id, last_id, usual },
  });
  if ('faults' in read) throw new Error(read.faults.map(({ field, reason }) => `${field}: ${reason}`).join('; '));
  return read.entry;
}

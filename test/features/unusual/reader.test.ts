/** The reader of what is unusual: steps of any size, kills and a second instance give the same rows and events. */
import { afterAll, describe, expect, it } from 'vitest';
import { firingKinds } from '../../../src/features/unusual/actor.ts';
import { ensureReader, finderOf, readerName, storyEvent } from '../../../src/features/unusual/find.ts';
import { logActor, storiesOf } from '../../../src/features/unusual/tables.ts';
import { stepDelivery } from '../../../src/log/delivery-step.ts';
import { readEntry } from '../../../src/log/entry.ts';
import { readFilter } from '../../../src/log/filter.ts';
import { createStore, type Store } from '../../../src/log/store.ts';
import { openPglite } from '../../../src/runtime/pglite.ts';
import { openPostgres } from '../../../src/runtime/postgres.ts';
import { databases, freshDatabase } from '../../support/harness.ts';
import { asEvents, burst, day_ms, flow, flows, hour_ms, orders, team, till } from '../../support/unusual/team.ts';

const start = Date.UTC(2026, 0, 5);
const at = start + 20 * day_ms + 9.5 * hour_ms;
const history = asEvents([
  ...team(start, 21),
  ...burst(at, 30),
  ...burst(at + 2 * hour_ms, 12, { user_id: 'bob', ip_address: '2001:db8::1' }),
  ...orders(start, 21, 240),
  // As many services as are watched by the hour, and then one that is not, whose sequence ends with events of others.
  ...Array.from({ length: 100 }, (_, i) => ({ at: start + 2 * day_ms + i, user_id: null, service: `once-${i}` })),
  ...flow(start + 18 * day_ms, flows.wrong, { trace_id: 'strange', service: 'archive' }),
  ...till(start, 21, 60, (when) => (when > at - day_ms && when < at ? 0 : 1)),
]);
const strange_ends = history.findLastIndex(({ service }) => service === 'archive') + 1;
const never = new AbortController().signal;

async function filled(name: (typeof databases)[number]): Promise<Store> {
  const place = await freshDatabase(name);
  const { db, close } = 'DATA_DIR' in place ? await openPglite(place.DATA_DIR) : openPostgres(place.DATABASE_URL, 4);
  afterAll(close);
  const store = createStore(db);
  const read = history.map((event) => readEntry(event));
  await store.append(read.flatMap((one) => ('entry' in one ? [one.entry] : [])));
  await ensureReader(store);
  return store;
}

/** Steps until everything is read. `derive` stands for the store's, and may fail as a killed process does. */
async function readAll(store: Store, step_ids_max: number, derive: Store['derive'] = store.derive) {
  const finder = finderOf({ per_day_max: 1, kinds: firingKinds }, step_ids_max);
  for (let n = 0; ((await store.deliveries.one(readerName))?.lag_events ?? 0) > 0; n += 1) {
    const parts = {
      store: { ...store, derive },
      open: () => finder,
      me: `me-${n % 2}`,
      lease_ms: 1,
      random: Math.random,
      now: Date.now,
      report: () => {},
    };
    await stepDelivery(parts, readerName, never).catch((error) => {
      if (!/killed/.test(String(error))) throw error;
    });
  }
}

async function madeBy(store: Store) {
  const query = { subject: null, kind: null, fired: null, before: null, limit: 500 };
  const stories = await store.reads((db) => storiesOf(db, query));
  const filter = readFilter(new URLSearchParams({ event_type: storyEvent }));
  const { entries } = await store.since(history.length, filter);
  const told = entries.map(({ entity_id, description, metadata, timestamp, event_uid }) => {
    // When the log took an event differs from log to log.
    expect(timestamp).toBeTruthy();
    return { entity_id, description, metadata, event_uid: event_uid?.replace(/\d+/, 'revision') };
  });
  const state = (await store.deliveries.one(readerName))?.state;
  const remembered = await store.reads((db) => db.select().from(logActor).orderBy(logActor.subject));
  return { stories, told, state, remembered };
}

describe.each(databases)('the reader on %s', async (name) => {
  const whole = await filled(name);
  await readAll(whole, 100_000);
  const expected = await madeBy(whole);

  it('tells what the models find, as stories and as events', () => {
    const fired = expected.stories.filter(({ fired_at }) => fired_at !== null);
    expect(fired.length).toBeGreaterThan(1);
    const kinds = fired.flatMap(({ facts }) => facts.map(({ kind }) => kind));
    expect(kinds).toEqual(expect.arrayContaining(['silence', 'sequence']));
    expect(expected.told.map(({ entity_id }) => entity_id).toSorted()).toEqual(fired.map(({ id }) => id).toSorted());
  });

  it.each([97, strange_ends])('makes the same in steps of %d events', async (step) => {
    const store = await filled(name);
    await readAll(store, step);
    expect(await madeBy(store)).toEqual(expected);
  });

  it('makes the same when it is killed before, within and after its commits', async () => {
    const store = await filled(name);
    let n = 0;
    await readAll(store, 50, async (row, to, move, events, quiet_until, write) => {
      n += 1;
      if (n % 4 === 0) throw new Error('killed before');
      const derived = store.derive(row, to, move, events, quiet_until, async (db) => {
        await write?.(db);
        if (n % 4 === 1) throw new Error('killed within');
      });
      await derived;
      if (n % 4 === 2) throw new Error('killed after');
      return derived;
    });
    expect(n).toBeGreaterThan(30);
    expect(await madeBy(store)).toEqual(expected);
  });
});

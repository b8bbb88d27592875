/** The lease of a delivery: one process at a time, and who has lost it moves nothing. */
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, describe, expect, it } from 'vitest';
import type { Finder } from '../../src/log/delivery-finder.ts';
import type { Delivery, Move } from '../../src/log/delivery-rows.ts';
import type { Sink } from '../../src/log/delivery-sink.ts';
import { stepDelivery } from '../../src/log/delivery-step.ts';
import { createStore } from '../../src/log/store.ts';
import { openPglite } from '../../src/runtime/pglite.ts';
import { openPostgres } from '../../src/runtime/postgres.ts';
import { databases, freshDatabase } from '../support/harness.ts';

const lease_ms = 60_000;
const never = new AbortController().signal;
const step: Move = {
  pending: null,
  state: null,
  due_ms: 0,
  attempts: 0,
  error: null,
  ok: true,
  keep: false,
  refused: [],
};

async function open(name: (typeof databases)[number]) {
  const place = await freshDatabase(name);
  const { db, close } = 'DATA_DIR' in place ? await openPglite(place.DATA_DIR) : openPostgres(place.DATABASE_URL, 12);
  afterAll(close);
  const store = createStore(db);
  const { deliveries, append } = store;
  await append(Array.from({ length: 9 }, () => ({ event_type: 'A', entity_type: 'x' }) as never));
  let n = 0;
  /** A new delivery, which begins at id 0. */
  const made = async () => {
    n += 1;
    await deliveries.put({ name: `sink/${n}`, kind: 'sink', spec: { kind: 'x' }, filter: '' }, 0);
    return `sink/${n}`;
  };
  const held = async (reader: string, me: string, ms = lease_ms): Promise<Delivery> => {
    const row = await deliveries.take(reader, me, ms);
    if (!row) throw new Error(`${me} was not given ${reader}`);
    return row;
  };
  const cursorOf = async (reader: string) => (await deliveries.one(reader))?.cursor;
  return { store, deliveries, made, held, cursorOf };
}

describe.each(databases)('a delivery on %s', async (name) => {
  const { store, deliveries, made, held, cursorOf } = await open(name);

  it('is held by one of many that want it, and prolonged by that one in the same epoch', async () => {
    for (let round = 0; round < 20; round += 1) {
      const reader = await made();
      const wanting = Array.from({ length: 10 }, (_, i) => `me-${i}`);
      const given = (await Promise.all(wanting.map((me) => deliveries.take(reader, me, lease_ms)))).filter(
        (row) => row,
      );
      expect(given).toHaveLength(1);
      const [row] = given;
      expect((await held(reader, row?.owner ?? '')).epoch).toBe(row?.epoch);
      expect(await deliveries.due('another', 100)).not.toContain(reader);
    }
  });

  it('is moved by its holder from where it is, and by nobody who has lost it', async () => {
    const reader = await made();
    const first = await held(reader, 'first', 1);
    await pause(20);
    const second = await held(reader, 'second');
    expect(second.epoch).toBe(first.epoch + 1);
    const refused = [{ id: 2, reason: 'no' }];
    expect(await deliveries.move(first, 5, { ...step, refused })).toBe(false);
    expect([await cursorOf(reader), (await deliveries.one(reader))?.refused_events]).toEqual([0, 0]);
    expect(await deliveries.move(second, 3, { ...step, refused })).toBe(true);
    // The second time it is not there any more.
    expect(await deliveries.move(second, 4, step)).toBe(false);
    expect([await cursorOf(reader), (await deliveries.one(reader))?.refused_events]).toEqual([3, 1]);
    // Back is no way to move.
    expect(await deliveries.move(await held(reader, 'third'), 2, step)).toBe(false);
  });

  it('is moved with whatever a far side has said: what jsonb refuses is left out or replaced', async () => {
    const reader = await made();
    const said = 'a\u0000b\ud800c';
    const move = { ...step, error: said, state: { note: said }, refused: [{ id: 2, reason: said }] };
    expect(await deliveries.move(await held(reader, 'me'), 3, move)).toBe(true);
    expect((await deliveries.one(reader))?.last_error).toBe('ab\ufffdc');
    expect((await deliveries.refused(reader, 0, 9)).map(({ reason }) => reason)).toEqual(['ab\ufffdc']);
  });

  it('is free after its step, also when the lease was about to be prolonged as the answer came', async () => {
    const reader = await made();
    let taken = 0;
    const late: Promise<unknown>[] = [];
    const take: typeof deliveries.take = async (...wanted) => {
      taken += 1;
      if (taken === 1) return deliveries.take(...wanted);
      const row = pause(200).then(() => deliveries.take(...wanted));
      late.push(row);
      return row;
    };
    const sink: Sink = {
      limits: { events_max: 2, bytes_max: 1_000 },
      by_range: false,
      line: () => 'x',
      // Until the lease is being prolonged.
      send: async () => {
        while (late.length === 0) await pause(10);
        return { verdict: 'kept' };
      },
    };
    const parts = { open: () => sink, me: 'me', lease_ms: 2_000, random: () => 0, now: Date.now, report: () => {} };
    const step = stepDelivery({ ...parts, store: { ...store, deliveries: { ...deliveries, take } } }, reader, never);
    expect(await step).toBe(0);
    await Promise.all(late);
    expect(await cursorOf(reader)).toBe(2);
    expect(await deliveries.due('another', 100)).toContain(reader);
  });

  it('whose batch waits reads its first event alone until that is old enough, or until the batch may be full', async () => {
    const reader = await made();
    const read: number[] = [];
    const sinceUpto: typeof store.sinceUpto = async (...asked) => {
      const found = await store.sinceUpto(...asked);
      read.push(found.entries.length);
      return found;
    };
    const sink = (events_max: number): Sink => ({
      limits: { events_max, bytes_max: 1_000, linger_ms: 60_000 },
      by_range: false,
      line: () => 'x',
      send: async () => ({ verdict: 'kept' }),
    });
    const stepAt = (now: number, events_max: number) => {
      const parts = { me: 'me', lease_ms, random: () => 0, now: () => now, report: () => {} };
      return stepDelivery({ ...parts, open: () => sink(events_max), store: { ...store, sinceUpto } }, reader, never);
    };
    expect([await stepAt(Date.now(), 10), await cursorOf(reader)]).toEqual([5_000, 0]);
    expect(read).toEqual([1]);
    await deliveries.switchTo(reader, 'paused');
    await deliveries.switchTo(reader, 'on');
    expect([await stepAt(Date.now(), 4), await cursorOf(reader)]).toEqual([0, 4]);
    expect([await stepAt(Date.now() + 60_000, 10), await cursorOf(reader)]).toEqual([1_000, 9]);
    expect(read).toEqual([1, 4, 1, 5]);
  });

  it('whose reader cannot read the log says so and keeps what it knows, until it can', async () => {
    const reader = await made();
    let isBroken = false;
    const finder: Finder = {
      find: async (_row, { id }) => {
        if (isBroken) throw new Error('canceling statement due to statement timeout');
        return { to: Math.min(id, 4), events: [], state: { seen: 4 }, wake_at: null, quiet_until: null };
      },
    };
    const reported: string[] = [];
    const report = (what: string, error: unknown) => void reported.push(`${what}: ${error}`);
    const parts = { store, open: () => finder, me: 'me', lease_ms, random: () => 0, now: Date.now, report };
    await stepDelivery(parts, reader, never);
    isBroken = true;
    await stepDelivery(parts, reader, never);
    const failing = await deliveries.one(reader);
    expect(failing).toMatchObject({ cursor: 4, state: { seen: 4 }, attempts: 1 });
    expect(failing?.last_error).toBe('The log could not be read for it: the log of the service says why.');
    expect(reported).toEqual([`the reader ${reader} failed: Error: canceling statement due to statement timeout`]);
    isBroken = false;
    await stepDelivery(parts, reader, never);
    expect(await deliveries.one(reader)).toMatchObject({ cursor: 4, attempts: 0, last_error: null });
  });

  it('whose lease ran out unnoticed is mine again in another epoch', async () => {
    const reader = await made();
    const before = await held(reader, 'me', 1);
    await pause(20);
    expect((await held(reader, 'me')).epoch).toBe(before.epoch + 1);
    expect(await deliveries.move(before, 1, step)).toBe(false);
  });

  it('that was changed, or deleted and made anew, is not moved by who delivered what it was before', async () => {
    const reader = await made();
    const before = await held(reader, 'me');
    await deliveries.put({ name: reader, kind: 'sink', spec: { kind: 'y' }, filter: '' }, 0);
    expect(await deliveries.move(before, 1, step)).toBe(false);
    const changed = await held(reader, 'me');
    await deliveries.drop(reader);
    await deliveries.put({ name: reader, kind: 'sink', spec: { kind: 'y' }, filter: '' }, 0);
    await held(reader, 'me');
    expect(await deliveries.move(changed, 1, step)).toBe(false);
  });

  it('that is paused is given to nobody; what was under way still moves it', async () => {
    const reader = await made();
    const row = await held(reader, 'me');
    await deliveries.switchTo(reader, 'paused');
    expect(await deliveries.move(row, 4, step)).toBe(true);
    expect(await deliveries.take(reader, 'me', lease_ms)).toBeNull();
    expect(await deliveries.one(reader)).toMatchObject({ status: 'paused', cursor: 4 });
  });

  it('of a part of the log is gone when it has come to its end', async () => {
    const reader = await made();
    await deliveries.put({ name: `${reader}~0-5`, kind: 'sink', spec: { kind: 'x' }, filter: '' }, 0, 5);
    const part = await held(`${reader}~0-5`, 'me');
    expect(part.until).toBe(5);
    await deliveries.move(part, 5, { ...step, refused: [{ id: 4, reason: 'no' }] });
    expect(await deliveries.one(`${reader}~0-5`)).toBeNull();
    // What it was refused is the sink's.
    expect((await deliveries.one(reader))?.refused_events).toBe(1);
  });
});

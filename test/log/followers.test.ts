/** Followers of one filter share reads and encodings, and none depends on the others. */
import { describe, expect, it, onTestFinished } from 'vitest';
import { readFilter } from '../../src/log/filter.ts';
import type { Entry } from '../../src/log/schema.ts';
import { createStore } from '../../src/log/store.ts';
import { type Batch, createTail } from '../../src/log/tail.ts';
import { openPostgres } from '../../src/runtime/postgres.ts';
import { freshPostgres } from '../support/harness.ts';

const event = { event_type: 'CREATE', entity_type: 'order' } as Parameters<
  ReturnType<typeof createStore>['append']
>[0][number];
const everything = readFilter(new URLSearchParams());

async function openTail() {
  const database = openPostgres(await freshPostgres(), 4);
  const store = createStore(database.db, database.reads);
  const tail = createTail(store, { poll_ms_min: 20, poll_ms_max: 50, poll_unfollowed: true, report: () => {} });
  onTestFinished(async () => {
    tail.stop();
    await database.close();
  });
  const append = async (n: number) => {
    const appended = await store.append(Array(n).fill(event));
    tail.notifyAppended(Math.max(...appended.map(({ entry }) => entry.id)));
  };
  /** A follower that keeps the ids of its entries. `take` decides what becomes of each batch. */
  const follow = (take: (batch: Batch) => boolean | Promise<boolean> = () => true, after = 0) => {
    const ids: number[] = [];
    const over = new AbortController();
    const ended = tail.deliver(after, everything, over.signal, (batch) => {
      ids.push(...batch.entries.map(({ id }) => id));
      return take(batch);
    });
    onTestFinished(() => over.abort());
    return { ids, ended, leave: () => over.abort() };
  };
  tail.start();
  return { append, follow, tail };
}

const upTo = (n: number) => Array.from({ length: n }, (_, i) => i + 1);

describe('a follower', () => {
  it('whose take fails is rejected with the error, and the others go on', async () => {
    const { append, follow } = await openTail();
    const failing = follow(() => {
      throw new Error('cannot be encoded');
    });
    const other = follow();
    const failed = expect(failing.ended).rejects.toThrow('cannot be encoded');
    await append(3);
    await failed;
    await append(2);
    await expect.poll(() => other.ids).toEqual(upTo(5));
  });

  it('that refuses a batch has ended: it gets no other', async () => {
    const { append, follow } = await openTail();
    const refusing = follow(() => false);
    await append(1);
    expect(await refusing.ended).toBe(false);
    await append(1);
    expect(refusing.ids).toEqual([1]);
  });

  it('that waits for its client does not hold up the others, and misses nothing', async () => {
    const { append, follow } = await openTail();
    let go = (_more: boolean) => {};
    const slow = follow(
      () =>
        new Promise((resolve) => {
          go = resolve;
        }),
    );
    const other = follow();
    for (const n of [1, 2, 3]) {
      await append(1);
      await expect.poll(() => other.ids).toEqual(upTo(n));
    }
    expect(slow.ids.length).toBeLessThan(3);
    const freed = setInterval(() => go(true), 5);
    onTestFinished(() => clearInterval(freed));
    await expect.poll(() => slow.ids).toEqual(upTo(3));
  });

  it.each(['leaves', 'is ended by a stop'])('that %s resolves to true and gets nothing more', async (how) => {
    const { append, follow, tail } = await openTail();
    const follower = follow();
    await append(1);
    await expect.poll(() => follower.ids).toEqual([1]);
    if (how === 'leaves') follower.leave();
    else tail.stop();
    expect(await follower.ended).toBe(true);
    await append(1);
    expect(follower.ids).toEqual([1]);
  });

  it('gets every id once and in order, whenever it comes', async () => {
    const { append, follow } = await openTail();
    const followers: ReturnType<typeof follow>[] = [];
    for (let n = 0; n < 30; n++) {
      followers.push(follow(n % 3 === 0 ? async () => true : () => true));
      await append(10);
    }
    for (const { ids } of followers) await expect.poll(() => ids.length).toBe(300);
    for (const { ids } of followers) expect(ids).toEqual(upTo(300));
  });
});

it('followers at the same position share one encoding', async () => {
  const { append, follow } = await openTail();
  let encodings = 0;
  const encode = (batch: Batch) =>
    batch.as('ids', (entries: Entry[]) => {
      encodings += 1;
      return entries.length;
    }) > 0;
  const followers = Array.from({ length: 50 }, () => follow(encode));
  for (let n = 1; n <= 4; n++) {
    await append(1);
    for (const { ids } of followers) await expect.poll(() => ids).toEqual(upTo(n));
  }
  expect(encodings).toBeLessThanOrEqual(4);
});

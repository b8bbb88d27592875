/**
 * Derives an event_uid for an imported event that has none, so that a repeated import stores only what is missing.
 *
 * An event is identified by its file, its content and its number among the equal events of the file. Lines that are
 * inserted, removed or corrected therefore do not change the event_uid of the other lines, and two equal lines stay two
 * events. The position in the file is not used: one inserted line would change it for all lines that follow.
 */
import { createHash } from 'node:crypto';
import type { NewEntry } from '../log/entry.ts';

const key_bytes = 6;
const slots_min = 1_024;

/**
 * Counts equal keys (whole numbers of 48 bits): returns how many equal ones came before. An open-addressing table in
 * typed arrays, because a Map takes about six times the memory and holds at most 2^24 keys. Two different events with
 * the same key (probability 2 in 1,000 for a million events) still get different numbers.
 */
export function createCounter(): (key: number) => number {
  let [keys, counts, used] = [new Float64Array(slots_min), new Uint32Array(slots_min), 0];
  const slotOf = (key: number) => {
    let slot = key % keys.length;
    while (counts[slot] !== 0 && keys[slot] !== key) slot = (slot + 1) % keys.length;
    return slot;
  };
  function grow(): void {
    const [oldKeys, oldCounts] = [keys, counts];
    [keys, counts] = [new Float64Array(oldKeys.length * 2), new Uint32Array(oldKeys.length * 2)];
    oldCounts.forEach((count, i) => {
      const key = oldKeys[i];
      if (count === 0 || key === undefined) return;
      const slot = slotOf(key);
      [keys[slot], counts[slot]] = [key, count];
    });
  }
  return (key) => {
    if (used * 2 > keys.length) grow();
    const slot = slotOf(key);
    const before = counts[slot] ?? 0;
    if (before === 0) used += 1;
    [keys[slot], counts[slot]] = [key, before + 1];
    return before;
  };
}

/**
 * Returns the derived event_uid of one event after the other of a file. `identity` identifies the file. The content is
 * that of the checked event without null fields: the same for JSON and CSV, and unchanged by a field that a later
 * version adds.
 */
export function createUidSource(identity: string): (entry: NewEntry) => string {
  const countBefore = createCounter();
  return (entry) => {
    const content = JSON.stringify(Object.entries(entry).filter(([, value]) => value !== null));
    const digest = createHash('sha256')
      .update(JSON.stringify([identity, content]))
      .digest();
    const number = countBefore(digest.readUIntBE(0, key_bytes));
    return `import:${digest.toString('base64url')}:${number}`;
  };
}

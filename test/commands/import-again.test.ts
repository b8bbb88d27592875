/** An import that is repeated adds only what is missing, and never drops an event that only looks like another one. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { createClient, type Log } from '../../src/client.ts';
import { type ImportOptions, importFiles } from '../../src/commands/import-files.ts';
import { importFile } from '../../src/commands/import-source.ts';
import { createCounter, createUidSource } from '../../src/commands/import-uids.ts';
import { type EntryInput, readEntry } from '../../src/log/entry.ts';
import { startService } from '../support/harness.ts';

const folder = await mkdtemp(join(tmpdir(), 'edgetrail-again-'));
afterAll(() => rm(folder, { recursive: true, force: true }));

const service = await startService('postgres');
const log = createClient({ url: service.url, user: 'admin', password: 'admin-password', uid: false });

const event = (n: number, fields: object = {}): EntryInput => ({
  ...{ event_type: 'CREATE', entity_type: 'order', entity_id: String(n) },
  ...fields,
});
const lines = (events: unknown[]) => events.map((text) => `${JSON.stringify(text)}\n`).join('');
const range = (n: number, fields?: object) => Array.from({ length: n }, (_, i) => event(i, fields));

async function importOf(name: string, content: string | Buffer, options: ImportOptions = {}, client: Log = log) {
  const path = join(folder, name);
  await writeFile(path, content);
  return importFiles(client, [importFile(path)], options);
}

/** A service that stores a batch and then loses the connection, at the requests with these numbers. */
function losing(...lost: number[]): Log {
  let n = 0;
  return createClient({
    ...{ url: service.url, user: 'admin', password: 'admin-password', uid: false },
    fetch: async (input, init) => {
      const response = await fetch(input, init);
      n += 1;
      if (!lost.includes(n)) return response;
      await response.arrayBuffer();
      throw new TypeError('other side closed');
    },
  });
}

describe('a file that is imported again', () => {
  it('stores nothing before it is corrected, and every event once after that', async () => {
    const bad = { event_type: 'CREATE', entity_type: 'order', ip_address: 'here' };
    await expect(importOf('mended.ndjson', lines([...range(1_500), bad]))).rejects.toThrow('(nothing is stored)');
    const corrected = lines([...range(1_500), event(1_500)]);
    expect(await importOf('mended.ndjson', corrected)).toEqual({ stored: 1_501, duplicates: 0 });
    expect(await importOf('mended.ndjson', corrected)).toEqual({ stored: 0, duplicates: 1_501 });
    expect(await importOf('mended.ndjson.gz', gzipSync(corrected))).toEqual({ stored: 0, duplicates: 1_501 });
  });

  it('is completed after the service refused, and after a response that never came', async () => {
    const content = lines(range(2_500));
    const refusing: Log = Object.assign(async () => Promise.reject(), log, {
      append: (events: readonly EntryInput[]) =>
        events.length < 1_000 ? log.append([{ event_type: '', entity_type: 'order' }]) : log.append(events),
    });
    await expect(importOf('half.ndjson', content, {}, refusing)).rejects.toThrow(
      '(2000 events before it are stored; import it again to add only what is missing)',
    );
    await expect(importOf('half.ndjson', content, {}, losing(3, 4, 5, 6))).rejects.toThrow(
      'these events may or may not be stored (2000 events before it are stored; import it again',
    );
    expect(await importOf('half.ndjson', content)).toEqual({ stored: 0, duplicates: 2_500 });
  });

  it('is retried without doubles while the connection is lost', async () => {
    // The second request repeats the first one, so that its events are already stored.
    expect(await importOf('lost.ndjson', lines(range(3)), {}, losing(1))).toEqual({ stored: 0, duplicates: 3 });
  });

  it('is the same as JSON and as CSV', async () => {
    await importOf('as.data', 'event_type,entity_type,timestamp\nA,b,2026-01-01T00:00:00Z\n');
    const json = '[{"event_type":"A","entity_type":"b","timestamp":"2026-01-01T01:00:00.000+01:00"}]';
    expect(await importOf('as.data', json)).toEqual({ stored: 0, duplicates: 1 });
  });

  it('keeps equal lines apart, also with lines inserted before, between and after them', async () => {
    const twice = [event(1), event(2), event(1)];
    expect(await importOf('twice.ndjson', lines(twice))).toEqual({ stored: 3, duplicates: 0 });
    const longer = [event(3), event(1), event(4), event(2), event(1), event(1)];
    expect(await importOf('twice.ndjson', lines(longer))).toEqual({ stored: 3, duplicates: 3 });
  });

  it.each([
    ['another file', 'other.ndjson', {}, 1],
    ['the same source', 'renamed.ndjson', { source: join(folder, 'first.ndjson') }, 0],
    ['no derived uids', 'first.ndjson', { uids: false }, 1],
  ])('as %s is stored accordingly', async (_what, name, options, stored) => {
    await importOf('first.ndjson', lines([event(7)]));
    expect((await importOf(name, lines([event(7)]), options)).stored).toBe(stored);
  });

  it('keeps the event_uid that an event has', async () => {
    await importOf('own.ndjson', lines([event(8, { event_uid: 'own-8' })]));
    const { logs } = await log.query({ entity_id: '8' });
    expect(logs.map(({ event_uid }) => event_uid)).toContain('own-8');
  });
});

describe('derived uids', () => {
  const uidsOf = (events: EntryInput[], identity = 'a') => {
    const uidOf = createUidSource(identity);
    return events.map((given) => {
      const read = readEntry(given);
      if ('faults' in read) throw new Error(JSON.stringify(read.faults));
      return uidOf(read.entry);
    });
  };
  const few = fc.array(fc.integer({ min: 0, max: 3 }), { maxLength: 12 });

  it('differ within a file, and stay when lines are inserted', () => {
    fc.assert(
      fc.property(few, few, fc.integer({ min: 0, max: 12 }), (numbers, more, at) => {
        const before = uidsOf(numbers.map((n) => event(n)));
        const after = uidsOf([...numbers.slice(0, at), ...more, ...numbers.slice(at)].map((n) => event(n)));
        expect(new Set(before).size).toBe(numbers.length);
        expect(new Set(after).size).toBe(numbers.length + more.length);
        expect(after).toEqual(expect.arrayContaining(before));
      }),
    );
  });

  it('differ between files', () => {
    expect(uidsOf([event(1)], 'a')).not.toEqual(uidsOf([event(1)], 'b'));
  });

  it('fit into the field, whatever the path', () => {
    expect(uidsOf([event(1)], 'x'.repeat(4_000))[0]?.length).toBeLessThan(80);
  });

  it('are numbered like a Map would', () => {
    const random = fc.sample(
      fc.oneof(
        fc.integer({ min: 0, max: 40 }),
        fc.maxSafeNat().map((n) => n % 2 ** 48),
      ),
      {
        numRuns: 5_000,
        seed: 3,
      },
    );
    const [count, seen] = [createCounter(), new Map<number, number>()];
    for (const key of random) {
      expect(count(key)).toBe(seen.get(key) ?? 0);
      seen.set(key, (seen.get(key) ?? 0) + 1);
    }
  });
});

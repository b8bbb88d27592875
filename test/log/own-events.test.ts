/** The product's own events: few whatever clients do, once where it matters, and a failure to store one is reported. */
import { expect, it } from 'vitest';
import type { NewEntry } from '../../src/log/entry.ts';
import { createOwnEvents, createRecorder, type OwnEvent, ownKinds } from '../../src/log/own-events.ts';

/** A recorder with its clock, what it stored, and what it reported. */
function recorder(kinds = ownKinds as readonly (typeof ownKinds)[number][], failing: { error?: Error } = {}) {
  const clock = { ms: 0 };
  const stored: NewEntry[] = [];
  const reported: unknown[] = [];
  const kept: Promise<unknown>[] = [];
  const own = createRecorder(
    createOwnEvents(kinds, () => clock.ms),
    {
      append: async (entries) => {
        if (failing.error) throw failing.error;
        stored.push(...entries);
        return entries.map((_, i) => ({ entry: { id: i + 1 } }));
      },
      redact: () => {},
      notify: () => {},
      keep: (work) => kept.push(work),
      report: (_what, error) => reported.push(error),
    },
  );
  return { clock, stored, reported, own, settled: () => Promise.all(kept) };
}

const failure = (name?: string): OwnEvent => ({
  type: 'SIGN_IN_FAILED',
  entity_type: 'user',
  entity_id: name,
  description: `A sign-in failed: ${name ?? 'a name that is not in USERS'}`,
});

it('a flood of failures is one event at once and one each minute, with their number', async () => {
  const { clock, stored, own } = recorder();
  for (let i = 0; i < 100_000; i++) {
    clock.ms += 1;
    own.count(failure('ana'));
    own.tellCounted();
  }
  own.tellCounted(true);
  const times = stored.map(({ metadata }) => (metadata as { times: number }).times);
  expect(stored.map(({ entity_id, service }) => [entity_id, service])).toEqual(stored.map(() => ['ana', 'edgetrail']));
  expect(times).toEqual([1, 60_000, 39_999]);
  expect(stored[1]?.description).toBe('A sign-in failed: ana (60000 times)');
});

it('many different ones in a minute are at most eleven events', () => {
  const { stored, own } = recorder();
  for (let i = 0; i < 1_000; i++) own.count(failure(`user-${i}`));
  own.tellCounted();
  expect(stored).toHaveLength(11);
  expect(stored.reduce((sum, { metadata }) => sum + (metadata as { times: number }).times, 0)).toBe(1_000);
  expect(stored.at(-1)?.description).toBe('SIGN_IN_FAILED of others (990 times)');
});

it('the first of a day has a derived event_uid, and the second is not sent', async () => {
  const { stored, own, settled } = recorder();
  for (let i = 0; i < 3; i++)
    own.daily('TOKEN_USED', 'orders', () => ({ entity_type: 'token', entity_id: 'orders', description: 'used' }));
  await settled();
  expect(stored.map(({ event_uid }) => event_uid)).toEqual([
    expect.stringMatching(/^edgetrail:TOKEN_USED:\d{4}-\d\d-\d\d:orders$/),
  ]);
});

it('what cannot be stored is reported, and only what is demanded rejects', async () => {
  const { reported, own, settled } = recorder(ownKinds, { error: new Error('the disk is full') });
  await own.record(failure('ana'));
  own.count(failure('bob'));
  own.tellCounted();
  own.daily('TOKEN_USED', 'orders', () => ({ entity_type: 'token', description: 'used' }));
  await settled();
  expect(reported.map(String)).toEqual(Array(3).fill('Error: the disk is full'));
  await expect(own.demand({ type: 'EXPORT', entity_type: 'log', description: 'x' })).rejects.toThrow(
    'the disk is full',
  );
  expect(reported).toHaveLength(3);
});

it('kinds that are off are neither stored nor counted', async () => {
  const { stored, reported, own, settled } = recorder(['export'], {});
  await own.record(failure('ana'));
  own.count(failure('ana'));
  own.daily('TOKEN_USED', 'orders', () => ({ entity_type: 'token', description: 'used' }));
  own.tellCounted(true);
  await settled();
  expect(stored).toEqual([]);
  await own.demand({ type: 'EXPORT', entity_type: 'log', description: 'x' });
  expect(stored).toHaveLength(1);
  expect(reported).toEqual([]);
});

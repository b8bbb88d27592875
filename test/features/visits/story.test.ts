/** What the events of a visit say: moments in the order of their time, and two places at once. */
import { describe, expect, it } from 'vitest';
import { momentsOf, networkOf, twoPlacesOf } from '../../../src/features/visits/story.ts';
import type { Entry } from '../../../src/log/schema.ts';

const signs = { in: ['LOGIN'], out: ['LOGOUT'] };
const gap_ms = 30 * 60_000;
const eventsOf = (rows: [minutes: number, event_type: string, ip: string | null, agent?: string][]) =>
  rows.map(
    ([minutes, event_type, ip_address, user_agent = null], i) =>
      ({
        id: i + 1,
        timestamp: new Date(Date.UTC(2026, 0, 5) + minutes * 60_000).toISOString(),
        event_type,
        ip_address,
        user_agent,
      }) as Entry,
  );

it('another address or agent is told where the last known one differs, and signing in and out', () => {
  const events = eventsOf([
    [0, 'LOGIN', '10.0.0.1', 'a'],
    [1, 'UPDATE', null],
    [2, 'UPDATE', '10.0.0.1', 'a'],
    [3, 'UPDATE', '10.0.0.2', 'a'],
    [4, 'LOGOUT', '10.0.0.2', 'b'],
  ]);
  expect(momentsOf(events, signs)).toMatchObject([
    { id: 1, kind: 'signs in' },
    { id: 4, kind: 'another address', from: '10.0.0.1', to: '10.0.0.2' },
    { id: 5, kind: 'another agent', from: 'a', to: 'b' },
    { id: 5, kind: 'signs out' },
  ]);
});

it('work after signing out is counted until the next sign-in, and only then', () => {
  const events = eventsOf(
    ['UPDATE', 'LOGOUT', 'UPDATE', 'DELETE', 'LOGIN', 'UPDATE', 'LOGOUT'].map((type, i) => [i, type, null]),
  );
  const after = momentsOf(events, signs).filter(({ kind }) => kind === 'works after signing out');
  expect(after).toMatchObject([{ id: 3, n: 2 }]);
});

it.each([
  ['10.1.2.3', '10.1.0.0/16'],
  ['2001:db8::1', '2001:db8::/32'],
  ['2001:db8:1:2::', '2001:db8::/32'],
  ['::1', '0:0::/32'],
  ['fe80::1', 'fe80:0::/32'],
])('the network of %s is %s', (address, network) => {
  expect(networkOf(address)).toBe(network);
});

describe('two places at once', () => {
  const of = (...rows: [number, string][]) =>
    twoPlacesOf(eventsOf(rows.map(([minutes, ip]) => [minutes, 'UPDATE', ip])), gap_ms).map(({ networks, events }) => [
      networks.join(' '),
      ...events.map(({ id }) => id),
    ]);

  it('is there and back within 30 minutes', () => {
    expect(of([0, '10.1.0.1'], [10, '10.2.0.1'], [30, '10.1.9.9'])).toEqual([['10.1.0.0/16 10.2.0.0/16', 1, 2, 3]]);
    expect(of([0, '10.1.0.1'], [10, '10.2.0.1'], [31, '10.1.0.1'])).toEqual([]);
  });

  it('is neither a journey nor another address of the same network', () => {
    expect(of([0, '10.1.0.1'], [1, '10.2.0.1'], [2, '10.3.0.1'])).toEqual([]);
    expect(of([0, '10.1.0.1'], [1, '10.1.0.2'], [2, '10.1.0.1'])).toEqual([]);
  });

  it('is told once for a pair, whichever came first', () => {
    const back = of(
      [0, '10.1.0.1'],
      [1, '10.2.0.1'],
      [2, '10.1.0.1'],
      [3, '10.2.0.1'],
      [4, '10.3.0.1'],
      [5, '10.2.0.1'],
    );
    expect(back).toEqual([
      ['10.1.0.0/16 10.2.0.0/16', 1, 2, 3],
      ['10.2.0.0/16 10.3.0.0/16', 4, 5, 6],
    ]);
  });
});

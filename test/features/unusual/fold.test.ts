/** The models of what is unusual: what fires, what does not, and that steps and restarts change nothing. */
import { describe, expect, it } from 'vitest';
import { firingKinds, type Story } from '../../../src/features/unusual/actor.ts';
import type { Budget } from '../../../src/features/unusual/budget.ts';
import { familyOf, networkOf } from '../../../src/features/unusual/firsts.ts';
import type { Event } from '../../../src/features/unusual/fold.ts';
import { readVerdict } from '../../../src/features/unusual/verdicts.ts';
import { factWords, sentenceOf } from '../../../src/features/unusual/words.ts';
import { burst, day_ms, flow, flows, type Happened, hour_ms, orders, team, till } from '../../support/unusual/team.ts';
import { numbered, run as runOf } from './run.ts';

const start = Date.UTC(2026, 0, 5);
const budget: Budget = { per_day_max: 1, kinds: ['burst', 'first_seen'] };
const all: Budget = { per_day_max: 3, kinds: firingKinds };

const run = (events: Event[]) => runOf(events, budget);
const ofAna = (fired: Story[], from: number) => fired.filter(({ subject, to }) => subject === 'u:ana' && to >= from);

describe('a burst', () => {
  const at = start + 20 * day_ms + 9.5 * hour_ms;

  it('of a user with a quiet past fires once, and says what is usual', () => {
    const { fired, stories } = run(numbered([...team(start, 21), ...burst(at, 30)]));
    const [story, ...others] = ofAna(fired, at);
    expect(others).toEqual([]);
    const whole = stories.get(story?.id ?? '');
    const found = whole?.facts.find(({ kind }) => kind === 'burst');
    expect(found).toMatchObject({ what: 'DELETE', n: 30, fires: true, from: at, to: at + 29 * 20_000 });
    expect(whole && sentenceOf(whole)).toMatch(
      /^ana, 2026-01-25 UTC: .*30 DELETE between 09:30 and 09:39; never before/,
    );
  });

  it('of as many events as on other days does not', () => {
    const usual = [6, 9, 12, 15, 17, 18, 19].flatMap((day) => burst(start + day * day_ms + 9.5 * hour_ms, 30));
    const { fired } = run(numbered([...team(start, 21), ...usual, ...burst(at, 30)]));
    expect(ofAna(fired, at)).toEqual([]);
  });

  it.each([
    ['the log is a week old', 5, 30],
    ['the user has three days', 20, 30],
  ])('does not fire before %s', (_why, day, n) => {
    const when = start + day * day_ms + 9.5 * hour_ms;
    const user_id = day === 5 ? 'ana' : 'new';
    const { fired } = run(numbered([...team(start, 21), ...burst(when, n, { user_id })]));
    expect(fired.filter(({ subject }) => subject === `u:${user_id}`)).toEqual([]);
  });

  it('of the product itself is not read', () => {
    const { fired } = run(numbered([...team(start, 21), ...burst(at, 500, { service: 'edgetrail' })]));
    expect(ofAna(fired, at)).toEqual([]);
  });
});

describe('what is seen for the first time', () => {
  const at = start + 20 * day_ms + 9.5 * hour_ms;

  it('is one story: a network, an agent and an action', () => {
    const strange = { ip_address: '192.0.2.9', user_agent: 'curl/8', event_type: 'EXPORT' };
    const { fired, stories } = run(numbered([...team(start, 21), { at, ...strange }]));
    const mine = ofAna(fired, at);
    expect(mine).toHaveLength(1);
    expect(stories.get(mine[0]?.id ?? '')?.facts.map(factWords)).toEqual([
      'for the first time EXPORT order at 09:30',
      'for the first time from 192.0.2.0/24 at 09:30',
      'for the first time with curl at 09:30',
    ]);
  });

  it('is told of the user alone, also where it is new for the service and for anybody', () => {
    const { stories } = run(numbered([...team(start, 21), { at, event_type: 'EXPORT' }]));
    const told = [...stories.values()].filter(({ facts }) => facts.some(({ what }) => what === 'action:EXPORT order'));
    expect(told.map(({ subject }) => subject)).toEqual(['u:ana']);
  });

  it('does not fire a second time', () => {
    const again = [0, 2, 4].map((hours) => ({ at: at + hours * hour_ms, ip_address: '192.0.2.9' }));
    const stories = ofAna([...run(numbered([...team(start, 21), ...again])).stories.values()], at);
    const facts = stories.flatMap((story) => story.facts.filter(({ kind }) => kind === 'first_seen'));
    expect(facts).toMatchObject([{ what: 'network:192.0.2.0/24', first_id: facts[0]?.last_id }]);
  });

  it('is a network and a program', () => {
    expect(['10.1.2.3', '2001:db8::1', '2001:db8:7:1::2', '::1'].map(networkOf)).toEqual([
      '10.1.2.0/24',
      '2001:db8:0::/48',
      '2001:db8:7::/48',
      '0:0:0::/48',
    ]);
    expect(['curl/8.1', 'Mozilla/5.0 (X11) Chrome/1 Safari/2', '(strange)', ''].map(familyOf)).toEqual([
      'curl',
      'Chrome',
      'other',
      'other',
    ]);
  });
});

describe('a verdict', () => {
  const first = start + 14 * day_ms + 9.5 * hour_ms;
  const second = first + 7 * day_ms;
  /** The story of the first burst, as a verdict names it. */
  const { stories } = run(numbered([...team(start, 22), ...burst(first, 30)]));
  const story = [...stories.values()].find(
    ({ subject, fired_at, to }) => subject === 'u:ana' && fired_at !== null && to >= first,
  );
  const facts = story?.facts.map(({ kind, what, n }) => ({ kind, what, n }));
  const say = (verdict: string, after = day_ms, more: object = {}): Happened => ({
    at: first + after,
    service: 'edgetrail',
    verdict: readVerdict({ verdict, story: story?.id, subject: 'u:ana', facts, ...more }),
  });
  const secondOf = (n: number, ...said: Happened[]) =>
    ofAna(run(numbered([...team(start, 22), ...burst(first, 30), ...said, ...burst(second, n)])).fired, second);

  it('expected holds the same burst a week later, and not one of ten times its size', () => {
    expect(secondOf(30)).toHaveLength(1);
    expect(secondOf(30, say('expected'))).toEqual([]);
    expect(secondOf(175, say('expected'))).toHaveLength(1);
  });

  it('muted holds it of any size, until its end', () => {
    expect(secondOf(175, say('muted'))).toEqual([]);
    expect(secondOf(30, say('muted', day_ms, { until: new Date(second).toISOString() }))).toHaveLength(1);
  });

  it('is undone by another one', () => {
    expect(secondOf(60, say('muted'), say('none', 2 * day_ms))).toHaveLength(1);
  });

  it('of another form is none', () => {
    for (const metadata of [
      null,
      7,
      [],
      {},
      { verdict: 'expected' },
      { verdict: 'x', story: 'u1', subject: 'u:a', facts: [] },
    ])
      expect(readVerdict(metadata)).toBeNull();
    expect(readVerdict({ verdict: 'expected', story: 'u1', subject: 'u:a', facts: [{}] })).toBeNull();
  });
});

const tillsOf = (when: number) =>
  when >= start + 15 * day_ms && when < start + 15 * day_ms + hour_ms
    ? 9
    : when > start + 17 * day_ms && when < start + 17 * day_ms + hour_ms
      ? 0
      : 1;

describe('the fold', () => {
  it('is the same when it is written down and read again after each event', () => {
    const at = start + 20 * day_ms;
    const hostile = { entity_type: '__proto__', event_type: 'constructor', user_id: '__proto__', service: 'toString' };
    const events = numbered([
      ...team(start, 21),
      ...burst(at + 9 * hour_ms, 30),
      ...burst(at + 2 * hour_ms, 12, { user_id: 'bob', ip_address: '2001:db8::1' }),
      ...till(start, 21, 30, (when) => (when > at && when < at + 12 * hour_ms ? 0 : 1)),
      ...till(start, 21, 10, tillsOf).map((event) => ({ ...event, service: 'other' })),
      // Of a service of their own: orders by night would make the events of bob's burst usual ones of the shop.
      ...[...orders(start, 21, 240), ...flow(start + 18 * day_ms, flows.wrong, { trace_id: 'strange' })].map(
        (event) => ({
          ...event,
          service: 'warehouse',
        }),
      ),
      ...Array.from({ length: 40 }, (_, i) => ({ at: start + i * 12 * hour_ms, ...hostile })),
    ]);
    const once = runOf(events, all);
    const kinds = new Set(
      once.fired.flatMap(({ facts }) => facts.filter(({ fires }) => fires).map(({ kind }) => kind)),
    );
    expect([...kinds].toSorted()).toEqual(firingKinds.toSorted());
    expect(runOf(events, all, true)).toEqual(once);
  });
});

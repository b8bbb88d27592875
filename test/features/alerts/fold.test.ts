/** The fold of a rule: it agrees with an oracle, whatever the steps in which it is run and however often it is stored between. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { advance, evaluate } from '../../../src/features/alerts/fold.ts';
import { begin, type Fold, readFold, writeFold } from '../../../src/features/alerts/fold-groups.ts';
import type { Verdict } from '../../../src/features/alerts/fold-verdicts.ts';
import { type Rule, ruleLimits, ruleOf } from '../../../src/features/alerts/rule.ts';
import { type OracleEvent, oracle, sortAlerts } from '../../support/alerts/oracle.ts';

const open: Partial<Rule> = { alerts_per_hour_max: Number.MAX_SAFE_INTEGER };
const rule = (spec: Record<string, unknown>): Rule => ({ ...ruleOf(spec as never, ''), ...open });

/** Runs a rule over a log in steps that end at some ids; between two steps the fold is stored and read, as a row is. */
function run(it: Rule, log: OracleEvent[], ends: Set<number> = new Set()): { verdicts: Verdict[]; fold: Fold } {
  let fold = begin(it, null);
  const verdicts: Verdict[] = [];
  const seen = new Set<string>();
  for (const event of log) {
    if (event.matched.length > 0) {
      verdicts.push(
        ...evaluate(it, fold, { ...event, known: it.type === 'first_seen' && seen.has(event.group ?? '') }),
      );
      if (event.group !== null) seen.add(event.group);
    }
    if (!ends.has(event.id) && event !== log.at(-1)) continue;
    verdicts.push(...advance(it, fold, event.at));
    fold = readFold(it, JSON.parse(JSON.stringify(writeFold(fold))));
  }
  return { verdicts, fold };
}

const alertsOf = (verdicts: Verdict[]) =>
  sortAlerts(
    verdicts
      .filter(({ kind }) => kind === 'ALERT')
      .map(({ group, n, first_id, last_id, at }) => ({ group, n, first_id, last_id, at })),
  );

/** Events a few seconds apart, some at the same time: windows of some seconds begin, end and meet exactly. */
const log = (places: number) =>
  fc
    .array(
      fc.record({
        gap: fc.constantFrom(0, 0, 1, 500, 999, 1_000, 1_001, 2_000, 5_000, 61_000),
        group: fc.constantFrom('a', 'b', 'b', '__proto__', null),
        value: fc.constantFrom('x', 'y', 'z', null),
        matched: fc.subarray(Array.from({ length: places }, (_, i) => i)),
      }),
      { maxLength: 60 },
    )
    .map((all) => {
      let at = 1_700_000_000_000;
      return all.map(({ gap, ...event }, i): OracleEvent => {
        at += gap;
        return { ...event, id: i + 1, at };
      });
    });

const window_s = fc.constantFrom(1, 2, 5);
const n = fc.integer({ min: 1, max: 4 });
const quiet_s = fc.constantFrom(0, 0, 1, 3);
const again_after_s = fc.constantFrom(0, 1, 2);
const group_by = fc.constantFrom(undefined, 'user_id');
const common = { group_by, quiet_s, again_after_s };

const specs: [string, number, fc.Arbitrary<Record<string, unknown>>][] = [
  ['every', 1, fc.record({ type: fc.constant('every'), ...common })],
  ['count', 1, fc.record({ type: fc.constant('count'), n, window_s, ...common })],
  [
    'distinct',
    1,
    fc.record({ type: fc.constant('distinct'), n, window_s, field: fc.constant('entity_id'), ...common }),
  ],
  [
    'sequence',
    3,
    fc.record({ type: fc.constant('sequence'), followed_by: fc.constantFrom([''], ['', '']), window_s, ...common }),
  ],
  [
    'sequence that must not go on',
    2,
    fc.record({ type: fc.constant('sequence'), not_followed_by: fc.constant(''), window_s, ...common }),
  ],
  ['silence', 1, fc.record({ type: fc.constant('silence'), window_s, group_by, again_after_s })],
  ['first_seen', 1, fc.record({ type: fc.constant('first_seen'), group_by: fc.constant('user_id') })],
  [
    'ratio',
    2,
    fc.record({
      type: fc.constant('ratio'),
      n,
      window_s: fc.constantFrom(60, 120),
      of: fc.constant(''),
      ratio: fc.constantFrom(0.3, 0.5, 1),
      ...common,
    }),
  ],
];

describe.each(specs)('a rule of type %s', (_, places, spec) => {
  it('makes the alerts of the oracle', () => {
    fc.assert(
      fc.property(spec, log(places), (written, events) => {
        const it = rule(written);
        const end = events.at(-1)?.at ?? 0;
        expect(alertsOf(run(it, events).verdicts)).toEqual(oracle(it, events, end));
      }),
      { numRuns: 400 },
    );
  });

  it('makes the same of the same events in steps of any size, and remembers the same', () => {
    fc.assert(
      fc.property(
        spec,
        log(places),
        fc.array(fc.integer({ min: 1, max: 60 })),
        fc.integer({ min: 1, max: 3 }),
        (written, events, ends, max) => {
          const it = { ...rule(written), alerts_per_hour_max: max };
          const [whole, stepped] = [run(it, events), run(it, events, new Set(ends))];
          expect(stepped.verdicts).toEqual(whole.verdicts);
          expect(writeFold(stepped.fold)).toEqual(writeFold(whole.fold));
        },
      ),
      { numRuns: 400 },
    );
  });
});

const at = 1_700_000_000_000;
const event = (id: number, ms: number, group: string | null = 'a'): OracleEvent => ({
  id,
  at: at + ms,
  group,
  value: null,
  matched: [0],
});
const kinds = (verdicts: Verdict[]) => verdicts.map(({ kind, n: events, at: ms }) => [kind, events, ms - at]);

describe('an open group', () => {
  const count = rule({ type: 'count', n: 2, window_s: 10, again_after_s: 60, quiet_s: 300, group_by: 'user_id' });

  it('has one alert, reminders after a time that doubles, and an end that says how many events it had', () => {
    const { verdicts } = run(count, [
      event(1, 0),
      event(2, 1_000),
      event(3, 2_000),
      { ...event(4, 400_000), matched: [] },
    ]);
    expect(kinds(verdicts)).toEqual([
      ['ALERT', 2, 1_000],
      ['ALERT_REMINDER', 3, 61_000],
      ['ALERT_REMINDER', 3, 181_000],
      ['ALERT_RESOLVED', 3, 301_000],
    ]);
  });
});

describe('an hour', () => {
  it('has a limited number of alerts, and at its end one that says how many more there were', () => {
    const every = { ...rule({ type: 'every' }), alerts_per_hour_max: 2 };
    const log = Array.from({ length: 5 }, (_, i) => event(i + 1, i));
    const { verdicts } = run(every, [...log, { ...event(6, 2 * 3_600_000), matched: [] }]);
    expect(verdicts.map(({ n: events, first_id, last_id, note }) => [events, first_id, last_id, note])).toEqual([
      [1, 1, 1, undefined],
      [1, 2, 2, undefined],
      [3, 3, 5, 'more'],
    ]);
  });
});

describe('what a rule remembers', () => {
  it('has a limit, and one alert says that it was reached', () => {
    const count = rule({ type: 'count', n: 3, window_s: 3_600, group_by: 'user_id' });
    const { groups_max, points_max } = ruleLimits;
    const log = Array.from({ length: groups_max + 500 }, (_, i) => event(i + 1, i, `user-${i}`));
    const { verdicts, fold } = run(count, log);
    expect(verdicts).toMatchObject([{ kind: 'ALERT', group: null, note: 'full', n: groups_max }]);
    expect(fold.groups.size).toBe(groups_max);
    expect(fold.size).toBeLessThanOrEqual(points_max + 1);
  });

  it('is given up when no window reaches it any more', () => {
    const count = rule({ type: 'count', n: 3, window_s: 10, group_by: 'user_id' });
    const log = Array.from({ length: 1_000 }, (_, i) => event(i + 1, i * 1_000, `user-${i}`));
    expect(run(count, log).fold.groups.size).toBeLessThan(25);
  });

  it('of a silent group ends after a time', () => {
    const silence = rule({ type: 'silence', window_s: 10, forget_s: 60, group_by: 'service' });
    const { verdicts, fold } = run(silence, [event(1, 0), { ...event(2, 100_000), matched: [] }]);
    expect(kinds(verdicts)).toEqual([
      ['ALERT', 0, 10_000],
      ['ALERT_RESOLVED', 0, 60_000],
    ]);
    expect(fold.groups.size).toBe(0);
  });
});

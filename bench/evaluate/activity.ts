/** The budget, bursts and takeovers on the history of a real team. */
import { day_ms, firingKinds } from '../../src/features/unusual/actor.ts';
import type { Event } from '../../src/features/unusual/fold.ts';
import { type Burst, dayOf, randomOf, readActivity, runFold, withBursts } from './activity-log.ts';
import { atLeast, atMost, type Part, type Row } from './part.ts';

const once_a_week = { per_day_max: 1 / 7, kinds: ['burst'] } as const;
const yearOf = (at: number) => new Date(at).getUTCFullYear();
const within = (what: string, value: number, [least, most]: [number, number]): Row => ({
  what,
  measured: value.toFixed(2),
  goal: `${least} to ${most}`,
  met: value >= least && value <= most,
});

function weeksOf(events: Event[]): Map<number, number> {
  const first = events[0]?.at ?? 0;
  const last = events.at(-1)?.at ?? 0;
  const weeks = new Map<number, number>();
  for (let at = first; at < last; at += day_ms) weeks.set(yearOf(at), (weeks.get(yearOf(at)) ?? 0) + 1 / 7);
  return weeks;
}

function budgetRows(events: Event[]): Row[] {
  const weeks = weeksOf(events);
  const all = [...weeks.values()].reduce((sum, n) => sum + n, 0);
  const firedAt = (budget: Parameters<typeof runFold>[1]) =>
    runFold(events, budget).fired.map(({ fired_at }) => events[(fired_at ?? 1) - 1]?.at ?? 0);
  const alone = firedAt(once_a_week);
  const three = firedAt({ per_day_max: 3 / 7, kinds: ['burst'] });
  const both = firedAt({ per_day_max: 3 / 7, kinds: ['burst', 'first_seen'] });
  return [
    ...[...weeks].map(([year, n]) =>
      within(
        `bursts alone, 1 a week asked: a week of ${year}`,
        alone.filter((at) => yearOf(at) === year).length / n,
        [0.6, 1.5],
      ),
    ),
    within('bursts alone, 1 a week asked: a week of all years', alone.length / all, [0.9, 1.1]),
    within('bursts alone, 3 a week asked', three.length / all, [2.7, 3.3]),
    within('bursts and first seen, 3 a week asked', both.length / all, [0, 3.3]),
  ];
}

function burstRow(history: Event[], years: [number, number], deletes: number, seed: number): Row {
  const n = 30;
  const { bursts, events } = withBursts(history, years, n, deletes, seed);
  const { fired } = runFold(events, once_a_week);
  const isFound = ({ user, at }: Burst) =>
    fired.some(
      ({ subject, facts }) =>
        subject === `u:${user}` &&
        facts.some(
          ({ kind, what, from, to }) => kind === 'burst' && what === 'DELETE' && from <= at + 600_000 && to >= at,
        ),
    );
  const found = bursts.filter(isFound).length;
  const what = `${n} bursts of ${deletes} deletes, ${years.join('–')}, 1 a week asked, seed ${seed}: fired`;
  return deletes >= 20
    ? atLeast(what, (100 * found) / n, 90, 0, ' %')
    : { what, measured: `${((100 * found) / n).toFixed(0)} %` };
}

/** Two users swap from a day on, which is found by the scores of the first five days of each. */
function takeoverRows(history: Event[], years: [number, number], n: number, seed: number): Row[] {
  const random = randomOf(seed);
  const days = new Map<string, number[]>();
  for (const { user_id, at } of history) {
    const own = days.get(user_id ?? '') ?? [];
    if (own.at(-1) !== dayOf(at)) own.push(dayOf(at));
    days.set(user_id ?? '', own);
  }
  const [first, last] = years.map((year, i) => dayOf(Date.UTC(year + i, 0))) as [number, number];
  const swaps: { users: [string, string]; day: number }[] = [];
  for (let tries = 0; swaps.length < n / 2 && tries < 10_000; tries += 1) {
    const day = first + Math.floor(random() * (last - first));
    const fit = [...days].filter(
      ([, own]) => own.filter((d) => d < day).length >= 10 && own.filter((d) => d >= day).length >= 6,
    );
    const [a, b] = [0, 0].map(() => fit[Math.floor(random() * fit.length)]?.[0] ?? '') as [string, string];
    if (a !== b) swaps.push({ users: [a, b], day });
  }
  let found = 0;
  let sum = 0;
  const target = 6.3;
  for (const { users, day } of swaps) {
    const [a, b] = users;
    const events = history.map((event) => {
      if (dayOf(event.at) < day || (event.user_id !== a && event.user_id !== b)) return event;
      return { ...event, user_id: event.user_id === a ? b : a };
    });
    const scores: [user: string, day: number, score: number][] = [];
    runFold(events, once_a_week, (user, at, score) => scores.push([user, dayOf(at), score]));
    const others = scores.filter(([, at]) => at >= first && at < last).map(([, , score]) => score);
    const threshold = others.toSorted((x, y) => y - x)[Math.floor((target / 100) * others.length)] ?? 0;
    for (const user of users) {
      const five = scores.filter(([who, at]) => who === user && at >= day).slice(0, 5);
      if (five.some(([, , score]) => score >= threshold)) found += 1;
    }
    sum += 2;
  }
  return [
    atLeast(
      `${sum} swapped users, ${years.join('–')}, seed ${seed}: found within five active days at ${target} % of user-days`,
      (100 * found) / sum,
      45,
      0,
      ' %',
    ),
  ];
}

async function run(folder: string): Promise<Row[]> {
  const events = await readActivity(folder);
  const timed = () => {
    const started = performance.now();
    runFold(events, { per_day_max: 3, kinds: firingKinds });
    return ((performance.now() - started) * 1_000) / events.length;
  };
  const [cold, ...warm] = Array.from({ length: 4 }, timed);
  return [
    ...budgetRows(events),
    ...[20, 50, 10].map((deletes) => burstRow(events, [2018, 2020], deletes, 1)),
    burstRow(events, [2018, 2020], 20, 2),
    burstRow(events, [2018, 2020], 20, 3),
    ...takeoverRows(events, [2017, 2019], 30, 1),
    ...takeoverRows(events, [2017, 2020], 54, 2),
    { what: 'time of an event, the first time that the code runs', measured: `${(cold ?? 0).toFixed(1)} µs` },
    atMost('time of an event', Math.min(...warm), 20, 1, ' µs'),
  ];
}

export const activity: Part = { name: 'activity', folder: 'activity-git', run };

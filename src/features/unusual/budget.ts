/** Which facts fire: those among the largest of their kind in the last 90 days, so many that the budget is kept. */
import { day_ms, type FactKind, type Ranked, type Whole } from './actor.ts';

const period_days = 90;

export type Budget = {
  /** Stories a day, shared by the kinds that are on. */
  per_day_max: number;
  kinds: readonly ('burst' | 'first_seen')[];
};

/** How many of 90 days may fire of each kind; where the log is younger, so much less. */
function places({ per_day_max, kinds }: Budget, whole: Whole, kind: FactKind, at: number): number {
  if (per_day_max === 0 || !kinds.some((on) => on === kind)) return 0;
  const days = Math.min(period_days, (at - whole.start) / day_ms);
  return Math.max(1, Math.round((days * per_day_max) / kinds.length));
}

/**
 * Ranks a story by its largest fact of a kind, and again when it has a larger one. `fires`: whether its place is within the
 * budget. `kept`: whether it is among the four times as many that are remembered, which is what is listed.
 */
export function rank(
  budget: Budget,
  whole: Whole,
  kind: FactKind,
  [score, at, story]: Ranked,
): { fires: boolean; kept: boolean } {
  const places_max = places(budget, whole, kind, at);
  const kept_max = Math.max(100, 4 * Math.round(period_days * budget.per_day_max));
  const after = whole.newest - period_days * day_ms;
  let largest = score;
  const others = whole.ranked[kind].filter((each) => {
    if (each[2] === story) largest = Math.max(largest, each[0]);
    return each[1] > after && each[2] !== story;
  });
  // They are sorted, the largest first.
  const place = others.findIndex((each) => each[0] < largest);
  const larger = place < 0 ? others.length : place;
  others.splice(larger, 0, [largest, at, story]);
  whole.ranked[kind] = others.slice(0, kept_max);
  return { fires: larger < places_max, kept: larger < kept_max };
}

/** Which facts fire: those among the largest of their kind in the last 90 days, so many that the budget is kept. */
import { day_ms, type FactKind, type Ranked, type Whole } from './actor.ts';

const period_days = 90;

export type Budget = {
  /** Stories a day, shared by the kinds that are on. */
  per_day_max: number;
  kinds: readonly FactKind[];
};

/** How many of 90 days may fire of each kind; where the log is younger, so much less. */
function places({ per_day_max, kinds }: Budget, whole: Whole, kind: FactKind, at: number): number {
  if (per_day_max === 0 || !kinds.includes(kind)) return 0;
  const days = Math.min(period_days, (at - whole.start) / day_ms);
  return Math.max(1, Math.round((days * per_day_max) / kinds.length));
}

/**
 * Ranks a story by its largest fact of a kind, and again when it has a larger one. `fires`: whether its place is within the
 * budget. `kept`: whether it is among the four times as many that are remembered, which is what is listed. `isAgain`: it may
 * not fire, because the same has just been told; then no more are remembered than may fire.
 */
export function rank(
  budget: Budget,
  whole: Whole,
  kind: FactKind,
  [score, at, story]: Ranked,
  isAgain = false,
): { fires: boolean; kept: boolean } {
  const places_max = isAgain ? 0 : places(budget, whole, kind, at);
  const kept_max = Math.max(100, (isAgain ? 1 : 4) * Math.round(period_days * budget.per_day_max));
  const after = whole.newest - period_days * day_ms;
  whole.ranked[kind] ??= [];
  const ranked = whole.ranked[kind];
  let largest = score;
  let others = 0;
  // In place: this is most of what an event costs.
  for (const each of ranked) {
    if (each[2] === story) largest = Math.max(largest, each[0]);
    else if (each[1] > after) {
      ranked[others] = each;
      others += 1;
    }
  }
  ranked.length = others;
  // They are sorted, the largest first.
  const place = ranked.findIndex((each) => each[0] < largest);
  const larger = place < 0 ? others : place;
  if (larger < kept_max) ranked.splice(larger, 0, [largest, at, story]);
  if (ranked.length > kept_max) ranked.length = kept_max;
  return { fires: larger < places_max, kept: larger < kept_max };
}

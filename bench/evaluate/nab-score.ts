/**
 * The scoring of the Numenta Anomaly Benchmark, from its description (Lavin and Ahmad, "Evaluating Real-time Anomaly
 * Detection Algorithms", 2015): the earlier in a labelled window a detection is, the more it counts.
 */

export type Profile = { falsePositive: number; falseNegative: number };
export const profiles = {
  standard: { falsePositive: 0.11, falseNegative: 1 },
  'low FP': { falsePositive: 0.22, falseNegative: 1 },
  'low FN': { falsePositive: 0.11, falseNegative: 2 },
} as const satisfies Record<string, Profile>;

export type Scored = { scores: ArrayLike<number>; windows: readonly (readonly [from: number, to: number])[] };

const sigmoid = (x: number) => (x > 3 ? -1 : 2 / (1 + Math.exp(5 * x)) - 1);
const probation = (n: number) => Math.min(Math.floor(0.15 * n), 750);

type Point = { score: number; window: number; worth: number };

/** What a detection at each point of a series counts: in a window up to 1, outside it below 0 times the weight. */
function pointsOf({ scores, windows }: Scored, firstWindow: number): Point[] {
  const points: Point[] = [];
  let past = -1;
  for (let i = 0; i < scores.length; i += 1) {
    while (past + 1 < windows.length && i > (windows[past + 1]?.[1] ?? 0)) past += 1;
    if (i < probation(scores.length)) continue;
    const score = scores[i] ?? 0;
    const next = windows[past + 1];
    if (next && i >= next[0]) {
      const width = next[1] - next[0] + 1;
      points.push({ score, window: firstWindow + past + 1, worth: sigmoid(-(next[1] - i + 1) / width) / sigmoid(-1) });
    } else {
      const last = windows[past];
      points.push({ score, window: -1, worth: last ? sigmoid((i - last[1]) / (last[1] - last[0])) : -1 });
    }
  }
  return points;
}

export type Result = { score: number; threshold: number };

/** The score of a corpus with one threshold for all of its series: the best one, or a given one. */
export function scoreOf(corpus: readonly Scored[], profile: Profile, given?: number): Result {
  let n_windows = 0;
  const points: Point[] = [];
  for (const series of corpus) {
    for (const point of pointsOf(series, n_windows)) points.push(point);
    n_windows += series.windows.length;
  }
  points.sort((a, b) => b.score - a.score);
  const best = new Array<number>(n_windows).fill(-profile.falseNegative);
  let sum = -profile.falseNegative * n_windows;
  let found: Result = { score: sum, threshold: Number.POSITIVE_INFINITY };
  const total = (raw: number) =>
    (100 * (raw + profile.falseNegative * n_windows)) / ((1 + profile.falseNegative) * n_windows);
  for (let i = 0; i < points.length; ) {
    const threshold = points[i]?.score ?? 0;
    if (given !== undefined && threshold < given) break;
    for (let point = points[i]; point?.score === threshold; i += 1, point = points[i]) {
      if (point.window < 0) sum += profile.falsePositive * point.worth;
      else {
        const before = best[point.window] ?? 0;
        best[point.window] = Math.max(before, point.worth);
        sum += (best[point.window] ?? 0) - before;
      }
    }
    if (given !== undefined || sum > found.score) found = { score: sum, threshold };
  }
  return { score: total(found.score), threshold: found.threshold };
}

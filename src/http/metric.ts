/** Metrics as Prometheus knows them: counters, gauges and histograms, with labels of few values. */

export type Labels = Readonly<Record<string, string>>;

/** Observations by size. `counts[i]` are those in the i-th range, up to `bounds[i]`; the last are those above all bounds. */
export type Histogram = { readonly bounds: readonly number[]; readonly counts: number[]; sum: number };

/** A metric and its rows, one for each combination of labels. The name of a counter ends in `_total`. */
export type Metric = { name: string; help: string } & (
  | { type: 'counter' | 'gauge'; rows: { labels?: Labels; value: number }[] }
  | { type: 'histogram'; rows: { labels?: Labels; value: Histogram }[] }
);

/** `bounds` ascend. */
export const createHistogram = (bounds: readonly number[]): Histogram => ({
  bounds,
  counts: Array.from({ length: bounds.length + 1 }, () => 0),
  sum: 0,
});

/** Counts one observation: a few additions, on the path of every request. */
export function observe(histogram: Histogram, value: number): void {
  const { bounds, counts } = histogram;
  let i = 0;
  while (i < bounds.length && value > (bounds[i] ?? 0)) i += 1;
  counts[i] = (counts[i] ?? 0) + 1;
  histogram.sum += value;
}

/** A number for each of a fixed set of names. */
export const zeros = <Name extends string>(names: readonly Name[]): Record<Name, number> =>
  Object.fromEntries(names.map((name) => [name, 0])) as Record<Name, number>;

/** The rows of numbers by name. */
export const rowsBy = (label: string, numbers: Readonly<Record<string, number>>) =>
  Object.entries(numbers).map(([name, value]) => ({ labels: { [label]: name }, value }));

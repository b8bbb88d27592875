/** Metrics as Prometheus knows them: counters, gauges and histograms, with labels of few values. */

export type Labels = Readonly<Record<string, string>>;

/** Observations by size. `counts[i]` are those up to `bounds[i]`; the last count is of those above every bound. */
export type Histogram = {
  readonly bounds: readonly number[];
  readonly counts: readonly number[];
  readonly sum: number;
};

/** A metric and its rows, one for each combination of labels. The name of a counter ends in `_total`. */
export type Metric = { name: string; help: string } & (
  | { type: 'counter' | 'gauge'; rows: { labels?: Labels; value: number }[] }
  | { type: 'histogram'; rows: { labels?: Labels; value: Histogram }[] }
);

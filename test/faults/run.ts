/** What a long run is: it breaks something, measures, and says of each of its claims whether it was so. */
export type FaultRun = (parts: {
  /** Makes a database without tables on the run's own server; returns its URL. */
  fresh(): Promise<string>;
  say(line: string): void;
  /** What stands behind the run's name. */
  args: string[];
}) => Promise<{ numbers: Record<string, unknown>; claims: Record<string, boolean> }>;

/** The value below which a share of the values lies. */
export function quantile(values: number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}

export const rounded = (value: number, digits = 2) => Number(value.toFixed(digits));

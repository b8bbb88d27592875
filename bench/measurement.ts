/** What one benchmark is: a name, a measurement, and the rows of the table that it gives. */
import type { BenchDatabases } from './databases.ts';

/** One row of the table: a value, the same quantity of the reference in the same run, and the goal. */
export type Row = {
  name: string;
  value: number;
  unit: string;
  reference?: { name: string; value: number };
  /** Of the ratio of value to reference where there is a reference, else of the value. */
  goal?: { at_least: number } | { at_most: number };
  /** Whether the ratio is steady on one machine, so that `--check` compares it with the recorded one. */
  steady: boolean;
  /** Further numbers, such as `p99 ms`. */
  more?: Record<string, number>;
  note?: string;
};

export type Context = {
  databases: BenchDatabases;
  /** The rows of the generated log. */
  rows_n: number;
  /** The URL of a PostgreSQL database with the generated log, which is made at the first call. For readers only. */
  generatedLog(): Promise<string>;
  /** The same of a log of 100,000 rows. */
  smallLog(): Promise<string>;
};

/** A benchmark. `--only` selects by the name, which begins with that of its group. */
export type Measurement = { name: string; measure(context: Context): Promise<Row[]> };

export const ratioOf = ({ value, reference }: Row): number | null => (reference ? value / reference.value : null);

/** Whether a row meets its goal; null without a goal. */
export function meetsGoal(row: Row): boolean | null {
  if (!row.goal) return null;
  const measured = ratioOf(row) ?? row.value;
  return 'at_least' in row.goal ? measured >= row.goal.at_least : measured <= row.goal.at_most;
}

/** The share by which a steady ratio may get worse before `--check` fails. */
const fall_max = 0.3;

/** Whether a ratio is worse than the recorded one by more than 30 %. Without a goal a higher ratio is the better one. */
export function hasFallen(row: Row, recorded: number): boolean {
  const ratio = ratioOf(row);
  if (!row.steady || ratio === null) return false;
  const isLowBetter = row.goal !== undefined && 'at_most' in row.goal;
  return isLowBetter ? ratio > recorded / (1 - fall_max) : ratio < recorded * (1 - fall_max);
}

/** The quantile of the values at `share` (0 to 1). */
export function quantile(values: readonly number[], share: number): number {
  const sorted = Float64Array.from(values).sort();
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}

/** A part of `npm run evaluate`: what it measures on one folder of the data. */

export type Row = { what: string; measured: string; goal?: string; met?: boolean };

export type Part = {
  /** The name of the part, and of its folder in the data; `.` for one that reads several. */
  name: string;
  folder: string;
  /** Runs the measurements on that folder. */
  run(folder: string): Promise<Row[]>;
};

export const atLeast = (what: string, value: number, goal: number, digits = 1, unit = ''): Row => ({
  what,
  measured: `${value.toFixed(digits)}${unit}`,
  goal: `≥ ${goal}${unit}`,
  met: value >= goal,
});

export const atMost = (what: string, value: number, goal: number, digits = 1, unit = ''): Row => ({
  what,
  measured: `${value.toFixed(digits)}${unit}`,
  goal: `≤ ${goal}${unit}`,
  met: value <= goal,
});

/** The ticks of an axis: steps of 1, 2 or 5 times a power of ten. */

const ticks_max = 4;

/** Whole numbers from 0 up to one that is not below the largest. */
export function ticksOf(most: number): number[] {
  const rough = Math.max(1, most) / ticks_max;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = Math.max(1, [1, 2, 5, 10].map((n) => n * power).find((size) => size >= rough) ?? 10 * power);
  return Array.from({ length: Math.ceil(Math.max(1, most) / step) + 1 }, (_, i) => i * step);
}

/** `1.2k`: for labels that have little room. */
export function shortNumber(n: number): string {
  const [unit, size] =
    Math.abs(n) >= 1e9 ? ['G', 1e9] : Math.abs(n) >= 1e6 ? ['M', 1e6] : Math.abs(n) >= 1e3 ? ['k', 1e3] : ['', 1];
  return `${Number((n / Number(size)).toPrecision(3))}${unit}`;
}

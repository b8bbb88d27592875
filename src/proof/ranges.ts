/** Sets of ids, as ranges in ascending order. */

export type IdRange = { first: number; last: number };

/** The ranges of ids that come in ascending order. */
export function rangesOf(ids: Iterable<number>): IdRange[] {
  const ranges: IdRange[] = [];
  for (const id of ids) {
    const last = ranges.at(-1);
    if (last && id === last.last + 1) last.last = id;
    else ranges.push({ first: id, last: id });
  }
  return ranges;
}

export const countOf = (ranges: readonly IdRange[]): number =>
  ranges.reduce((sum, { first, last }) => sum + last - first + 1, 0);

/** The place of the first range that ends at an id or after it. */
function placeOf(ranges: readonly IdRange[], id: number): number {
  let [low, high] = [0, ranges.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((ranges[middle] as IdRange).last < id) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** The parts of the ranges from one id to another, both included. */
export function within(ranges: readonly IdRange[], first: number, last: number): IdRange[] {
  const parts: IdRange[] = [];
  for (let i = placeOf(ranges, first); i < ranges.length; i += 1) {
    const range = ranges[i] as IdRange;
    if (range.first > last) break;
    parts.push({ first: Math.max(first, range.first), last: Math.min(last, range.last) });
  }
  return parts;
}

export const hasAny = (ranges: readonly IdRange[], first: number, last: number): boolean => {
  const range = ranges[placeOf(ranges, first)];
  return range !== undefined && range.first <= last;
};

/** `1-1000,1007`. */
export const writeRanges = (ranges: readonly IdRange[]): string =>
  ranges.map(({ first, last }) => (first === last ? `${first}` : `${first}-${last}`)).join(',');

/** Reads ranges, which ascend and do not touch; null for anything else. */
export function readRanges(text: string): IdRange[] | null {
  const ranges: IdRange[] = [];
  for (const part of text.split(',')) {
    const [, from = '', to = from] = /^([1-9]\d{0,15})(?:-([1-9]\d{0,15}))?$/.exec(part) ?? [];
    const range = { first: Number(from), last: Number(to) };
    if (from === '' || range.last < range.first || range.first <= (ranges.at(-1)?.last ?? -1) + 1) return null;
    ranges.push(range);
  }
  return ranges;
}

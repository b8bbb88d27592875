/** Months of timestamps in UTC, as `YYYY-MM`. */

export type Month = string;

export const isMonth = (text: string): boolean => /^\d{4}-(0[1-9]|1[0-2])$/.test(text) && !text.startsWith('0000');

const monthOf = (ms: number): Month => new Date(ms).toISOString().slice(0, 'YYYY-MM'.length);

/** The first moment of a month, and the first moment after it. */
export function rangeOf(month: Month): { since: string; until: string } {
  const [year = 0, number = 1] = month.split('-').map(Number);
  const until = number === 12 ? [year + 1, 1] : [year, number + 1];
  const [untilYear = 0, untilNumber = 1] = until;
  const written = `${String(untilYear).padStart(4, '0')}-${String(untilNumber).padStart(2, '0')}`;
  return { since: `${month}-01T00:00:00Z`, until: `${written}-01T00:00:00Z` };
}

const day_ms = 24 * 60 * 60 * 1000;

/** The first month that has not ended for so many days: those before it have. */
export const firstRecent = (now_ms: number, days: number): Month => monthOf(now_ms - days * day_ms);

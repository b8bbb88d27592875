/** The periods of digests: a day, or a week of ISO 8601, in UTC. */
import { Problem } from '../../http/problem.ts';

/** `from` and `to` are its first and last day, `YYYY-MM-DD`. */
export type Period = { name: string; from: string; to: string; days: number };

const day_ms = 86_400_000;

/** A day so many days later. */
export const dayAfter = (day: string, days = 1): string =>
  new Date(Date.parse(day) + days * day_ms).toISOString().slice(0, 10);

/** The day of a moment in epoch milliseconds. */
export const dayOf = (ms: number): string => new Date(ms).toISOString().slice(0, 10);

/** The Monday of week 1: the week with 4 January (ISO 8601). */
function firstMonday(year: number): string {
  const fourth = new Date(Date.UTC(year, 0, 4));
  return dayAfter(`${year}-01-04`, -((fourth.getUTCDay() + 6) % 7));
}

/** The week of a day, `YYYY-Www`. */
export function weekOf(day: string): string {
  const thursday = dayAfter(day, 3 - ((new Date(day).getUTCDay() + 6) % 7));
  const year = Number(thursday.slice(0, 4));
  const n = Math.floor((Date.parse(thursday) - Date.parse(firstMonday(year))) / (7 * day_ms)) + 1;
  return `${year}-W${String(n).padStart(2, '0')}`;
}

/** Reads `2026-11-23` or `2026-W48`. Throws a 404 for what names no day or week. */
export function readPeriod(name: string): Period {
  if (/^\d{4}-\d\d-\d\d$/.test(name) && Number.isFinite(Date.parse(name)) && dayOf(Date.parse(name)) === name)
    return { name, from: name, to: name, days: 1 };
  const [, year, week] = /^(\d{4})-W(\d\d)$/.exec(name) ?? [];
  if (year && week) {
    const from = dayAfter(firstMonday(Number(year)), (Number(week) - 1) * 7);
    if (weekOf(from) === name) return { name, from, to: dayAfter(from, 6), days: 7 };
  }
  throw new Problem(404, 'A digest has the name of a day, such as 2026-11-23, or of a week, such as 2026-W48.');
}

/** The period of the same length so many periods later. */
export function shifted({ from, days }: Period, by: number): Period {
  const first = dayAfter(from, by * days);
  return { name: days === 1 ? first : weekOf(first), from: first, to: dayAfter(first, days - 1), days };
}

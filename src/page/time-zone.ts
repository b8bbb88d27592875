/** Wall clocks: a moment as the clocks of a time zone show it, and the moment that they show. */
import { earliest_ms, latest_ms } from '../log/instant.ts';

const zone_chars_max = 64;
const formats = new Map<string, Intl.DateTimeFormat>();
/** There are some 600 names; what a client says must not fill the memory. */
const formats_max = 700;

/** Whether this runtime knows the zone by this name (IANA: Europe/Berlin). */
export const isZone = (name: string): boolean =>
  name === 'UTC' || (name.length <= zone_chars_max && /^[A-Za-z][\w+/-]*$/.test(name) && formatOf(name) !== null);

function formatOf(zone: string): Intl.DateTimeFormat | null {
  const known = formats.get(zone);
  if (known) return known;
  try {
    const made = new Intl.DateTimeFormat('en-US', {
      timeZone: zone,
      hourCycle: 'h23',
      year: 'numeric',
      month: '2-digit',
      day: '2-digit',
      hour: '2-digit',
      minute: '2-digit',
      second: '2-digit',
    });
    if (formats.size >= formats_max) formats.clear();
    formats.set(zone, made);
    return made;
  } catch {
    return null;
  }
}

/** `2026-11-23T09:12:45.123` as the clocks of the zone show this moment (epoch ms); UTC where it is not known. */
export function wallClock(ms: number, zone: string): string {
  const utc = new Date(ms).toISOString().slice(0, -1);
  const format = zone === 'UTC' ? null : formatOf(zone);
  if (!format) return utc;
  const part = Object.fromEntries(format.formatToParts(ms).map(({ type, value }) => [type, value]));
  const year = (part.year ?? '').padStart(4, '0');
  return `${year}-${part.month}-${part.day}T${part.hour}:${part.minute}:${part.second}${utc.slice(19)}`;
}

/**
 * The moment at which the clocks of the zone show this time, given as epoch ms of the same digits in UTC. An hour that
 * the clocks show twice has a first and a last moment. A time that they skip is read by the clocks before the change.
 */
export function fromWallClock(digits_ms: number, zone: string, which: 'first' | 'last' = 'first'): number {
  // At the ends of time the clocks of a zone show a year that no date has.
  const offset = (ms: number) => Date.parse(`${wallClock(ms, zone)}Z`) - ms || 0;
  const early = digits_ms - offset(clamp(digits_ms - day_ms));
  const late = digits_ms - offset(clamp(digits_ms + day_ms));
  const isShown = (ms: number) => ms + offset(clamp(ms)) === digits_ms;
  if (which === 'last') return isShown(late) ? late : early;
  return isShown(early) || !isShown(late) ? early : late;
}

const clamp = (ms: number) => Math.min(latest_ms, Math.max(earliest_ms, ms));

const day_ms = 24 * 60 * 60 * 1000;

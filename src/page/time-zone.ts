/** Converts between instants (epoch ms) and local times of a time zone. */
import { earliest_ms, latest_ms } from '../log/instant.ts';

const zone_chars_max = 64;
const formats = new Map<string, Intl.DateTimeFormat>();
/** There are about 600 zone names. The bound keeps a client from filling the memory with aliases. */
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

/** The local time in the zone, such as `2026-11-23T09:12:45.123`, of an instant (epoch ms); UTC for an unknown zone. */
export function wallClock(ms: number, zone: string): string {
  const utc = new Date(ms).toISOString().slice(0, -1);
  const format = zone === 'UTC' ? null : formatOf(zone);
  if (!format) return utc;
  const part = Object.fromEntries(format.formatToParts(ms).map(({ type, value }) => [type, value]));
  const year = (part.year ?? '').padStart(4, '0');
  return `${year}-${part.month}-${part.day}T${part.hour}:${part.minute}:${part.second}${utc.slice(19)}`;
}

/**
 * The instant of a local time in the zone. The local time is given as epoch ms, as if it were UTC. A local time that
 * occurs twice has a first and a last instant. A local time that is skipped is read with the offset before the change.
 */
export function fromWallClock(digits_ms: number, zone: string, which: 'first' | 'last' = 'first'): number {
  // Near the earliest and latest dates the local year may be out of range, which makes the parsed date NaN.
  const offset = (ms: number) => Date.parse(`${wallClock(ms, zone)}Z`) - ms || 0;
  const early = digits_ms - offset(clamp(digits_ms - day_ms));
  const late = digits_ms - offset(clamp(digits_ms + day_ms));
  const isShown = (ms: number) => ms + offset(clamp(ms)) === digits_ms;
  if (which === 'last') return isShown(late) ? late : early;
  return isShown(early) || !isShown(late) ? early : late;
}

const clamp = (ms: number) => Math.min(latest_ms, Math.max(earliest_ms, ms));

const day_ms = 24 * 60 * 60 * 1000;

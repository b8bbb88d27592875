/** Formats values for display: visible text, counts, times, ages. Data in, text out. */
import { invisibleClass, oddSpace } from '../log/invisible-characters.ts';
import { wallClock } from './time-zone.ts';

/** Characters without a visible glyph, except inside an emoji; `stray` is a blank at an end or after another blank. */
const invisible = new RegExp(`(\\p{RGI_Emoji})|[${invisibleClass}]|${oddSpace}`, 'gv');
const stray = /^ | $|(?<= ) /g;

const codePoint = (char: string) => (char.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0');
const marker = (char: string) => `⟨U+${codePoint(char)}⟩`;

/** For one line, such as a name: different texts look different. Invisible characters appear as `⟨U+200B⟩`. */
export const visible = (text: string) =>
  text.replace(stray, marker).replace(invisible, (char, emoji?: string) => emoji ?? marker(char));

/** For text of several lines, such as a description: line breaks and tabs stay. */
export const visibleText = (text: string) =>
  text
    .replace(/^ | $/g, marker)
    .replace(invisible, (char, emoji?: string) => emoji ?? (char === '\n' || char === '\t' ? char : marker(char)));

const escapes = (char: string) =>
  Array.from({ length: char.length }, (_, i) => `\\u${char.charCodeAt(i).toString(16).padStart(4, '0')}`).join('');

/** Equivalent JSON in which invisible characters are escaped. Readers also copy it, so it must stay valid JSON. */
export const visibleJson = (value: unknown) =>
  JSON.stringify(value, null, 2).replace(
    invisible,
    (char, emoji?: string) => emoji ?? (char === '\n' ? char : escapes(char)),
  );

/** Truncates a text, but not within a surrogate pair. */
export const truncate = (text: string, chars_max: number) =>
  text.length > chars_max ? `${text.slice(0, chars_max).replace(/[\ud800-\udbff]$/, '')}…` : text;

export const formatCount = (n: number) => n.toLocaleString('en-US');
export const formatEventCount = (n: number) => `${formatCount(n)} ${n === 1 ? 'event' : 'events'}`;

const day_s = 86_400;

const byteUnits = ['bytes', 'KiB', 'MiB', 'GiB', 'TiB'];

/** `1.5 GiB`: three digits at most. */
export function formatBytes(bytes: number): string {
  let [amount, unit] = [bytes, 0];
  for (; amount >= 1_000 && unit < byteUnits.length - 1; unit++) amount /= 1_024;
  return `${unit === 0 || amount >= 100 ? Math.round(amount) : amount.toPrecision(2)} ${byteUnits[unit]}`;
}

/** `3 min`: the largest unit alone. */
export function formatDuration(seconds: number): string {
  const s = Math.trunc(seconds);
  if (s < 60) return `${s} s`;
  if (s < 3_600) return `${Math.trunc(s / 60)} min`;
  return s < 2 * day_s ? `${Math.trunc(s / 3_600)} h` : `${Math.trunc(s / day_s)} days`;
}

/** The reader's time zone and theme, and the time of the request. */
export type DisplayOptions = { zone: string; theme: 'system' | 'light' | 'dark'; now_ms: number };

/** `2026-11-23 09:12:45` in the reader's time zone. */
export const formatTime = (ms: number, { zone }: DisplayOptions) => wallClock(ms, zone).replace('T', ' ').slice(0, 19);
/** The same to the millisecond, with the name of the time zone. */
export const formatExactTime = (ms: number, { zone }: DisplayOptions) =>
  `${wallClock(ms, zone).replace('T', ' ')} ${zone}`;

/** A short date: month, day and time within the current year; the full date without a time in other years. */
function shortClock(then_ms: number, display: DisplayOptions): string {
  const [then, now] = [formatTime(then_ms, display), formatTime(display.now_ms, display)];
  return then.slice(0, 4) === now.slice(0, 4) ? then.slice(5, 16) : then.slice(0, 10);
}

/** The time of day, for an event that is shown by its age; otherwise an empty text. */
export const timeOfDay = (then_ms: number, display: DisplayOptions) =>
  display.now_ms - then_ms < day_s * 1000 ? formatTime(then_ms, display).slice(11) : '';

/** The age within a day, or else a date, because ages in days do not distinguish events. viewer.js has a copy. */
export function formatAge(then_ms: number, display: DisplayOptions): string {
  const s = Math.trunc((display.now_ms - then_ms) / 1000);
  if (s < -60) return shortClock(then_ms, display);
  if (s < 5) return 'now';
  if (s < 60) return `${s} s ago`;
  if (s < 3_600) return `${Math.trunc(s / 60)} min ago`;
  return s < day_s ? `${Math.trunc(s / 3_600)} h ago` : shortClock(then_ms, display);
}

/** Common event types have a fixed colour; any other type has a colour from the hash of its name. */
const tones: Record<string, string> = { CREATE: 't1', UPDATE: 't2', DELETE: 't3', PAYMENT: 't4' };
const other_tones = 5;

/** The CSS class that colours an event type in rows and bars. The type is always shown as text, too. */
export function colourClass(type: string): string {
  const known = Object.hasOwn(tones, type) ? tones[type] : undefined;
  if (known) return known;
  let hash = 0;
  for (const char of type) hash = (hash * 31 + (char.codePointAt(0) ?? 0)) >>> 0;
  return `t${5 + (hash % other_tones)}`;
}

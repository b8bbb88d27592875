/** Values as people read them: safe to look at, counted, aged. Data in, text out. */
import { invisibleClass, oddSpace } from '../log/invisible-characters.ts';
import { wallClock } from './time-zone.ts';

/** What has no glyph of its own, except inside an emoji; also a blank at an end or after another blank. */
const invisible = new RegExp(`(\\p{RGI_Emoji})|[${invisibleClass}]|${oddSpace}`, 'gv');
const stray = /^ | $|(?<= ) /g;

const codePoint = (char: string) => (char.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0');
const marker = (char: string) => `⟨U+${codePoint(char)}⟩`;

/** One line, such as a name: texts that differ also look different. Invisible characters appear as `⟨U+200B⟩`. */
export const visible = (text: string) =>
  text.replace(stray, marker).replace(invisible, (char, emoji?: string) => emoji ?? marker(char));

/** Text of several lines, such as a description: line breaks and tabs stay. */
export const visibleText = (text: string) =>
  text
    .replace(/^ | $/g, marker)
    .replace(invisible, (char, emoji?: string) => emoji ?? (char === '\n' || char === '\t' ? char : marker(char)));

const escapes = (char: string) =>
  Array.from({ length: char.length }, (_, i) => `\\u${char.charCodeAt(i).toString(16).padStart(4, '0')}`).join('');

/** JSON that means the same, with nothing in it that cannot be seen: it is copied as well as read. */
export const visibleJson = (value: unknown) =>
  JSON.stringify(value, null, 2).replace(
    invisible,
    (char, emoji?: string) => emoji ?? (char === '\n' ? char : escapes(char)),
  );

/** Not within a surrogate pair. */
export const truncate = (text: string, chars_max: number) =>
  text.length > chars_max ? `${text.slice(0, chars_max).replace(/[\ud800-\udbff]$/, '')}…` : text;

export const formatCount = (n: number) => n.toLocaleString('en-US');
export const formatEventCount = (n: number) => `${formatCount(n)} ${n === 1 ? 'event' : 'events'}`;

/** Who looks: the clocks they go by, the colours they chose, and when they asked. */
export type DisplayOptions = { zone: string; theme: 'system' | 'light' | 'dark'; now_ms: number };

/** `2026-11-23 09:12:45` by the reader's clocks. */
export const formatTime = (ms: number, { zone }: DisplayOptions) => wallClock(ms, zone).replace('T', ' ').slice(0, 19);
/** The same to the millisecond, and whose clock it is. */
export const formatExactTime = (ms: number, { zone }: DisplayOptions) =>
  `${wallClock(ms, zone).replace('T', ' ')} ${zone}`;

const day_s = 86_400;

/** The clock without what goes without saying: this year, or the time of day of another one. */
function shortClock(then_ms: number, display: DisplayOptions): string {
  const [then, now] = [formatTime(then_ms, display), formatTime(display.now_ms, display)];
  return then.slice(0, 4) === now.slice(0, 4) ? then.slice(5, 16) : then.slice(0, 10);
}

/** The time of day, for what is shown by its age. */
export const timeOfDay = (then_ms: number, display: DisplayOptions) =>
  display.now_ms - then_ms < day_s * 1000 ? formatTime(then_ms, display).slice(11) : '';

/** How long ago, within a day; beyond, ages tell events no longer apart. viewer.js goes on counting in these words. */
export function formatAge(then_ms: number, display: DisplayOptions): string {
  const s = Math.trunc((display.now_ms - then_ms) / 1000);
  if (s < -60) return shortClock(then_ms, display);
  if (s < 5) return 'now';
  if (s < 60) return `${s} s ago`;
  if (s < 3_600) return `${Math.trunc(s / 60)} min ago`;
  return s < day_s ? `${Math.trunc(s / 3_600)} h ago` : shortClock(then_ms, display);
}

/** What most logs speak of keeps its colour everywhere; any other word has the one that its letters make. */
const tones: Record<string, string> = { CREATE: 't1', UPDATE: 't2', DELETE: 't3', PAYMENT: 't4' };
const other_tones = 5;

/** The class that colours an event type, in rows and bars alike. It is never the only sign: the word stands beside it. */
export function colourClass(type: string): string {
  const known = Object.hasOwn(tones, type) ? tones[type] : undefined;
  if (known) return known;
  let hash = 0;
  for (const char of type) hash = (hash * 31 + (char.codePointAt(0) ?? 0)) >>> 0;
  return `t${5 + (hash % other_tones)}`;
}

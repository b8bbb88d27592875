/** Points in time: the parser for what callers write, and the conversion from and to the database's text. */

export const earliest_ms = Date.parse('0001-01-01T00:00:00.000Z');
export const latest_ms = Date.parse('9999-12-31T23:59:59.999Z');

const isoForm =
  /^(\d{4})-(\d\d)-(\d\d)(?:[T ](\d\d):(\d\d)(?::(\d\d)(?:[.,](\d{1,9}))?)?\s*(Z|[+-]\d\d(?::?\d\d)?)?)?$/i;

/** The basic form of ISO 8601, 20260301T123000Z. A date alone is not read: it could be any number. */
const basicForm = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(?:(\d\d)([.,]\d{1,9})?)?(Z|[+-]\d\d(?::?\d\d)?)?$/i;

const extended = (text: string): string =>
  text.replace(
    basicForm,
    (_text, year, month, day, hour, minute, second?: string, fraction = '', zone = '') =>
      `${year}-${month}-${day}T${hour}:${minute}${second ? `:${second}` : ''}${fraction}${zone}`,
  );

/**
 * Reads an ISO 8601 / RFC 3339 date or date-time. No zone means UTC; finer than a millisecond is cut off.
 * Returns epoch milliseconds, whether only a date was given, and the length of the smallest unit that was given (a day,
 * a minute, a second, else a millisecond): an end includes that unit. Null when the text is no such point in time
 * (30 February, 24:30, a leap second, year 0, "infinity").
 */
export function parseInstant(text: string): { ms: number; dateOnly: boolean; unit_ms: number } | null {
  const parts = isoForm.exec(extended(text.trim()));
  if (!parts) return null;
  const [, year = '', month = '', day = '', hour, minute, second, fraction = '', zone = 'Z'] = parts;
  if (year === '0000') return null;
  const dateOnly = hour === undefined;
  const ms = fraction.slice(0, 3).padEnd(3, '0');
  const wallClock = `${year}-${month}-${day}T${hour ?? '00'}:${minute ?? '00'}:${second ?? '00'}.${ms}Z`;
  const asUtc = Date.parse(wallClock);
  // Date.parse rolls 30 February over into March: only a wall clock that reads back the same was real.
  if (Number.isNaN(asUtc) || new Date(asUtc).toISOString() !== wallClock) return null;
  const offset = offsetMs(zone);
  if (offset === null) return null;
  const instant = asUtc - offset;
  const unit_ms = dateOnly ? 86_400_000 : second === undefined ? 60_000 : fraction === '' ? 1_000 : 1;
  return instant < earliest_ms || instant > latest_ms ? null : { ms: instant, dateOnly, unit_ms };
}

function offsetMs(zone: string): number | null {
  if (zone.toUpperCase() === 'Z') return 0;
  const hours = Number(zone.slice(1, 3));
  const minutes = Number(zone.slice(3).replace(':', '') || '0');
  if (hours > 23 || minutes > 59) return null;
  return (zone[0] === '-' ? -1 : 1) * (hours * 60 + minutes) * 60_000;
}

/** A timestamptz as PostgreSQL prints it. The year may have five or six digits, or be followed by BC. */
const databaseForm = /^(\d{4,6})-(\d\d-\d\d)[ T]([\d:.]+)([+-]\d\d)(?::?(\d\d))?(?::\d\d)?( BC)?$/;

/** Reads the database's text of a timestamptz as epoch milliseconds; infinite for "infinity", NaN for another text. */
export function readDatabaseTime(text: string): number {
  if (text === 'infinity') return Number.POSITIVE_INFINITY;
  if (text === '-infinity') return Number.NEGATIVE_INFINITY;
  const [, year = '', day, time, hours, minutes = '00', isBc] = databaseForm.exec(text) ?? [];
  // ISO 8601 counts the year 1 BC as 0; years outside of 0 to 9999 need a sign and six digits.
  const isoYear = isBc ? 1 - Number(year) : Number(year);
  const digits = String(Math.abs(isoYear));
  const written =
    isoYear >= 0 && isoYear <= 9999 ? digits.padStart(4, '0') : `${isoYear < 0 ? '-' : '+'}${digits.padStart(6, '0')}`;
  return Date.parse(`${written}-${day}T${time}${hours}:${minutes}`);
}

const [dash, space] = [0x2d, 0x20];
/** `2026-03-01 12:30:00+00` and its forms with one to three decimals, by their length. */
const plain_chars = { min: 22, max: 26 } as const;

/**
 * The RFC 3339 form of a timestamptz of the years 1 to 9999 in UTC, as PostgreSQL prints it; null for any other text. It
 * copies characters: making a Date for each of two times is a tenth of an export.
 */
export function plainIsoOf(text: string): string | null {
  const { length } = text;
  if (length < plain_chars.min || length > plain_chars.max || !text.endsWith('+00')) return null;
  // A year of five digits has its dash later.
  if (text.charCodeAt(4) !== dash || text.charCodeAt(10) !== space) return null;
  const fraction = text.slice(20, length - 3);
  return `${text.slice(0, 10)}T${text.slice(11, 19)}.${fraction.padEnd(3, '0')}Z`;
}

/** Writes epoch milliseconds as the database reads them, also where RFC 3339 has no form. */
export function writeDatabaseTime(ms: number): string {
  if (ms >= earliest_ms && ms <= latest_ms) return new Date(ms).toISOString();
  if (!Number.isFinite(ms)) return ms > 0 ? 'infinity' : '-infinity';
  const date = new Date(ms);
  const year = date.getUTCFullYear();
  const rest = date
    .toISOString()
    .replace(/^[+-]?\d+/, '')
    .replace('T', ' ')
    .replace('Z', '+00');
  return year > 0 ? `${year}${rest}` : `${String(1 - year).padStart(4, '0')}${rest} BC`;
}

/** The RFC 3339 form of epoch milliseconds; years outside of 1 to 9999 become the first or last moment of that range. */
export const isoOf = (ms: number): string => new Date(Math.min(latest_ms, Math.max(earliest_ms, ms))).toISOString();

/**
 * Writes rows of an export by copying their bytes: most values are written as the database gives them. Each function
 * writes at an index of the target and returns the index after it, or -1 when the value needs more than copying.
 */
import { readLimits } from '../log/stored-row.ts';

/** What a copying function takes: the target and where to write, the source and where its value begins and ends. */
export type Copy = (target: Uint8Array, at: number, source: Uint8Array, from: number, to: number) => number;

const [quote, backslash, colon, space, plus, dash, dot] = [0x22, 0x5c, 0x3a, 0x20, 0x2b, 0x2d, 0x2e];
const [zero, nine, letter_t, letter_z] = [0x30, 0x39, 0x54, 0x5a];
const [openBrace, closeBrace, openBracket, closeBracket] = [0x7b, 0x7d, 0x5b, 0x5d];
const isDigit = (byte: number) => byte >= zero && byte <= nine;

/** A table of 256 flags: which bytes the rule holds for. */
const flags = (rule: (byte: number) => boolean) => Uint8Array.from({ length: 256 }, (_, byte) => (rule(byte) ? 1 : 0));

/** Of U+F000 to U+FFFF, among them the byte order mark and the full-width formula characters. */
const lead_of_bom = 0xef;
/** Bytes that a cell is quoted for, or may be. */
const quotedFor = flags((byte) => '",\r\n'.includes(String.fromCharCode(byte)) || byte === lead_of_bom);
/** First bytes of white space, or of what white space may lead to in a formula. */
const maybeFormula = flags(
  (byte) =>
    byte <= space ||
    '=+-@|%'.includes(String.fromCharCode(byte)) ||
    [0xc2, 0xe1, 0xe2, 0xe3, lead_of_bom].includes(byte),
);

/** A text as a cell of CSV that has no quotes and is no formula. */
export const copyCell: Copy = (target, at, source, from, to) => {
  if (from === to) return at;
  if (maybeFormula[source[from] as number] || source[to - 1] === space) return -1;
  let next = at;
  for (let i = from; i < to; i++) {
    const byte = source[i] as number;
    if (quotedFor[byte]) return -1;
    target[next++] = byte;
  }
  return next;
};

const escaped = flags((byte) => byte < space || byte === quote || byte === backslash);

/** A text as a string of JSON. */
export const copyString: Copy = (target, at, source, from, to) => {
  let next = at;
  target[next++] = quote;
  for (let i = from; i < to; i++) {
    const byte = source[i] as number;
    if (escaped[byte]) return -1;
    target[next++] = byte;
  }
  target[next++] = quote;
  return next;
};

/** An id: a whole number. */
export const copyId: Copy = (target, at, source, from, to) => {
  let next = at;
  for (let i = from; i < to; i++) target[next++] = source[i] as number;
  return next;
};

/** The lengths of `2026-03-01 12:30:00+00` and its forms with one to three decimals, up to the decimals. */
const [whole_seconds_chars, zone_chars, decimals] = [19, 3, 3];

/** A time of the years 1 to 9999 in RFC 3339: what plainIsoOf (instant.ts) makes of it. */
export const copyTime: Copy = (target, at, source, from, to) => {
  const n_decimals = to - from - whole_seconds_chars - zone_chars - 1;
  const isPlain =
    (n_decimals === -1 || (n_decimals > 0 && n_decimals <= decimals && source[from + whole_seconds_chars] === dot)) &&
    source[from + 4] === dash &&
    source[from + 10] === space &&
    source[to - 3] === plus &&
    source[to - 2] === zero &&
    source[to - 1] === zero;
  if (!isPlain) return -1;
  let next = at;
  for (let i = from; i < from + whole_seconds_chars; i++) target[next++] = source[i] as number;
  target[at + 10] = letter_t;
  target[next++] = dot;
  for (let i = 0; i < decimals; i++)
    target[next++] = i < n_decimals ? (source[from + whole_seconds_chars + 1 + i] as number) : zero;
  target[next++] = letter_z;
  return next;
};

/** The same as a string of JSON. */
export const copyTimeString: Copy = (target, at, source, from, to) => {
  const end = copyTime(target, at + 1, source, from, to);
  if (end < 0) return -1;
  target[at] = quote;
  target[end] = quote;
  return end + 1;
};

/**
 * A jsonb value as JSON.stringify(JSON.parse()) writes it: without spaces. Not what JSON.parse changes or reorders:
 * numbers that are long or not in their shortest form, and keys that may be indexes. `quotes` is how often each quote
 * is written: twice in CSV.
 */
function copyJson(target: Uint8Array, at: number, source: Uint8Array, from: number, to: number, quotes: 1 | 2): number {
  let next = at;
  let depth = 0;
  for (let i = from; i < to; i++) {
    const byte = source[i] as number;
    if (byte === quote) {
      const isIndexLike = isDigit(source[i + 1] as number);
      target[next++] = quote;
      if (quotes === 2) target[next++] = quote;
      for (i += 1; source[i] !== quote; i++) {
        if (i >= to) return -1;
        target[next++] = source[i] as number;
        if (source[i] !== backslash) continue;
        i += 1;
        target[next++] = source[i] as number;
        if (source[i] === quote && quotes === 2) target[next++] = quote;
      }
      target[next++] = quote;
      if (quotes === 2) target[next++] = quote;
      if (isIndexLike && source[i + 1] === colon) return -1;
    } else if (isDigit(byte) || byte === dash) {
      const end = numberEnd(source, i, to);
      if (end < 0) return -1;
      while (i < end) target[next++] = source[i++] as number;
      i -= 1;
    } else if (byte !== space) {
      if (byte === openBrace || byte === openBracket) depth += 1;
      else if (byte === closeBrace || byte === closeBracket) depth -= 1;
      if (depth > readLimits.metadata_depth_max) return -1;
      target[next++] = byte;
    }
  }
  return next;
}

/** Fewer digits than a double holds. */
const digits_max = 15;

/** The end of a number that JavaScript writes as jsonb does, or -1. */
function numberEnd(source: Uint8Array, start: number, to: number): number {
  let end = start;
  let hasPoint = false;
  for (; end < to; end++) {
    const byte = source[end] as number;
    if (byte === dot) hasPoint = true;
    else if (!isDigit(byte) && byte !== dash) break;
  }
  if (end - start > digits_max) return -1;
  if (!hasPoint) return end;
  // 1.50 is written as 1.5, and 0.0000001 as 1e-7.
  const first = source[start] === dash ? start + 1 : start;
  const isSmall = source[first] === zero && source[first + 2] === zero && source[first + 3] === zero;
  return source[end - 1] === zero || isSmall ? -1 : end;
}

/** Metadata as JSON. */
export const copyMetadata: Copy = (target, at, source, from, to) => copyJson(target, at, source, from, to, 1);

/** Metadata as a cell of CSV. An object with a key has quotes, and a brace begins no formula. */
export const copyMetadataCell: Copy = (target, at, source, from, to) => {
  if (source[from] !== openBrace) return -1;
  const isEmpty = to - from === 2;
  let next = at;
  if (!isEmpty) target[next++] = quote;
  next = copyJson(target, next, source, from, to, 2);
  if (next < 0) return -1;
  if (!isEmpty) target[next++] = quote;
  return next;
};

/** How many bytes a byte of a row becomes at most, as text in JSON (`\u0001`). */
export const growth_max = 6;

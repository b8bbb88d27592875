/** Finds in a JSON text what JSON.parse changes without an error: numbers that a double does not hold, duplicate keys. */

/** A fault in a JSON text: the keys and indexes that lead to the value, and the reason. */
export type JsonTextFault = { path: (string | number)[]; reason: string };

/** An object or array that the scan is in: its keys so far (null in an array), and the current key or index. */
type Level = { keys: Set<string> | null; at: string | number };

const [quote, backslash, comma, minus, zero, nine] = [0x22, 0x5c, 0x2c, 0x2d, 0x30, 0x39];
const [openBrace, closeBrace, openBracket, closeBracket] = [0x7b, 0x7d, 0x5b, 0x5d];
const isDigit = (code: number) => code >= zero && code <= nine;
const isExponent = (code: number) => code === 0x65 || code === 0x45;
const isNumberPart = (code: number) =>
  isDigit(code) || code === 0x2e || code === 0x2b || code === minus || isExponent(code);

/**
 * The faults of a JSON text, at most `faults_max`. The text must be valid: JSON.parse has accepted it before. One pass
 * that is not recursive: a hostile depth must not overflow the stack.
 */
export function jsonTextFaults(text: string, faults_max = 1): JsonTextFault[] {
  const faults: JsonTextFault[] = [];
  const outer: Level[] = [];
  let level: Level = { keys: null, at: 0 };
  let isKeyNext = false;
  const report = (reason: string | null) => {
    if (reason === null) return;
    const path = outer.length === 0 ? [] : [...outer.slice(1), level].map(({ at }) => at);
    faults.push({ path, reason });
  };
  for (let i = 0; i < text.length && faults.length < faults_max; i++) {
    const code = text.charCodeAt(i);
    if (code === quote) {
      const end = stringEnd(text, i);
      if (isKeyNext && level.keys) {
        isKeyNext = false;
        level.at = keyOf(text.slice(i, end + 1));
        if (level.keys.has(level.at)) report('the key is there twice');
        level.keys.add(level.at);
      }
      i = end;
    } else if (code === minus || isDigit(code)) {
      const start = i;
      while (isNumberPart(text.charCodeAt(i + 1))) i += 1;
      report(numberFault(text.slice(start, i + 1)));
    } else if (code === openBrace || code === openBracket) {
      outer.push(level);
      isKeyNext = code === openBrace;
      level = { keys: isKeyNext ? new Set() : null, at: 0 };
    } else if (code === closeBrace || code === closeBracket) {
      level = outer.pop() ?? level;
      isKeyNext = false;
    } else if (code === comma) {
      if (level.keys) isKeyNext = true;
      else if (typeof level.at === 'number') level.at += 1;
    }
  }
  return faults;
}

/** The index of the quote that ends the string that begins at `start`. */
function stringEnd(text: string, start: number): number {
  for (let end = text.indexOf('"', start + 1); end >= 0; end = text.indexOf('"', end + 1)) {
    let backslashes = 0;
    while (text.charCodeAt(end - 1 - backslashes) === backslash) backslashes += 1;
    if (backslashes % 2 === 0) return end;
  }
  return text.length;
}

/** Two ways to write a key are the same key: "a" and "\u0061". */
const keyOf = (written: string): string =>
  written.includes('\\') ? (JSON.parse(written) as string) : written.slice(1, -1);

/** Fewer digits than a double holds: such a number without an exponent needs no further check. */
const short_number_chars = 15;

/** Why a number would not be kept as it was written, or null. Forms of equal value are accepted: 1.0, 1.50, 1e2. */
export function numberFault(written: string): string | null {
  if (written.length <= short_number_chars && !/[eE]|^-0/.test(written)) return null;
  const value = Number(written);
  if (Object.is(value, -0) && /^-[0.]+([eE]|$)/.test(written)) return 'a negative zero cannot be kept: send 0';
  if (!Number.isFinite(value)) return 'a number is out of range';
  if (decimalOf(String(value)) === decimalOf(written)) return null;
  return Number.isInteger(value) && Math.abs(value) > Number.MAX_SAFE_INTEGER
    ? 'a whole number beyond 2^53 cannot be kept exactly: send it as text'
    : 'a number with more digits than a double holds cannot be kept exactly: send it as text';
}

/** A decimal number in one form for each value: sign, digits without zeros at either end, power of ten. */
function decimalOf(written: string): string {
  const [, sign = '', whole = '', fraction = '', exponent = '0'] =
    /^(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/.exec(written) ?? [];
  const digits = `${whole}${fraction}`.replace(/^0+/, '');
  const significant = digits.replace(/0+$/, '');
  if (significant === '') return '0';
  return `${sign}${significant}e${Number(exponent) - fraction.length + digits.length - significant.length}`;
}

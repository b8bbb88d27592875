/** Card numbers in text: ISO/IEC 7812 numbers by length, issuer and check digit, told apart from ids that pass by chance. */
import { type Place, placeAfter } from './key-words.ts';

/** Digits, with single separators between them. Bounded backtracking: a shorter run costs at most 13 steps for each digit. */
const digitRuns = /\d(?:[ \u00a0-]?\d){12,}/g;
/** The lengths of the groups in which cards are printed: 16 digits, American Express, Diners Club. */
const printed = ['4,4,4,4', '4,6,5', '4,6,4'];
/** More groups than a card with its expiry date has: an IBAN or a table of numbers. */
const groups_max = 7;
/** As much text before a number is looked at. */
const before_chars = 48;

/**
 * The beginnings of the issuers, by length. Times in ms, µs and ns since 1970 begin with 1, and written ones with 20: no
 * card does.
 */
const issuers =
  /^(?:(?:4\d{3}|5[1-5]\d\d|2(?:22[1-9]|2[3-9]\d|[3-6]\d\d|7[01]\d|720)|6011|64[4-9]\d|6[25]\d\d|35(?:2[89]|[3-8]\d))\d{12}|3[47]\d{13}|3(?:0[0-5]|[689]\d)\d{11}|(?:4\d|6[25])\d{17})$/;

/** The check digit of ISO/IEC 7812-1, annex B (Luhn). */
export function passesLuhn(digits: string): boolean {
  let sum = 0;
  for (let i = 0; i < digits.length; i += 1) {
    const digit = digits.charCodeAt(digits.length - 1 - i) - 48;
    sum += i % 2 === 0 ? digit : digit > 4 ? 2 * digit - 9 : 2 * digit;
  }
  return sum % 10 === 0;
}

const isCardNumber = (digits: string): boolean => issuers.test(digits) && passesLuhn(digits);

/**
 * Whether digits without separators are of a card. One in 40 random numbers of 16 digits has an issuer and passes the
 * check, so a number that its place calls an identifier is none, and the rare lengths need a place that names a card.
 */
export const isBareCardNumber = (digits: string, place: Place): boolean =>
  (place === 'card' || (place === null && /^\d{15,16}$/.test(digits))) && isCardNumber(digits);

/** The text with its card numbers replaced. `place` is what the key or the field of the text says. */
export function replaceCardNumbers(text: string, place: Place, marker: () => string): string {
  return text.replace(digitRuns, (run, start: number) => {
    const before = text.slice(Math.max(0, start - before_chars), start);
    const after = text.slice(start + run.length, start + run.length + 2);
    // In the middle of a word, a decimal, a path or a phone number: also the first group of an IBAN.
    if (/[\p{L}\p{N}_+./#@-]$/u.test(before)) return run;
    const isFollowed = /^(?:[\p{L}\p{N}_/@]|[.,-]\p{N})/u.test(after);
    const parts = run.split(/([ \u00a0-])/);
    const groups = parts.filter((_, i) => i % 2 === 0);
    const near = placeAfter(before) ?? place;
    const isJoined = (i: number) => parts[2 * i - 1] === '-';
    let kept = '';
    for (let i = 0; i < groups.length; ) {
      const n = cardGroups(groups, i, near, isJoined(i + 1));
      // A number that hyphens join to others is a part of an identifier.
      const isCard = n > 0 && !(isFollowed && i + n === groups.length) && !isJoined(i) && !isJoined(i + n);
      kept += (parts[2 * i - 1] ?? '') + (isCard ? marker() : groups[i]);
      i += isCard ? n : 1;
    }
    return kept;
  });
}

/** How many groups from the i-th are a card number. */
function cardGroups(groups: readonly string[], i: number, place: Place, isHyphened: boolean): number {
  if (isBareCardNumber(groups[i] ?? '', place)) return 1;
  if (groups.length > groups_max || (place === 'identifier' && isHyphened)) return 0;
  for (const n of [4, 3]) {
    const own = groups.slice(i, i + n);
    const isPrinted = printed.includes(own.map((group) => group.length).join());
    // Another group of four before or after it: these are the middle of a longer number.
    const isWhole = groups[i - 1]?.length !== 4 && groups[i + n]?.length !== 4;
    if (isPrinted && isWhole && isCardNumber(own.join(''))) return n;
  }
  return 0;
}

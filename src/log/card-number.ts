/** Card numbers in text: ISO/IEC 7812 numbers by length, issuer and check digit, told apart from ids that pass by chance. */

/** What is known from the place of a number: it is of a card, it is an identifier of something else, or nothing. */
export type Place = 'card' | 'identifier' | null;

/** Digits, with single separators between them. Bounded backtracking: a shorter run costs at most 13 steps for each digit. */
const digitRuns = /\d(?:[ \u00a0-]?\d){12,}/g;
/** The lengths of the groups in which cards are printed: 16 digits, American Express, Diners Club, 19 digits. */
const printed = [
  [4, 4, 4, 4, 3],
  [4, 4, 4, 4],
  [4, 6, 5],
  [4, 6, 4],
] as const;
/** More groups than a card with its expiry date has: an IBAN or a table of numbers. */
const groups_max = 7;

const cardWords =
  /(?:\b|_)(?:(?:credit|debit|bank|payment)?cards?(?:number|num|no)?|visa|mastercard|amex|pan|ccn?|kreditkarte)(?:\b|_)/i;
/** Last words before a number, or of its key, that say that it is of something else. `number` alone says nothing. */
const identifierWords =
  /(?:(?:\b|_)(?:id|ids|u?uid|guid|ref|reference|order|invoice|receipt|ticket|tracking|shipment|parcel|package|delivery|transaction|txn|trx|transfer|payment|request|req|session|trace|span|user|customer|member|account|acct|client|tenant|job|task|batch|run|build|commit|event|message|msg|case|claim|contract|policy|product|item|sku|ean|gtin|isbn|imei|imsi|serial|barcode|iban|bic|phone|tel|mobile|fax|time|timestamp|ts|at|date|offset|cursor|seq|sequence|version|revision|no|key|hash|code|block|blk|row|record|object|file|size|bytes|total|count|amount|balance|node|host|port|pid|thread|device|asset|entity|resource|instance|volume|snapshot|partition|shard|lsn|xid|oid)|[\p{L}\p{N}][\s_]?(?:number|num|nr)|[\p{L}]Id)[\s:#=.№"'()]*$/iu;
/** As much text before a number as is looked at: for a word about cards just before it, an identifier's, a word about cards. */
const [close_chars, near_chars, far_chars] = [20, 28, 48];

function placeBefore(text: string): Place {
  if (cardWords.test(text.slice(-close_chars))) return 'card';
  if (identifierWords.test(text.slice(-near_chars))) return 'identifier';
  return cardWords.test(text) ? 'card' : null;
}

/** What the words of a metadata key say of a number under it. */
export function placeOfKey(words: readonly string[]): Place {
  const text = words.join(' ');
  return cardWords.test(text) ? 'card' : identifierWords.test(text) ? 'identifier' : null;
}

/** The check digit of ISO/IEC 7812-1, annex B (Luhn). */
export function passesLuhn(digits: string): boolean {
  let sum = 0;
  for (let i = 0; i < digits.length; i += 1) {
    const digit = digits.charCodeAt(digits.length - 1 - i) - 48;
    sum += i % 2 === 0 ? digit : digit > 4 ? 2 * digit - 9 : 2 * digit;
  }
  return sum % 10 === 0;
}

/**
 * Whether an issuer of cards has numbers of this length and beginning. Times in ms, µs and ns since 1970 begin with 1, and
 * written ones with 20: no card does.
 */
function hasIssuer(digits: string): boolean {
  const four = Number(digits.slice(0, 4));
  const two = Math.floor(four / 100);
  switch (digits.length) {
    case 14:
      return (four >= 3000 && four <= 3059) || two === 36 || two === 38 || two === 39;
    case 15:
      return two === 34 || two === 37;
    case 16:
      return (
        Math.floor(two / 10) === 4 ||
        (two >= 51 && two <= 55) ||
        (four >= 2221 && four <= 2720) ||
        four === 6011 ||
        (four >= 6440 && four <= 6599) ||
        (four >= 3528 && four <= 3589) ||
        two === 62
      );
    case 19:
      return Math.floor(two / 10) === 4 || two === 62 || two === 65;
    default:
      return false;
  }
}

export const isCardNumber = (digits: string): boolean => hasIssuer(digits) && passesLuhn(digits);

/**
 * Whether digits without separators are of a card. One in 40 random numbers of 16 digits has an issuer and passes the
 * check, so a number that its place calls an identifier is none, and the rare lengths need a place that names a card.
 */
export const isBareCardNumber = (digits: string, place: Place): boolean =>
  place !== 'identifier' && (place === 'card' || digits.length === 15 || digits.length === 16) && isCardNumber(digits);

/** The text with its card numbers replaced. `place` is what the key or the field of the text says. */
export function replaceCardNumbers(text: string, place: Place, marker: () => string): string {
  return text.replace(digitRuns, (run, start: number) => {
    const before = text.slice(Math.max(0, start - far_chars), start);
    const after = text.slice(start + run.length, start + run.length + 2);
    // In the middle of a word, a decimal, a path or a phone number: also the first group of an IBAN.
    if (/[\p{L}\p{N}_+./#@-]$/u.test(before)) return run;
    const isFollowed = /^(?:[\p{L}\p{N}_/@]|[.,-]\p{N})/u.test(after);
    const parts = run.split(/([ \u00a0-])/);
    const groups = parts.filter((_, i) => i % 2 === 0);
    const near = placeBefore(before) ?? place;
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
  for (const lengths of printed) {
    const n = lengths.length;
    const own = groups.slice(i, i + n);
    const isPrinted = own.length === n && own.every((group, k) => group.length === lengths[k]);
    // Another group of four before or after it: these are the middle of a longer number.
    const isWhole = groups[i - 1]?.length !== 4 && groups[i + n]?.length !== 4;
    if (isPrinted && isWhole && isCardNumber(own.join(''))) return n;
  }
  return 0;
}

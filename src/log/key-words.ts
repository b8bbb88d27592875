/** The words of keys, and what the last ones say of a number: that it is of a card, or an identifier of something else. */

/** Longer keys are judged by their end. */
export const key_chars_max = 80;

/** The words in small letters: `X-Api-Key`, `xApiKey` and `x_api_key` have the same. */
export const wordsOf = (key: string): string[] =>
  key
    .slice(-key_chars_max)
    .replace(/(?<=[\p{Ll}\p{N}])(?=\p{Lu})|(?<=\p{Lu})(?=\p{Lu}\p{Ll})/gu, ' ')
    .toLowerCase()
    .split(/[^\p{L}\p{N}]+/u)
    .filter(Boolean);

/** What is known from the place of a number: it is of a card, it is an identifier of something else, or nothing. */
export type Place = 'card' | 'identifier' | null;

const cardWords = /^(?:(?:credit|debit|bank|payment)?cards?(?:number|num|no)?|visa|mastercard|amex|pan|ccn?)$/;
const identifierWords = new Set(
  (
    'id ids uid uuid guid ref reference order invoice ticket tracking shipment transaction txn payment request session ' +
    'trace user customer account job task batch event message product item sku serial iban phone mobile time timestamp ' +
    'ts at date offset cursor seq version no key hash code row size bytes total count amount'
  ).split(' '),
);

const isOfCard = (words: readonly string[]) => words.some((word) => cardWords.test(word));
/** `number` alone says nothing, and says it of what is named before it. */
const isOfOther = (words: readonly string[], last = words.at(-1) ?? '') =>
  identifierWords.has(last) || (words.length > 1 && /^n(?:umber|um|r)$/.test(last));

/** What the words of a key say of a number under it. */
export const placeOf = (words: readonly string[]): Place =>
  isOfCard(words) ? 'card' : isOfOther(words) ? 'identifier' : null;

/** What the text before a number says of it: first its last words, then a word about cards farther away. */
export function placeAfter(text: string): Place {
  const words = wordsOf(text);
  return placeOf(words.slice(-3)) ?? (isOfCard(words) ? 'card' : null);
}

/** Which forms of a search text are the same text: canonically equal, and in upper or lower case. */

/**
 * The forms to look for. ILIKE compares code points without regard to case, so that é (one code point) and e with an
 * accent differ, and so do σ and the ς at the end of a word, which have the same capital. Each form can use the trigram
 * index; a normalized index would cost every write. A description that mixes both encodings of one letter is not found,
 * and compatibility forms (full-width digits, ligatures) are different texts.
 */
export function searchForms(text: string): string[] {
  const sigmas = /[σςΣ]/.test(text)
    ? [text, text.replace(/[ςΣ]/g, 'σ'), text.replace(/[ςΣ]/g, 'σ').replace(/σ(?!\p{L}|\p{M})/gu, 'ς')]
    : [text];
  return [...new Set(sigmas.flatMap((form) => [form, form.normalize('NFC'), form.normalize('NFD')]))];
}

/** Three letters or digits in a row: only such a text has a trigram, which the index needs to find it. */
const trigram = /[\p{L}\p{N}]{3}/u;

/** Whether the index of the description finds a text: in each of its forms. */
export const hasTrigram = (text: string): boolean => searchForms(text).every((form) => trigram.test(form));

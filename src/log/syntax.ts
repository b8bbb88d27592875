/** The filter as one line of text, `user:ana -type:DELETE order "late delivery"`: read into parameters, and written. */

import { faultOf, filterRows, isTimeKey, type Term, valuesMax } from './filter.ts';
import { parseInstant } from './instant.ts';
import { invisibleClass, oddSpace } from './invisible-characters.ts';
import { metadataPrefix } from './metadata-path.ts';

/** A fault in the line: the word as written, and the reason. */
export type SyntaxFault = { word: string; reason: string };

/** One value of one parameter as in a query string, and the word of the line that it comes from. */
type Ask = { name: string; value: string; word: string };

/** The meaning of one word: parameters (none for an empty word) or a fault. */
type Meaning = { asks: Ask[]; pair?: boolean } | { fault: SyntaxFault };

/** The parameter's value for a time as written; a text that is no time comes back unchanged. `before` is exclusive. */
export type ReadTime = (text: string, edge: 'start' | 'end' | 'before') => string;

/** As the API reads times: those without a zone are UTC. */
const asWritten: ReadTime = (text, edge) => (edge === 'before' ? justBefore(text) : text);

/** A part of a word: `-`, `:`, `/` and `,` are operators only outside quotes. */
type Part = { text: string; quoted: boolean };

/** Phones and word processors write curly quotes. They quote like straight ones; within straight quotes they are text. */
const curly = '\\u201c-\\u201f';
const quotedForm = `"(?:\\\\[\\s\\S]?|[^"\\\\])*(?:"|$)|[${curly}](?:\\\\[\\s\\S]?|[^"${curly}\\\\])*(?:["${curly}]|$)`;
const wordForm = new RegExp(`(?:${quotedForm}|[^\\s"${curly}])+`, 'g');
const partForm = new RegExp(`(${quotedForm})|([^"${curly}]+)`, 'g');
const escapeForm = /\\(?:(["\\])|u\{(10[\da-f]{4}|[\da-f]{1,5})\})/gi;

const metaWord = 'meta.';
const words = filterRows.flatMap(({ word }) => (word === '' ? [] : [word]));
const fields = [...words, `${metaWord}<path>`].join(', ');
/** Also the parameters' own names, and `after:` and `before:` as other search lines have them. */
const keyOf = new Map([
  ...filterRows.flatMap(({ key, word }) => [[key, key] as const, [word, key] as const]),
  ['after', 'start_date'],
  ['before', 'end_date'],
]);
const rowOf = new Map(filterRows.map((row) => [row.key, row]));

/**
 * The parameters that a line means, for readFilter, and its faults; with a fault the query must not be used. A qualifier
 * given twice means any of its values, `-` before it none of them. A word without a qualifier, and a text in quotes, must
 * be contained in the description. An unclosed quote ends with the line: it is still being typed.
 */
export function readSyntax(
  line: string,
  readTime: ReadTime = asWritten,
): { query: URLSearchParams; faults: SyntaxFault[] } {
  const meanings = [...line.matchAll(wordForm)].map(([word]) => meaningOf(word, readTime));
  const faults = meanings.flatMap((meaning) => ('fault' in meaning ? [meaning.fault] : []));
  const asks = meanings.flatMap((meaning) => ('asks' in meaning ? meaning.asks : []));
  const query = new URLSearchParams();
  for (const { name, value, word } of asks) {
    query.append(name, value);
    const reason = askFault(name, value, query.getAll(name).length);
    if (reason) faults.push({ word, reason });
  }
  // entity_type and entity_id are independent fields: order/55 customer/7 would also find order/7.
  const paired = meanings.some((meaning) => 'pair' in meaning && meaning.pair);
  const kinds = new Set(query.getAll('entity_type'));
  const other = asks.findLast(({ name, value }) => name === 'entity_type' && value !== query.get('entity_type'));
  if (paired && kinds.size > 1 && other)
    faults.push({ word: other.word, reason: 'is a second kind beside an id; an id belongs to one kind' });
  return { query, faults };
}

function askFault(name: string, value: string, n: number): string | null {
  const n_max = valuesMax(name);
  if (n === n_max + 1) return `is one too many; a field takes at most ${n_max} values`;
  if (name.endsWith('!') && !rowOf.get(name.slice(0, -1))?.not && !name.startsWith(metadataPrefix))
    return 'is a bound of time and has no opposite; leave the - away';
  return faultOf(name, value);
}

function meaningOf(word: string, readTime: ReadTime): Meaning {
  const fault = operatorFault(word);
  if (fault) return { fault: { word, reason: fault } };
  const parts = partsOf(word);
  const negated = word !== '-' && word.startsWith('-');
  const [name, value] = cut(negated ? after(parts, 1) : parts, ':');
  if (value && !name[0]?.quoted && /^[a-z_]/i.test(plain(name)))
    return qualified({ word, negated, name: plain(name), value, readTime });
  const texts = negated ? after(parts, 1) : parts;
  if (isWildcard(texts)) return { fault: { word, reason: textWildcard } };
  const text = plain(texts);
  return { asks: text === '' ? [] : [{ name: negated ? 'search!' : 'search', value: text, word }] };
}

/** Words of other search languages. Taken as text they would find nothing without a reason. */
const operators: Record<string, string> = {
  AND: 'is not an operator: all parts of the line must match anyway; leave it out, or quote it to search for the word',
  OR: 'is not an operator: repeat a field for any of several values, type:A type:B; or quote it to search for the word',
  NOT: 'is not an operator: write - before what is excluded, -type:A; or quote it to search for the word',
};
operators['&&'] = operators.AND ?? '';
operators['||'] = operators.OR ?? '';

const prefixForm = new RegExp(`^-?([(!+]+)-?(?:${[...words, 'meta(?:data)?\\.[^:"]*'].join('|')}):`, 'i');

function operatorFault(word: string): string | null {
  if (Object.hasOwn(operators, word)) return operators[word] ?? null;
  const prefix = prefixForm.exec(word)?.[1];
  if (!prefix) return null;
  if (prefix.startsWith('(')) return 'begins with a parenthesis: parts cannot be grouped; all of them must match';
  return `begins with ${prefix}: write the field alone, or - before it to exclude`;
}

const valueWildcard = 'has a *, and there are no wildcards: values are compared as a whole; quote a * that is meant';
const textWildcard =
  'has a *, and there are no wildcards: text is found anywhere in the description; quote a * that is meant';

/** Whether a text begins or ends with a bare `*`, as a wildcard does. */
const isWildcard = (parts: Part[]) => {
  const [first, last] = [parts[0], parts.at(-1)];
  return Boolean(
    (first && !first.quoted && first.text.startsWith('*')) || (last && !last.quoted && last.text.endsWith('*')),
  );
};

type Qualified = { word: string; negated: boolean; name: string; value: Part[]; readTime: ReadTime };

function qualified({ word, negated, name, value, readTime }: Qualified): Meaning {
  const fault = (reason: string, what = word): Meaning => ({ fault: { word: what, reason } });
  const inMetadata = /^meta(?:data)?\.(.*)$/is.exec(name);
  const key = inMetadata ? `${metadataPrefix}${inMetadata[1]}` : keyOf.get(name.toLowerCase());
  if (!key) return fault(`is not a field; fields are ${fields}; text with a colon goes in quotes`, `${name}:`);
  if (plain(value) === '') return fault('needs a value');
  if (value.some(({ text, quoted }) => !quoted && text.includes('*'))) return fault(valueWildcard);
  const ask = (what: string, text: string): Ask => ({ name: negated ? `${what}!` : what, value: text, word });
  if (key === 'entity_type') {
    const [kind, id] = cut(value, '/');
    if (id && negated) return fault('excludes two things at once; say -entity: or -id:');
    if (id && (plain(kind) === '' || plain(id) === '')) return fault('needs a kind before the / and an id after it');
    if (id) return { asks: [...list(kind).map((text) => ask(key, text)), ask('entity_id', plain(id))], pair: true };
  }
  // "!" at the end of a parameter means "none of": a path that itself ends so can only be excluded.
  if (inMetadata && !negated && key.endsWith('!')) return fault('is not a valid filter: the path ends in !');
  const isList = rowOf.get(key)?.input === 'list';
  const edge = name.toLowerCase() === 'before' ? 'before' : key === 'start_date' ? 'start' : 'end';
  const isTime = isTimeKey(key);
  const values = isList ? list(value) : [isTime ? readTime(plain(value), edge) : plain(value)];
  return values.length > 0 ? { asks: values.map((text) => ask(key, text)) } : fault('needs a value');
}

/** `before:` excludes its moment, as mail and code search do; `to:` and end_date include it. */
function justBefore(text: string): string {
  const moment = parseInstant(text);
  if (!moment) return text;
  const last = new Date(moment.ms - 1).toISOString();
  return moment.dateOnly ? last.slice(0, 10) : last;
}

function partsOf(word: string): Part[] {
  return [...word.matchAll(partForm)].map(([, quoted, bare = '']) =>
    quoted === undefined ? { text: bare, quoted: false } : { text: unescaped(contentOf(quoted)), quoted: true },
  );
}

/** Without its quotes; the closing one is missing while it is still being typed, and an escaped one is text. */
function contentOf(quoted: string): string {
  const inner = quoted.slice(1);
  const isClosed = /^(?:\\[\s\S]|[^\\])*$/.test(inner) && /^(?:\\[\s\S]|[^\\])*["\u201c-\u201f]$/.test(inner);
  return isClosed ? inner.slice(0, -1) : inner;
}

const unescaped = (text: string) =>
  text.replace(
    escapeForm,
    (_, char?: string, hex?: string) => char ?? String.fromCodePoint(Number.parseInt(hex ?? '', 16)),
  );

const plain = (parts: Part[]) => parts.map(({ text }) => text).join('');

/** The parts without their first characters, which are outside quotes. */
const after = ([first, ...rest]: Part[], chars: number): Part[] =>
  first
    ? [{ ...first, text: first.text.slice(chars) }, ...rest].filter(({ text, quoted }) => quoted || text !== '')
    : [];

/** The parts before and after the first such character outside quotes; null for the second when there is none. */
function cut(parts: Part[], char: ':' | '/' | ','): [Part[], Part[] | null] {
  const at = parts.findIndex(({ text, quoted }) => !quoted && text.includes(char));
  const part = parts[at];
  if (!part) return [parts, null];
  const i = part.text.indexOf(char);
  return [[...parts.slice(0, at), { ...part, text: part.text.slice(0, i) }], after(parts.slice(at), i + 1)];
}

/** The values between commas without the empty ones. */
function list(parts: Part[]): string[] {
  const values: string[] = [];
  for (let rest: Part[] | null = parts; rest; ) {
    const [first, others] = cut(rest, ',');
    values.push(plain(first));
    rest = others;
  }
  return values.filter((value) => value !== '');
}

/** Writes terms as a line that reads back as the same terms: in the order of the fields, texts last. */
export function writeSyntax(terms: Term[]): string {
  const has = (key: string) => terms.find((term) => term.key === key && !term.negated && term.values.length === 1);
  const [kind, id] = [has('entity_type'), has('entity_id')];
  const places = [...rowOf.keys()].filter((key) => key !== 'search');
  const place = ({ key }: Term) =>
    key === 'search' ? Number.POSITIVE_INFINITY : places.indexOf(key) + 1 || places.length + 1;
  return terms
    .filter((term) => !(kind && term === id))
    .toSorted((a, b) => (place(a) < place(b) ? -1 : place(a) > place(b) ? 1 : 0))
    .flatMap((term) =>
      id && term === kind ? [`${written(term)}/${bare(id.values[0] ?? '', /[\s"*]/)}`] : written(term),
    )
    .join(' ');
}

function written({ key, negated, values }: Term): string {
  const minus = negated ? '-' : '';
  if (key === 'search') return values.map((text) => `${minus}${isBareText(text) ? text : quote(text)}`).join(' ');
  const name = key.startsWith(metadataPrefix)
    ? `${metaWord}${bare(key.slice(metadataPrefix.length), /[\s":*]/)}`
    : (rowOf.get(key)?.word ?? key);
  if (rowOf.get(key)?.input === 'list')
    return `${minus}${name}:${values.map((value) => bare(value, /[\s",/*]/)).join(',')}`;
  return values.map((value) => `${minus}${name}:${bare(value, /[\s"*]/)}`).join(' ');
}

/** A text that reads back without quotes. */
const isBareText = (text: string) =>
  /^(?!-)[^\s":]+$/.test(text) &&
  !mustQuote.test(text) &&
  operatorFault(text) === null &&
  !isWildcard([{ text, quoted: false }]);

/** Curly quotes, and what cannot be seen. */
const mustQuote = new RegExp(`[${curly}${invisibleClass}]|${oddSpace}`, 'u');

const bare = (text: string, special: RegExp) => (special.test(text) || mustQuote.test(text) ? quote(text) : text);

const mustEscape = new RegExp(`[${invisibleClass}]|${oddSpace}`, 'gu');

/** What cannot be seen is written as \u{…}: neither a reader nor a browser's input field would keep it. */
const quote = (text: string) =>
  `"${text.replace(/["\\]/g, '\\$&').replace(mustEscape, (char) => `\\u{${char.codePointAt(0)?.toString(16)}}`)}"`;

/** Metadata as columns: an object's frequent keys get a column each, which holds the JSON text of their values. */

/** Most files hold few kinds of events. A footer with more columns would cost every reader. */
const columns_max = 64;
/** A key of fewer rows than one in a thousand costs more as a column than in the rest. */
const rows_per_key_max = 1_000;
const key_chars_max = 100;

/** How often each key occurs at the top of an object, in any order. */
export type KeyCounts = Iterable<{ key: string; n: number }>;

/** The keys that become columns, in the order in which jsonb prints them. */
export function keyColumns(counts: KeyCounts, rows: number): string[] {
  const frequent = [...counts].filter(({ key, n }) => n * rows_per_key_max >= rows && isPlain(key));
  frequent.sort((a, b) => b.n - a.n || compareKeys(a.key, b.key));
  return frequent
    .slice(0, columns_max)
    .map(({ key }) => key)
    .sort(compareKeys);
}

/** A key that JSON writes as it is, and that makes a usable name of a column. */
const isPlain = (key: string) => key.length <= key_chars_max && key !== '' && !/["\\\p{Cc}]/u.test(key);

const encoder = new TextEncoder();

/** The order of the keys of a jsonb object: by their length in bytes, then by their bytes. */
export function compareKeys(a: string, b: string): number {
  const [left, right] = [encoder.encode(a), encoder.encode(b)];
  if (left.length !== right.length) return left.length - right.length;
  for (let i = 0; i < left.length; i++) if (left[i] !== right[i]) return (left[i] as number) - (right[i] as number);
  return 0;
}

/** The texts of a row's metadata: of each key column, and of what is left; null where there is nothing. */
export type Split = { values: (string | null)[]; rest: string | null };

/** Makes the two functions of a file whose columns have these keys; `keys` are in the order of compareKeys. */
export function metadataColumns(keys: readonly string[]) {
  const places = new Map(keys.map((key, i) => [key, i]));
  const prefixes = keys.map((key) => `"${key}": `);
  const none = keys.map(() => null);

  /** Puts an object together again. */
  function join({ values, rest }: Split): string | null {
    let text = '';
    for (const [i, value] of values.entries())
      if (value !== null) text += `${text === '' ? '{' : ', '}${prefixes[i]}${value}`;
    if (text === '') return rest;
    if (rest === null) return `${text}}`;
    const members = membersOf(rest);
    if (!members) throw new Error('a row of the archive has columns of metadata and something else than an object');
    for (const [i, value] of values.entries())
      if (value !== null) members.push({ key: keys[i] as string, written: `${prefixes[i]}${value}`, value });
    members.sort((a, b) => compareKeys(a.key, b.key));
    return `{${members.map(({ written }) => written).join(', ')}}`;
  }

  /**
   * Takes the metadata of a row apart, as the database prints it. What would not be put together to the same text is left
   * whole: another value than an object, and an object whose keys are in another order.
   */
  function split(text: string): Split {
    const members = membersOf(text);
    if (members) {
      const values: (string | null)[] = [...none];
      const left: string[] = [];
      for (const { key, written, value } of members) {
        const place = places.get(key);
        if (place === undefined) left.push(written);
        else values[place] = value;
      }
      const rest = left.length === 0 && members.length > 0 ? null : `{${left.join(', ')}}`;
      const divided = { values, rest };
      if (join(divided) === text) return divided;
    }
    return { values: none, rest: text };
  }

  return { split, join };
}

/** A member of an object: its key, its value as JSON text, and both as they are written. */
type Member = { key: string; value: string; written: string };

/** The members at the top of an object's text, as jsonb prints it; null when it is no such text. */
export function membersOf(text: string): Member[] | null {
  if (text[0] !== '{' || text.at(-1) !== '}') return null;
  const members: Member[] = [];
  for (let at = 1; at < text.length - 1; ) {
    if (text[at] !== '"') return null;
    const keyEnd = stringEnd(text, at);
    const valueEnd = keyEnd < 0 || !text.startsWith(': ', keyEnd) ? -1 : endOfValue(text, keyEnd + 2);
    if (valueEnd < 0) return null;
    const name = text.slice(at + 1, keyEnd - 1);
    members.push({
      key: name.includes('\\') ? (JSON.parse(`"${name}"`) as string) : name,
      value: text.slice(keyEnd + 2, valueEnd),
      written: text.slice(at, valueEnd),
    });
    if (valueEnd === text.length - 1) break;
    if (!text.startsWith(', ', valueEnd)) return null;
    at = valueEnd + 2;
  }
  return members;
}

const [quote, backslash, comma] = [0x22, 0x5c, 0x2c];
const [openBrace, closeBrace, openBracket, closeBracket] = [0x7b, 0x7d, 0x5b, 0x5d];

/** The index after the string that begins at `at`, or -1. */
function stringEnd(text: string, at: number): number {
  for (let i = at + 1; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code === backslash) i += 1;
    else if (code === quote) return i + 1;
  }
  return -1;
}

/** The index after the value that begins at `at`, or -1. A loop and no recursion: values may be deep. */
function endOfValue(text: string, at: number): number {
  let depth = 0;
  for (let i = at; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code === quote) {
      const end = stringEnd(text, i);
      if (end < 0) return -1;
      i = end - 1;
    } else if (code === openBrace || code === openBracket) depth += 1;
    else if (code === closeBrace || code === closeBracket) {
      if (depth === 0) return i;
      depth -= 1;
    } else if (code === comma && depth === 0) return i;
  }
  return -1;
}

/** What in a text looks like a secret: private keys, tokens of known forms, credentials in URLs and headers, card numbers. */
import { replaceCardNumbers } from './card-number.ts';
import { isFolder, isSecretText, type KeyMeaning, type SecretKind } from './secret-keys.ts';

/** `digest` tells two secrets from each other. */
export const markerOf = (kind: SecretKind, digest = ''): string => `[redacted: ${kind}${digest && ` ${digest}`}]`;

/** Shorter texts hold no secret that can be told without a key. */
const text_chars_min = 10;
/** Letters and digits in a row, and digits in a row (separators do not count), from which on a text is looked at closely. */
const [word_chars_min, digits_min] = [16, 13];

/**
 * What a character is for `mayHoldSecret`: 1 a digit, 2 a letter, 3 a separator of digits, 4 a sign that only a close look
 * tells, 5 one that does so beside a colon.
 */
const classes = new Uint8Array(128);
for (let code = 0; code < 128; code += 1) {
  const char = String.fromCharCode(code);
  classes[code] = /\d/.test(char)
    ? 1
    : /[A-Za-z_]/.test(char)
      ? 2
      : /[ -]/.test(char)
        ? 3
        : /[="]/.test(char)
          ? 4
          : char === "'"
            ? 5
            : 0;
}

/** False for most texts, in about a nanosecond a character: no rule below can find anything in them. */
export function mayHoldSecret(text: string): boolean {
  if (text.length < text_chars_min) return false;
  let word = 0;
  let digits = 0;
  let isQuoted = false;
  for (let i = 0; i < text.length; i += 1) {
    const code = text.charCodeAt(i);
    const kind = code < 128 ? classes[code] : code === 0xa0 ? 3 : 0;
    if (kind === 1) {
      word += 1;
      digits += 1;
      if (digits >= digits_min) return true;
    } else if (kind === 2) {
      word += 1;
      digits = 0;
    } else if (kind === 3) word = 0;
    else if (kind === 4) return true;
    else {
      word = digits = 0;
      isQuoted ||= kind === 5;
    }
    if (word >= word_chars_min) return true;
  }
  return (
    (isQuoted && text.includes(':')) ||
    (text.includes('@') && text.includes('://')) ||
    hasScheme(text) ||
    starts.some((start) => text.includes(start))
  );
}
const schemes = ['earer ', 'EARER ', 'asic ', 'ASIC '];
const hasScheme = (text: string) => schemes.some((scheme) => text.includes(scheme));
/** Of secrets whose parts may be short. */
const starts = ['xox', '-----BEGIN', 'glpat-', 'sk-', 'SG.', 'eyJ', 'whsec_', 'AIza', 'pypi-'];

/** Each begins with letters that start nothing else, after a character that is of no word: linear in the text. */
const tokens = new RegExp(
  `(?<![A-Za-z0-9_])(?:${[
    '(?<!-)eyJ[\\w-]{8,}(?:\\.[\\w-]+){1,4}', // JSON Web Tokens (RFC 7519)
    'gh[pousr]_[A-Za-z0-9]{20,}', // GitHub
    'github_pat_\\w{20,}',
    'glpat-[\\w-]{20,}', // GitLab
    'xox[abeoprs]-[\\w-]{10,}', // Slack
    '[sr]k_(?:live|test)_[A-Za-z0-9]{10,}', // Stripe
    'whsec_[A-Za-z0-9+/]{20,}={0,2}', // Standard Webhooks
    'sk-(?=[\\w-]{0,40}\\d)[\\w-]{20,}', // OpenAI, Anthropic
    'AIza[\\w-]{35}', // Google
    '(?<!-)SG\\.[\\w-]{16,}\\.[\\w-]{16,}', // SendGrid
    'npm_[A-Za-z0-9]{36}',
    'pypi-[\\w-]{40,}',
    'hf_[A-Za-z0-9]{30,}',
    'shp(?:at|ca|pa|ss)_[a-fA-F0-9]{32}',
  ].join('|')})`,
  'g',
);
/** Identifiers of AWS access keys, which AWS itself logs: a key ending in `id` keeps them. */
const awsKeys = /(?<![A-Za-z0-9])A[KS]IA[A-Z2-7]{16}(?![A-Za-z0-9])/g;
const urlPasswords = /:\/\/([^\s:@/?#"']{0,200}):([^\s@/?#"']{1,500})@/g;
const bearer = /\b(bearer\s{1,4})([\w.~+/-]{6,}={0,2})/gi;
const basic = /\b(basic\s{1,4})([A-Za-z0-9+/]{6,}={0,2})/gi;
/** What comes before the value in `name=value` and, quoted, in `"name":"value"` or `name: \"value\"`. */
const assignments = /(?<![\w.-])([\w.-]{2,40})(\\{0,2}["']?\s?[:=]\s?\\{0,2}["']|=)/g;
/** A value without quotes. */
const bareValue = /[^\s&;,"'<>\\]{3,}/y;
/** In `token=Token{id=…` an object is printed: its own names are looked at. */
const printedObject = /^[[{]|^[A-Z][A-Za-z.]*(?:\{|[([]\w*=)/;
const [pemBegin, pemEnd] = [/-----BEGIN [A-Z0-9 ]{0,30}PRIVATE KEY(?: BLOCK)?-----/g, /-----END [A-Z0-9 ]{0,30}-----/g];

/** Says that a secret was found. */
export type Found = (kind: SecretKind) => void;

/** The text with its secrets replaced; the same text where there are none. `key` is the meaning of its key or field. */
export function replaceSecrets(
  text: string,
  key: Pick<KeyMeaning, 'place' | 'last'>,
  meaningOf: (key: string) => KeyMeaning,
  found: Found,
): string {
  const mark = (kind: SecretKind): string => {
    found(kind);
    return markerOf(kind);
  };
  let rest = text.includes('PRIVATE KEY') ? withoutPrivateKeys(text, mark) : text;
  if (rest.includes('://') && rest.includes('@'))
    rest = rest.replace(urlPasswords, (whole, user: string, password: string) =>
      isSecretText('password', password) ? `://${user}:${mark('password')}@` : whole,
    );
  rest = rest.replace(tokens, () => mark('token'));
  if (!/ids?$/.test(key.last)) rest = rest.replace(awsKeys, () => mark('secret'));
  if (hasScheme(rest))
    rest = rest
      .replace(bearer, (whole, scheme: string, token: string) => (/\d/.test(token) ? scheme + mark('token') : whole))
      .replace(basic, (whole, scheme: string, encoded: string) =>
        holdsCredentials(encoded) ? scheme + mark('authorization') : whole,
      );
  if (/[="']/.test(rest)) rest = withoutAssigned(rest, meaningOf, mark);
  return replaceCardNumbers(rest, key.place, () => mark('card number'));
}

/** One pass: a value is read only where its name is of a secret, and never twice. */
function withoutAssigned(
  text: string,
  meaningOf: (key: string) => KeyMeaning,
  mark: (kind: SecretKind) => string,
): string {
  let kept = '';
  let from = 0;
  for (const { 0: whole, 1: name = '', 2: is = '', index } of text.matchAll(assignments)) {
    const meaning = meaningOf(name);
    const { kind } = meaning;
    if (index < from || kind === null) continue;
    const start = index + whole.length;
    const end = is === '=' ? endOfBare(text, start) : endOfQuoted(text, start, is);
    const value = text.slice(start, end);
    const isSecret = isSecretText(kind, value) && !isCount(kind, value) && !isFolder(meaning, value);
    kept += isSecret ? text.slice(from, start) + mark(kind) : text.slice(from, end);
    from = end;
  }
  return kept + text.slice(from);
}

/** Brackets may be part of a value. One that only closes belongs to the sentence. */
function endOfBare(text: string, start: number): number {
  bareValue.lastIndex = start;
  const value = bareValue.exec(text)?.[0] ?? '';
  if (printedObject.test(value)) return start;
  return start + (/[([{]/.test(value) ? value : value.replace(/[)\]}]+$/, '')).length;
}

/**
 * Where a value ends that `is` has opened: at the same quote, behind as many backslashes. Others are part of the value, as in
 * "it's" and "a\"b". Without such a quote it ends with the line.
 */
function endOfQuoted(text: string, start: number, is: string): number {
  const quote = is.slice(-1);
  const depth = is.length - 1 - is.slice(0, -1).replace(/\\+$/, '').length;
  for (let i = start; i < text.length; i += 1) {
    let slashes = 0;
    while (text.charAt(i + slashes) === '\\') slashes += 1;
    const next = text.charAt(i + slashes);
    if (next === '\n') return i + slashes;
    if (next === quote && (slashes === depth || slashes === 0)) return i;
    // Behind an odd number of them the quote is escaped; within a text in a text any other number escapes it.
    if (next === quote && depth === 0 && slashes % 2 === 0) return i + slashes;
    i += slashes;
  }
  return text.length;
}

/** `token=5` in a sentence counts. */
const isCount = (kind: SecretKind, value: string) => (kind === 'token' || kind === 'secret') && /^\d{1,6}$/.test(value);

/** From the first line of a private key to its last, or to the end of the text where that is cut off. */
function withoutPrivateKeys(text: string, mark: (kind: SecretKind) => string): string {
  let kept = '';
  let from = 0;
  for (const begin of text.matchAll(pemBegin)) {
    if (begin.index < from) continue;
    pemEnd.lastIndex = begin.index + begin[0].length;
    const end = pemEnd.exec(text);
    kept += text.slice(from, begin.index) + mark('private key');
    from = end ? end.index + end[0].length : text.length;
  }
  return kept + text.slice(from);
}

/** Whether Base64 is `user:password` in printable ASCII (RFC 7617): "Basic authentication" is not. */
function holdsCredentials(encoded: string): boolean {
  try {
    return /^[\x20-\x7e]*:[\x20-\x7e]*$/.test(atob(encoded));
  } catch {
    return false;
  }
}

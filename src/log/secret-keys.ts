/** Which keys name a secret, by their last words: `access_token` does, `token_count` and `password_changed_at` do not. */
import { key_chars_max, type Place, placeOf, wordsOf } from './key-words.ts';

export const secretKinds = [
  'password',
  'secret',
  'token',
  'authorization',
  'cookie',
  'private key',
  'card number',
  'security code',
  'social security number',
] as const;
export type SecretKind = (typeof secretKinds)[number];

/** What a key says of the values under it. */
export type KeyMeaning = {
  kind: SecretKind | null;
  /** Stored as it is, with all beneath it. */
  allowed: boolean;
  /** Says something of a secret and is none: under `secret`, the name and not the value. */
  describes: boolean;
  place: Place;
  /** The last word: `accessKeyId` names an identifier. */
  last: string;
};

const keys_remembered_max = 5_000;

/** By the end of the words, which stand without separators, or after ` ` where they are too short for an ending. */
const endings: [RegExp, SecretKind | null][] = [
  // Positions in lists, keys for retries, and counts of language models.
  [
    /(?:next|page|pagination|continu\w+|sync|change|client|request|idempotency|start|resume|cancel\w*|correlation|max|total|prompt|completion|input|output|cached|used)tokens?$|publickey$/,
    null,
  ],
  [
    /(?:password|passwd|passphrase)s?(?:new|old|current|previous|confirm\w*|again|repeat|hash|digest|value|text|plain|\d)?$|(?:db|user|smtp|mail|ftp|admin|root)pass$| pwd$/,
    'password',
  ],
  [/privatekey(?:pem|value|data)?$/, 'private key'],
  [/(?:secrets?(?:value|string|text|binary|key|accesskey)?|apikeys?|(?:access|signing|shared|session)key)$/, 'secret'],
  [/tokens?(?:value|string)?$/, 'token'],
  [/authorization(?:header)?$/, 'authorization'],
  [/cookies?(?:header|value)?$/, 'cookie'],
  [/(?:card|cc)n(?:umber|um|o)$|primaryaccountnumber$| pan$/, 'card number'],
  [/(?:security|onetime|verification|mfa|backup|recovery)codes?$|pincode$| (?:pin|cv[vc]2?|t?otp)$/, 'security code'],
  [/socialsecurity(?:number|no)?$| ssn$/, 'social security number'],
];
const describing = new Set(
  (
    'id ids name names arn type kind status at by in on date time expires expiry expiration created updated changed ' +
    'version scope scopes issuer algorithm count length policy strength description user owner enabled required valid url field'
  ).split(' '),
);

function meaningOf(key: string, extra: ReadonlySet<string>, allow: ReadonlySet<string>): KeyMeaning {
  const words = wordsOf(key);
  const whole = words.join('');
  const last = words.at(-1) ?? '';
  const allowed = allow.has(whole);
  const found = endings.find(([end]) => end.test(`${whole} ${last}`) || end.test(whole))?.[1] ?? null;
  const kind = allowed ? null : extra.has(whole) ? 'secret' : found;
  return { kind, allowed, describes: describing.has(last), place: placeOf(words), last };
}

/** The meanings of keys, remembered. `extra` are names of further secrets, `allow` names of what is none. */
export function keyMeanings(extra: readonly string[], allow: readonly string[]): (key: string) => KeyMeaning {
  const known = new Map<string, KeyMeaning>();
  const [extras, allows] = [extra, allow].map((names) => new Set(names.map((name) => wordsOf(name).join(''))));
  return (key) => {
    const remembered = known.get(key);
    if (remembered) return remembered;
    const meaning = meaningOf(key, extras ?? new Set(), allows ?? new Set());
    if (key.length > key_chars_max) return meaning;
    // Keys may be of users' making: what is remembered is bounded.
    if (known.size >= keys_remembered_max) known.clear();
    known.set(key, meaning);
    return meaning;
  };
}

/** A value that somebody has masked already, or that we have. */
const masked =
  /^(?:[*•●]{3,}|[*•●#. -]{4,}\d{0,4}|[xX. -]{8,}\d{0,4}|\[?(?:redacted|filtered|masked|hidden|removed)\]?|HIDDEN_DUE_TO_SECURITY_REASONS|\[redacted: [a-z\d ]+\])$/i;
/** Says what became of a secret, or where it is. */
const word =
  /^(?:(?:in)?valid|expired|missing|present|none|null|true|false|required|optional|granted|denied|allowe?d?|deny|approved|rejected|pending|revoked|created|deleted|changed|rotated|(?:en|dis)abled|bearer|basic|oauth2?|password|access|refresh)$/i;
const reference = /^(?:arn:|env:|vault:|projects\/|\$\{|https?:\/\/[^@?#]*$)/;

/** The least characters of a secret that is no password. */
const secret_chars_min = 4;

/** Whether a text under a key of that kind is a secret. */
export function isSecretText(kind: SecretKind, text: string): boolean {
  if (text === '' || masked.test(text)) return false;
  const digits = text.replace(/\D/g, '').length;
  switch (kind) {
    case 'password':
    case 'private key':
      return true;
    case 'card number':
      return digits >= 12;
    case 'security code':
      return digits > 0 && /^[\w -]{3,12}$/.test(text);
    case 'social security number':
      return digits >= 5;
    default:
      return text.length >= secret_chars_min && !word.test(text) && !reference.test(text);
  }
}

/** The working directory, as sudo and shells log it: no password. */
export const isFolder = ({ last }: KeyMeaning, text: string): boolean => last === 'pwd' && text.startsWith('/');

/** A number is a secret where secrets are numbers: `tokens: 512` and `secret: 1` are none. */
export const isSecretNumber = (kind: SecretKind, value: number): boolean =>
  /^(?:password|.* (?:number|code))$/.test(kind) && isSecretText(kind, String(value));

/** Which keys name a secret, by their last words: `access_token` does, `token_count` and `password_changed_at` do not. */
import { type Place, placeOfKey } from './card-number.ts';

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
  /** Names an identifier, as `accessKeyId` does. */
  isId: boolean;
};

/** Longer keys are judged by their end, and are not remembered. */
const key_chars_max = 80;
const keys_remembered_max = 5_000;

const rest =
  '(?:new|old|current|previous|confirm|confirmation|again|repeat|hash|digest|value|text|plain|plaintext|\\d)?';
/** By the end of the key, in small letters and without separators. The first that fits decides. */
const endings: [RegExp, SecretKind | null][] = [
  // Positions in lists, keys for retries, and counts of language models.
  [
    /(?:next|page|paging|pagination|continuation|continue|sync|change|client|request|idempotency|start|resume|cancellation|correlation|max|min|total|prompt|completion|input|output|cached|reasoning|used)tokens?$/,
    null,
  ],
  [/publickey$/, null],
  [new RegExp(`(?:password|passwd|passphrase|passwort|kennwort|motdepasse)s?${rest}$`), 'password'],
  [/(?:db|user|smtp|mail|ftp|admin|root)pass$/, 'password'],
  [/privatekey(?:pem|value|data)?$/, 'private key'],
  [/(?:secrets?(?:value|string|text|binary|key|accesskey)?|apikeys?|(?:access|signing|shared|session)key)$/, 'secret'],
  [/tokens?(?:value|string)?$/, 'token'],
  [/authorization(?:header)?$/, 'authorization'],
  [/cookies?(?:header|value)?$/, 'cookie'],
  [/(?:card|cc)(?:number|num|no)$|primaryaccountnumber$/, 'card number'],
  [/(?:security|onetime|verification|mfa|twofactor|backup|recovery)codes?$|pincode$/, 'security code'],
  [/socialsecurity(?:number|no)?$/, 'social security number'],
];
/** Too short for an ending: they must be the last word. */
const lastWords = new Map<string, SecretKind>([
  ['pwd', 'password'],
  ['pin', 'security code'],
  ['cvv', 'security code'],
  ['cvv2', 'security code'],
  ['cvc', 'security code'],
  ['cvc2', 'security code'],
  ['otp', 'security code'],
  ['totp', 'security code'],
  ['pan', 'card number'],
  ['ssn', 'social security number'],
]);
const describing =
  /^(?:ids?|names?|arn|type|kind|scheme|status|state|at|by|on|in|date|time|expires|expiry|expiration|created|updated|changed|rotated|version|scopes?|issuer|subject|audience|algorithm|count|length|policy|strength|description|label|user|owner|reason|region|resource|enabled|required|valid|url|uri|path|hint|field|action|method|provider)$/;

/** The words of a key in small letters: `X-Api-Key`, `xApiKey` and `x_api_key` have the same. */
export const wordsOf = (key: string): string[] =>
  key
    .slice(-key_chars_max)
    .replace(/([\p{Ll}\p{N}])(\p{Lu})/gu, '$1 $2')
    .replace(/(\p{Lu})(\p{Lu}\p{Ll})/gu, '$1 $2')
    .toLowerCase()
    .split(/[^\p{L}\p{N}]+/u)
    .filter((word) => word !== '');

function meaningOf(key: string, extra: ReadonlySet<string>, allow: ReadonlySet<string>): KeyMeaning {
  const words = wordsOf(key);
  const whole = words.join('');
  const last = words.at(-1) ?? '';
  const allowed = allow.has(whole);
  const ending = endings.find(([end]) => end.test(whole));
  const kind = extra.has(whole) ? 'secret' : ending ? ending[1] : (lastWords.get(last) ?? null);
  return {
    kind: allowed ? null : kind,
    allowed,
    describes: describing.test(last),
    place: placeOfKey(words),
    isId: /ids?$/.test(last),
  };
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
  /^(?:[*•●]{3,}|[*•●#. -]{4,}\d{0,4}|[xX. -]{8,}\d{0,4}|\[?(?:redacted|filtered|masked|hidden|removed)\]?|HIDDEN_DUE_TO_SECURITY_REASONS|\[redacted: [a-z ]+\])$/i;
/** Says what became of a secret, or where it is. */
const word =
  /^(?:ok|valid|invalid|expired|missing|present|absent|none|null|true|false|yes|no|all|required|optional|granted|denied|allow|allowed|deny|approved|rejected|pending|revoked|refreshed|created|deleted|updated|changed|rotated|enabled|disabled|bearer|basic|digest|negotiate|oauth2?|oidc|jwt|saml|api_?key|password|mfa|session|access|refresh)$/i;
const reference = /^(?:arn:|env:|vault:|projects\/|\$\{|https?:\/\/[^@?#]*$)/;

/** The least characters of a secret that is no password. */
const secret_chars_min = 4;

/** Whether a text under a key of that kind is a secret. */
export function isSecretText(kind: SecretKind, text: string): boolean {
  if (text === '' || masked.test(text)) return false;
  switch (kind) {
    case 'password':
    case 'private key':
      return true;
    case 'card number':
      return text.replace(/\D/g, '').length >= 12;
    case 'security code':
      return /^(?=.*\d)[A-Za-z0-9 -]{3,12}$/.test(text);
    case 'social security number':
      return text.replace(/\D/g, '').length >= 5;
    default:
      return text.length >= secret_chars_min && !word.test(text) && !reference.test(text);
  }
}

/** A number is a secret where secrets are numbers: `tokens: 512` and `secret: 1` are none. */
export const isSecretNumber = (kind: SecretKind, value: number): boolean =>
  !['token', 'secret', 'cookie', 'authorization', 'private key'].includes(kind) && isSecretText(kind, String(value));

/** Secrets in events are replaced before they are stored, and what is no secret is stored as it was sent. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { passesLuhn } from '../../src/log/card-number.ts';
import { entryLimits, type Metadata, metadataFault, type NewEntry, readEntry } from '../../src/log/entry.ts';
import { createRedaction, type Redacted } from '../../src/log/redaction.ts';
import { keyMeanings, secretKinds } from '../../src/log/secret-keys.ts';
import { mayHoldSecret, replaceSecrets } from '../../src/log/secret-text.ts';

const redact = createRedaction();
const entryOf = (fields: object): NewEntry => {
  const read = readEntry({ event_type: 'UPDATE', entity_type: 'order', ...fields });
  if ('faults' in read) throw new Error(JSON.stringify(read.faults));
  return read.entry;
};
function redacted(fields: object, by = redact): { entry: NewEntry; found: Redacted[] } {
  const found: Redacted[] = [];
  return { entry: by(entryOf(fields), found), found };
}
const fieldsOf = (fields: object, by = redact) => redacted(fields, by).found.map(({ field }) => field);
const metadataOf = (metadata: object) => redacted({ metadata }).entry.metadata;
const descriptionOf = (description: string) => redacted({ description }).entry.description;

// Joined from parts, so that no scanner of secrets takes this file for a leak.
const fake = (...parts: string[]) => parts.join('');
const jwt = fake(
  'eyJhbGciOiJIUzI1NiJ9',
  '.eyJzdWIiOiIxMjM0NTY3ODkwIn0',
  '.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U',
);
const pem = fake('-----BEGIN RSA PRIVATE', ' KEY-----\nMIIEow', 'IBAAKCAQEA\n-----END RSA PRIVATE', ' KEY-----');
const [visa, mastercard, amex, diners] = ['4111111111111111', '5555555555554444', '378282246310005', '30569309025904'];

describe('identifiers', () => {
  it.each(['session_id', 'user_id', 'entity_id'] as const)('two tokens as %s stay two', (field) => {
    const [one, again, other] = [jwt, jwt, `${jwt}x`].map((token) => redacted({ [field]: token }).entry[field]);
    expect(one).toMatch(/^\[redacted: token [0-9a-f]{8}\]$/);
    expect(again).toBe(one);
    expect(other).not.toBe(one);
    expect(redacted({ [field]: one }).entry[field]).toBe(one);
  });
});

it('the quick test lets nothing through that a rule would replace', () => {
  const meaningOf = keyMeanings([], []);
  const piece = fc.oneof(
    fc.constantFrom(
      'password',
      'token',
      'apiKey',
      'secret',
      ': ',
      '=',
      "'",
      '"',
      '\\"',
      ' ',
      '-',
      '.',
      '(',
      '{',
      ', ',
      ':',
    ),
    fc.constantFrom(
      'glpat-',
      'sk-',
      'SG.',
      'xoxb-',
      'eyJ',
      'whsec_',
      'AIza',
      'pypi-',
      'ghp_',
      'hf_',
      'Bearer ',
      'Basic ',
    ),
    fc.constantFrom('https://', 'user:', '@', '4111', '1111', '-----BEGIN RSA PRIVATE KEY-----'),
    fc.stringMatching(/^[A-Za-z0-9]{1,12}$/),
  );
  fc.assert(
    fc.property(fc.array(piece, { minLength: 1, maxLength: 24 }), (pieces) => {
      const text = pieces.join('');
      const kept = replaceSecrets(text, { place: null, last: '' }, meaningOf, () => {});
      expect(kept === text || text.length < 10 || mayHoldSecret(text)).toBe(true);
    }),
    { numRuns: 5_000 },
  );
});

describe('a key names a secret', () => {
  it.each<[string, string]>([
    ['password', 'password'],
    ['userPassword', 'password'],
    ['new-password', 'password'],
    ['PASSWD', 'password'],
    ['db_pwd', 'password'],
    ['password_hash', 'password'],
    ['passwordConfirmation', 'password'],
    ['passphrase', 'password'],
    ['secret', 'secret'],
    ['clientSecret', 'secret'],
    ['SecretAccessKey', 'secret'],
    ['secretString', 'secret'],
    ['x-api-key', 'secret'],
    ['apikey', 'secret'],
    ['access_key', 'secret'],
    ['token', 'token'],
    ['accessToken', 'token'],
    ['refresh_token', 'token'],
    ['X-CSRF-Token', 'token'],
    ['authorization', 'authorization'],
    ['Proxy-Authorization', 'authorization'],
    ['cookie', 'cookie'],
    ['Set-Cookie', 'cookie'],
    ['privateKey', 'private key'],
  ])('%s', (key, kind) => {
    const { entry, found } = redacted({ metadata: { deep: [{ [key]: 'correct horse 7', note: 'kept' }] } });
    expect(entry.metadata).toEqual({ deep: [{ [key]: `[redacted: ${kind}]`, note: 'kept' }] });
    expect(found).toEqual([{ field: `metadata.deep.0.${key}`, kind }]);
  });

  it.each<[string, string | number, string]>([
    ['card_number', '1234 5678 9012 3456', 'card number'],
    ['cardNumber', 4111111111111112, 'card number'],
    ['pan', visa, 'card number'],
    ['cvv', 123, 'security code'],
    ['card_cvc', '0042', 'security code'],
    ['pin', '4711', 'security code'],
    ['otp', '123456', 'security code'],
    ['ssn', '078-05-1120', 'social security number'],
    ['password', 12345678, 'password'],
  ])('%s, whose value has the form: %s', (key, value, kind) => {
    expect(metadataOf({ [key]: value })).toEqual({ [key]: `[redacted: ${kind}]` });
  });

  it('and what is beneath it, but not what only describes it', () => {
    expect(metadataOf({ password: { old: 'a', new: ['b'], changed_at: '2026-01-02', policy: 'strong' } })).toEqual({
      password: {
        old: '[redacted: password]',
        new: ['[redacted: password]'],
        changed_at: '2026-01-02',
        policy: 'strong',
      },
    });
  });

  it.each<Metadata>([
    { token_count: 5 },
    { tokens: 512 },
    { prompt_tokens: '512' },
    { tokenizer: 'sentencepiece' },
    { nextToken: 'AAAAbbbbCCCCdddd' },
    { idempotency_token: '5f2a-11' },
    { token_type: 'refresh' },
    { token_id: 'tok-2026-11' },
    { password_changed_at: true },
    { password_changed_at: '2026-11-30T10:00:00Z' },
    { password: null },
    { password: '' },
    { password: true },
    { has_password: true },
    { password: '********' },
    { password: '[FILTERED]' },
    { password: 'HIDDEN_DUE_TO_SECURITY_REASONS' },
    { secretArn: 'arn:aws:secretsmanager:us-east-1:1:secret:x' },
    { secret: 'arn:aws:secretsmanager:us-east-1:1:secret:x' },
    { secret_name: 'prod/database' },
    { secret: 'env:SHOP_KEY' },
    { author: 'ana' },
    { authority: 'notary' },
    { authorization: 'granted' },
    { authorization_status: 'pending' },
    { cookie_consent: 'accepted' },
    { accept_cookies: 'all' },
    { secretary: 'ben' },
    { compass: 'north-west' },
    { public_key: 'MCowBQYDK2VwAyEA' },
    { accessKeyId: 'AKIAIOSFODNN7EXAMPLE' },
    { pin: 'map marker' },
    { shipping: 'DHL' },
    { pwd: '/home/ana' },
    { accessKey: { accessKeyId: 'AKIAIOSFODNN7EXAMPLE', createDate: 'Jul 10, 2023 12:31:17 PM', status: 'Active' } },
    { card_last4: '4242' },
    { card_number: '**** **** **** 4242' },
    { credit_card: 'visa' },
    { monkey: 'x', turkey: 'y', keyboard: 'qwerty-1234', key: 'orders/55' },
  ])('but not %j', (metadata) => {
    expect(redacted({ metadata })).toEqual({ entry: entryOf({ metadata }), found: [] });
  });
});

describe('a value looks like a secret', () => {
  it.each<[string, string, string]>([
    ['a private key', `key: ${pem} end`, 'key: [redacted: private key] end'],
    ['half a private key', pem.slice(0, 40), '[redacted: private key]'],
    ['a JSON Web Token', `sent ${jwt}.`, 'sent [redacted: token].'],
    [
      'a bearer token',
      'curl -H "Authorization: Bearer abc123def"',
      'curl -H "Authorization: Bearer [redacted: token]"',
    ],
    ['Basic credentials', 'with Basic YW5hOnNlY3JldA==', 'with Basic [redacted: authorization]'],
    [
      'a URL with a password',
      'at postgres://ana:s3cr3t@db:5432/x?a=b',
      'at postgres://ana:[redacted: password]@db:5432/x?a=b',
    ],
    ['an AWS access key', 'with AKIAIOSFODNN7EXAMPLE', 'with [redacted: secret]'],
    ['a token of GitHub', fake('gh', 'p_16C7e42F292c6912E7710c838347Ae178B4a'), '[redacted: token]'],
    ['a token of GitLab', fake('gl', 'pat-abcdefghij0123456789'), '[redacted: token]'],
    ['a token of Slack', `x ${fake('xo', 'xb-123456789012-abcdefABCDEF')}`, 'x [redacted: token]'],
    ['a key of Stripe', `(${fake('sk_', 'live_4eC39HqLyjWDarjtT1zdp7dc')})`, '([redacted: token])'],
    [
      'a parameter of an address',
      '/x?user=ana&access_token=abcdef99&page=2',
      '/x?user=ana&access_token=[redacted: token]&page=2',
    ],
    ['an assignment', 'login with password=hunter2, then', 'login with password=[redacted: password], then'],
    ['a bracket in a value', 'login with password=Tr0ub4dor(3, then', 'login with password=[redacted: password], then'],
    [
      'an assignment in brackets',
      'a login (password=hunter2) failed',
      'a login (password=[redacted: password]) failed',
    ],
    [
      'a printed object',
      "login {user: 'bob', password: 'hunter2'}",
      "login {user: 'bob', password: '[redacted: password]'}",
    ],
    ['an apostrophe in a value', '{"password":"it\'s-Secret9"}', '{"password":"[redacted: password]"}'],
    ['an apostrophe before a value', '{"password":"\'abc"}', '{"password":"[redacted: password]"}'],
    ['an escaped quote in a value', '{"password":"ab\\"cdefgh","n":1}', '{"password":"[redacted: password]","n":1}'],
    ['a backslash at the end', '{"password":"ab\\\\","n":1}', '{"password":"[redacted: password]","n":1}'],
    [
      'JSON in JSON',
      '{"body":"{\\"password\\":\\"it\'s9\\"}"}',
      '{"body":"{\\"password\\":\\"[redacted: password]\\"}"}',
    ],
    ['a value without an end', 'body {"password":"abc\nnext line', 'body {"password":"[redacted: password]\nnext line'],
    ['a token of short parts', 'got glpat-AbCdEfGhIj-KlMnOpQrS9', 'got [redacted: token]'],
    [
      'JSON in a text',
      '{"user":"ana","password":"a b c","n":1}',
      '{"user":"ana","password":"[redacted: password]","n":1}',
    ],
    ['escaped JSON', '{\\"clientSecret\\":\\"abcd\\"}', '{\\"clientSecret\\":\\"[redacted: secret]\\"}'],
    ['a card number', `paid with ${visa}.`, 'paid with [redacted: card number].'],
    ['a printed card number', 'card 4111 1111 1111 1111, exp 12/27', 'card [redacted: card number], exp 12/27'],
    ['a hyphened card number', 'card: 5555-5555-5555-4444', 'card: [redacted: card number]'],
    ['a printed American Express', 'Amex 3782 822463 10005', 'Amex [redacted: card number]'],
    ['a Diners Club card', `card=${diners}`, 'card=[redacted: card number]'],
    ['the number alone', `paid ${visa}`, 'paid [redacted: card number]'],
    ['one after a small number', `5 paid 55 ${visa}`, '5 paid 55 [redacted: card number]'],
    ['two of them', `${visa} and ${mastercard}`, '[redacted: card number] and [redacted: card number]'],
  ])('%s', (_what, text, expected) => {
    for (const field of ['description', 'user_agent']) {
      if (field === 'user_agent' && /card number/.test(expected)) continue;
      expect(redacted({ [field]: text }).entry).toEqual(entryOf({ [field]: expected }));
    }
    expect(metadataOf({ note: text })).toEqual({ note: expected });
  });

  it.each<[string, object]>([
    ['a number of JSON', { value: Number(visa) }],
    ['a text', { value: mastercard }],
    ['in a list', { values: [amex] }],
    ['under a card', { card: { number: Number(visa) } }],
    ['under a card, of a rare length', { payment_card: { number: Number(diners) } }],
  ])('a card number: %s', (_what, metadata) => {
    expect(JSON.stringify(metadataOf(metadata))).toContain('"[redacted: card number]"');
  });

  it('in identifiers, but a number only where the entity is a card', () => {
    expect(redacted({ session_id: jwt, user_id: `u:${jwt}` }).entry).toMatchObject({
      session_id: expect.stringMatching(/^\[redacted: token [0-9a-f]{8}\]$/),
      user_id: 'u:[redacted: token]',
    });
    expect(redacted({ entity_type: 'payment_card', entity_id: visa }).entry.entity_id).toBe('[redacted: card number]');
    expect(fieldsOf({ entity_id: visa, user_id: visa, session_id: mastercard })).toEqual([]);
  });

  it('never in event_uid, which decides what is the same event', () => {
    expect(fieldsOf({ event_uid: jwt })).toEqual([]);
  });

  it.each([
    'Basic authentication failed for ana',
    'Bearer authentication is required',
    'The token has expired: token=5 of 7',
    'Forgot password; password reset mail sent to ana@example.com',
    'Author: ana <ana@example.com>, see https://example.com:8443/a@b',
    'Skipping AppWindowToken{df0798e token=Token{78af589 ActivityRecord}}',
    'sudo: ana : TTY=pts/0 ; PWD=/home/ana ; USER=root ; COMMAND=/bin/ls',
    'eyJ is how they begin; task-force-of-the-north-sea-2026; sk-lake-placid-new-york',
    `Order ${visa} was shipped`,
    `order_id=${visa}`,
    `payment reference: ${mastercard}`,
    `/orders/${visa}/items`,
    `+${visa} is no telephone number`,
    `a${visa} ${visa}b 0.${visa} ${visa}.5`,
    `see ${visa}b`,
    `see ${visa}.5`,
    `see ${visa}-12`,
    `see 12-${visa}`,
    '4111 1111 1111 1111 2222 is longer',
    'with token=12345 of 99999',
    `4111111111111112 fails the check`,
    `41111111111111110 is longer, 00${visa} too`,
    '4111-1111-1111-1111-1111 is longer',
    'IBAN DE89 3704 0044 0532 0130 00, GB29 NWBK 6016 1331 9268 19, FR14 2004 1010 0505 0001 3M02 606',
    '550e8400-e29b-41d4-a716-446655440000 and 4bf92f3577b34da6a3ce929d0e0e4736',
    '1764529862000 1764529862000123 1764529862000123456 20261130123456 20261130123456789',
    '+34 612 345 678, +1 (555) 010-9999, 0049 30 901820, +4915123456789012',
  ])('but not in %j', (text) => {
    expect(redacted({ description: text, metadata: { note: text } }).found).toEqual([]);
    expect(descriptionOf(text)).toBe(text);
  });
});

describe('ordinary identifiers raise no alarm', () => {
  const digits = (n: number) => fc.stringMatching(new RegExp(`^[1-9]\\d{${n - 1}}$`));
  /** Every second random card-like number would pass by chance. */
  const passing = fc
    .tuple(fc.constantFrom('4', '51', '55', '2221', '6011', '3528', '62'), digits(16))
    .map(([issuer, rest]) => `${issuer}${rest}`.slice(0, 15))
    .map((start) => [...'0123456789'].map((check) => start + check).find(passesLuhn) ?? '');
  const hex = (n: number) => fc.stringMatching(new RegExp(`^[0-9a-f]{${n}}$`));
  const letters = fc.stringMatching(/^[A-Z]{2}$/);

  it.each<[string, fc.Arbitrary<string>]>([
    ['UUIDs', fc.uuid()],
    [
      'UUIDs of digits',
      fc.tuple(digits(8), digits(4), digits(4), digits(4), digits(12)).map((parts) => parts.join('-')),
    ],
    ['hashes of git', hex(40)],
    ['short hashes', hex(16)],
    ['trace ids', hex(32)],
    ['times in ms', fc.integer({ min: 1e12, max: 1.99e12 }).map(String)],
    ['times in µs', fc.integer({ min: 1e15, max: 1.99e15 }).map(String)],
    ['times in ns', fc.integer({ min: 1e12, max: 1.99e12 }).map((ms) => `${ms}123456`)],
    [
      'telephone numbers',
      fc.tuple(fc.integer({ min: 1, max: 998 }), digits(11)).map(([land, rest]) => `+${land}${rest}`),
    ],
    ['IBANs', fc.tuple(letters, digits(20)).map(([land, rest]) => land + rest)],
    [
      'printed IBANs',
      fc.tuple(letters, digits(20)).map(([land, rest]) => (land + rest).replace(/(.{4})(?=.)/g, '$1 ')),
    ],
    ['order numbers', digits(10)],
    ['snowflake ids', digits(18)],
    ['semantic versions and addresses', fc.oneof(fc.ipV4(), fc.ipV6())],
  ])('%s', (_what, values) => {
    fc.assert(
      fc.property(values, (value) => {
        const metadata = { value, list: [value], nested: { reference: value } };
        expect(
          fieldsOf({ description: `got ${value} from ana`, entity_id: value, session_id: value, metadata }),
        ).toEqual([]);
      }),
      { numRuns: 1_000 },
    );
  });

  it('numbers that pass the check of cards, where key, word or field call them an identifier', () => {
    fc.assert(
      fc.property(
        passing,
        fc.constantFrom(
          'id',
          'order_id',
          'orderId',
          'trackingNumber',
          'invoice',
          'ref',
          'transaction',
          'account_number',
        ),
        (value, key) => {
          const metadata = { [key]: value, n: { [key]: Number(value) }, all: { [key]: [value] } };
          const text = `${key} ${value}; ${key}=${value}; ${key}: ${value}, ${key} #${value}`;
          expect(
            fieldsOf({ entity_id: value, user_id: value, session_id: value, description: text, metadata }),
          ).toEqual([]);
        },
      ),
      { numRuns: 1_000 },
    );
  });

  it('at most one in 25 of random numbers of 16 digits about which nothing is known', () => {
    const n = 20_000;
    const values = fc.sample(digits(16), { numRuns: n, seed: 7 });
    const alarms = values.filter((value) => fieldsOf({ metadata: { value } }).length > 0).length;
    expect(alarms / n).toBeLessThan(0.04);
  });
});

describe('whatever is sent', () => {
  const fragment = fc.constantFrom(
    ...['password', 'token', 'Cookie', 'card', 'note', visa, jwt, pem, '://a:b@', '=', '"', ':', ' ', '-', '4111 '],
    ...['Bearer ', 'Basic ', 'YTpi', '\\', '[redacted: token]', '__proto__', 'constructor', '{', '🧾', '12'],
  );
  const text = fc.array(fragment, { maxLength: 8 }).map((parts) => parts.join(''));
  const value = fc.letrec<{ any: unknown }>((tie) => ({
    any: fc.oneof(
      text,
      fc.maxSafeInteger(),
      fc.constantFrom(Number(visa), null, true),
      fc.array(tie('any'), { maxLength: 3 }),
      fc.dictionary(text, tie('any'), { maxKeys: 3 }),
    ),
  })).any;
  const event = fc.record({
    description: text,
    user_agent: text,
    entity_id: text.filter((one) => one.length <= 255),
    metadata: fc.dictionary(text, value, { maxKeys: 4 }),
  });

  it('is changed at most once, keeps its keys, and is within the limits; what was given is not changed', () => {
    fc.assert(
      fc.property(event, (fields) => {
        const given = entryOf(fields);
        const before = JSON.stringify(given);
        const found: Redacted[] = [];
        const once = redact(given, found);
        expect(JSON.stringify(given)).toBe(before);
        expect(once === given).toBe(found.length === 0);
        const again: Redacted[] = [];
        expect(redact(once, again)).toBe(once);
        expect(again).toEqual([]);
        expect(metadataFault(once.metadata)).toBeNull();
        expect(Object.keys(once.metadata ?? {})).toEqual(Object.keys(given.metadata ?? {}));
        for (const { kind } of found) expect(secretKinds).toContain(kind);
      }),
      { numRuns: 3_000 },
    );
  });

  it('fits after it: a text or metadata that the markers would make too long is replaced as a whole', () => {
    const cards = `${visa} `.repeat(Math.floor(entryLimits.description_chars_max / 17));
    expect(descriptionOf(cards)).toBe('[redacted: card number]');
    const pins = { pin: Array.from({ length: 9_000 }, () => '123') };
    expect(metadataOf(pins)).toEqual({ redacted: '[redacted: too many secrets]' });
  });

  it.each([
    ['names', 'token='],
    ['names of what is none', 'token=arn:'],
    ['objects', 'token=Token{'],
    ['addresses', '://'],
    ['beginnings of tokens', 'eyJabcdefgh-'],
    ['digits', '4 1-'],
    ['quotes', '"token": "'],
    ['private keys', fake('-----BEGIN PRIVATE', ' KEY-----')],
    ['letters', 'aA1'],
  ])('takes time in proportion to its length: %s', (_what, part) => {
    const timeOf = (chars: number) => {
      const given = entryOf({ metadata: { text: `${part.repeat(chars / part.length).slice(0, chars - 1)}=` } });
      const started = performance.now();
      for (let i = 0; i < 5; i += 1) redact(given, []);
      return (performance.now() - started) / 5;
    };
    timeOf(4_000);
    // A quadratic rule takes seconds for this; the linear ones take some milliseconds.
    expect(timeOf(40_000)).toBeLessThan(500);
  });
});

describe('the settings', () => {
  it('name further keys, in any writing', () => {
    const own = createRedaction({ on: true, keys: ['customer_pin2', 'IBAN'], allowed: [] });
    expect(fieldsOf({ metadata: { customerPin2: 'abcd', iban: 'DE89370400440532013000', ibans: 2 } }, own)).toEqual([
      'metadata.customerPin2',
      'metadata.iban',
    ]);
  });

  it('allow keys with all beneath them, and fields', () => {
    const own = createRedaction({ on: true, keys: [], allowed: ['token', 'reading', 'user_agent'] });
    const metadata = { token: 'abcdef', reading: { value: visa, password: 'x' }, password: 'y' };
    expect(fieldsOf({ user_agent: `x ${jwt}`, metadata }, own)).toEqual(['metadata.password']);
  });

  it('switch it off', () => {
    const own = createRedaction({ on: false, keys: [], allowed: [] });
    expect(fieldsOf({ description: jwt, metadata: { password: 'x' } }, own)).toEqual([]);
  });
});

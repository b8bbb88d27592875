/** What the mask of a description hides, and what it keeps. */
import { sql } from 'drizzle-orm';
import { afterAll, describe, expect, it } from 'vitest';
import { openPglite } from '../../../src/runtime/pglite.ts';
import { openPostgres } from '../../../src/runtime/postgres.ts';
import { plain, table } from '../../docs/pages.ts';
import { databases, freshDatabase } from '../../support/harness.ts';

const uuid = '1b4e28ba-2fa1-11d2-883f-0016d3cca427';
const masked: [what: string, text: string, pattern: string][] = [
  ['a number', 'sold 17 of 1,234.50', 'sold <*> of <*>'],
  ['its sign', 'changed by -3 to +4', 'changed by <*> to <*>'],
  ['a percentage', 'at 99.5%', 'at <*>%'],
  ['a uuid', `moved ${uuid}`, 'moved <*>'],
  ['a uuid with parts without a digit', 'moved 1b4e28ba-abcd-fade-dead-0016d3cca427', 'moved <*>'],
  [
    'an id with a prefix, and not the prefix',
    'order-5 order_6 order#7 order/8',
    'order<*> order_<*> order#<*> order/<*>',
  ],
  ['an id of letters and digits', 'usr_8fK2lQ signed in', 'usr_<*> signed in'],
  ['an IPv4 address and its port', 'from 10.8.0.1:443', 'from <*>'],
  ['a network', 'from 10.8.0.0/16', 'from <*>/<*>'],
  ['an IPv6 address', 'from fe80::1ff:fe23:abcd:890a', 'from <*>'],
  ['a hardware address', 'port be:ef:00:11:22:33', 'port <*>'],
  ['hexadecimal digits', 'at 0xDEADBEEF and deadbeefcafe', 'at <*> and <*>'],
  ['a time', 'at 2026-03-01T12:30:00.123Z', 'at <*>'],
  ['a version', 'on v1.2.3-rc1', 'on <*>'],
  ['nothing in words', 'ana changed the address of the customer', 'ana changed the address of the customer'],
  ['no short hexadecimal words', 'a bad face', 'a bad face'],
  ['no letters beyond ASCII', 'größe café 中文 🧾', 'größe café 中文 🧾'],
  ['digits between such letters, and ASCII beside them', 'größe5 中7文', 'größ<*> 中<*>文'],
  ['no digits of other scripts', 'حساب ٤٢', 'حساب ٤٢'],
  [
    'the values of JSON',
    '{"a":1,"b":"x:\\"y\\"","c":null,"d":true,"e":-1.5e3}',
    '{"a":<*>,"b":<*>,"c":<*>,"d":<*>,"e":<*>}',
  ],
  ['the values of spaced JSON', '{"a" : "b", "c": [1, 2]}', '{"a" : <*>, "c": [<*>]}'],
  ['arrays of any length', '{"a":["x","y"],"b":[],"c":[1]}', '{"a":[<*>],"b":[<*>],"c":[<*>]}'],
  ['objects of an array after the first', '{"a":[{"b":1},{"b":2},{"b":3}],"c":0}', '{"a":[{"b":<*>}],"c":<*>}'],
  ['keys of JSON that are ids', '{"user-17":{"n":1}}', '{"user<*>":{"n":<*>}}'],
  ['JSON that was cut', '{"a":1,"b":"unfin', '{"a":<*>,"b":<*>'],
  ['what comes after 500 characters', `${'x '.repeat(249)}17 ${'y '.repeat(300)}`, `${'x '.repeat(249)}<*`],
  ['what comes after 2,000 characters', `{"a":"${'x'.repeat(3_000)}","b":1}`, '{"a":<*>'],
  ['a backslash, a quote and a percent sign', `C:\\temp\\new it's %s`, `C:\\temp\\new it's %s`],
  ['nothing in nothing', '', ''],
];

describe.each(databases)('the mask on %s', async (name) => {
  const place = await freshDatabase(name);
  const { db, close } = 'DATA_DIR' in place ? await openPglite(place.DATA_DIR) : openPostgres(place.DATABASE_URL, 1);
  afterAll(close);
  const one = async (expression: ReturnType<typeof sql>): Promise<unknown> =>
    (await db.select({ value: sql`${expression}` }).from(sql`(select) as nothing`))[0]?.value;

  it.each(masked)('hides %s', async (_what, text, pattern) => {
    expect(await one(sql`pattern_text(${text})`)).toBe(pattern);
    // A pattern is its own pattern.
    if (pattern.length < 499) expect(await one(sql`pattern_text(${pattern})`)).toBe(pattern);
  });

  it.each(table('docs/patterns.md', 'masked').map((row) => row.map(plain)))(
    'hides what docs/patterns.md says: %s',
    async (_what, text = '', pattern) => {
      expect(await one(sql`pattern_text(${text})`)).toBe(pattern);
    },
  );

  it('takes no description for an empty one', async () => {
    expect(await one(sql`pattern_text(null)`)).toBe('');
    expect(await one(sql`pattern_key(null, null)`)).toBe(await one(sql`pattern_key('', '')`));
  });

  it('has a key that is the same everywhere: of the service, a line break and the pattern', async () => {
    const digest = await crypto.subtle.digest('SHA-256', new TextEncoder().encode("ü\\s\nC:\\ <*> ' 🧾"));
    expect(await one(sql`pattern_key(${'ü\\s'}, ${"C:\\ 17 ' 🧾"})`)).toBe(
      Buffer.from(digest).toString('hex').slice(0, 16),
    );
  });

  it('ends soon on texts that make expressions slow', async () => {
    for (const text of [
      '{"a":['.repeat(1_600),
      '"a":"\\'.repeat(1_600),
      '},{'.repeat(3_300),
      'a1.'.repeat(3_300),
      'ab:'.repeat(3_300),
    ])
      expect(await one(sql`length(pattern_text(${text}))`)).toBeLessThanOrEqual(500);
  });
});

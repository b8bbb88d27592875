/** The filter syntax of the search field: its meaning, its refusals, and that every filter can be written in it. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { faultOf, filterLimits, filterRows, readFilter, type Term, writeFilter } from '../../src/log/filter.ts';
import { metadataPrefix, readingsOf } from '../../src/log/metadata-path.ts';
import { readSyntax, writeSyntax } from '../../src/log/syntax.ts';

const query = (line: string) => {
  const { query, faults } = readSyntax(line);
  expect(faults).toEqual([]);
  return decodeURIComponent(query.toString().replaceAll('+', ' '));
};
const faults = (line: string) => readSyntax(line).faults.map(({ word, reason }) => `${word} ${reason}`);
const line = (text: string) => writeSyntax(readFilter(new URLSearchParams(text)).terms);

const fieldNames =
  'type, entity, id, user, from, to, service, trace, session, address, without, hour_of_week, pattern, first_id, last_id, meta.<path>';

describe('a line', () => {
  it.each([
    ['', ''],
    ['   ', ''],
    ['user:ana -type:DELETE order "late delivery"', 'user_id=ana&event_type!=DELETE&search=order&search=late delivery'],
    ['late delivery', 'search=late&search=delivery'],
    ['late  user:ana   delivery', 'search=late&user_id=ana&search=delivery'],
    ['"late" delivery late', 'search=late&search=delivery&search=late'],
    ['"late delivery', 'search=late delivery'],
    ['"', ''],
    ['-', 'search=-'],
    ['-late -"no show"', 'search!=late&search!=no show'],
    ['12:30 :x 5/6', 'search=12:30&search=:x&search=5/6'],
    ['"user:ana"', 'search=user:ana'],
    ['type:CREATE type:UPDATE', 'event_type=CREATE&event_type=UPDATE'],
    ['type:CREATE,UPDATE', 'event_type=CREATE&event_type=UPDATE'],
    ['type:"CREATE,UPDATE",', 'event_type=CREATE,UPDATE'],
    ['-type:CREATE,UPDATE', 'event_type!=CREATE&event_type!=UPDATE'],
    ['user:Doe,John', 'user_id=Doe,John'],
    ['USER:ana Type:create', 'user_id=ana&event_type=create'],
    ['user_id:ana', 'user_id=ana'],
    ['user:SHOP\\ana', 'user_id=SHOP\\ana'],
    ['user:"SHOP\\ana"', 'user_id=SHOP\\ana'],
    ['user:"the \\"boss\\" \\\\"', 'user_id=the "boss" \\'],
    ['user:"a\\u{a}b"', 'user_id=a\nb'],
    ['user:a"b c"d', 'user_id=ab cd'],
    ['entity:order', 'entity_type=order'],
    ['entity:order/55', 'entity_type=order&entity_id=55'],
    ['entity:file/src/a.ts', 'entity_type=file&entity_id=src/a.ts'],
    ['entity:"a/b"', 'entity_type=a/b'],
    ['entity:"a/b"/"5 5"', 'entity_type=a/b&entity_id=5 5'],
    ['entity:order/55 entity:order/56', 'entity_type=order&entity_id=55&entity_type=order&entity_id=56'],
    ['id:55 -id:56', 'entity_id=55&entity_id!=56'],
    ['service:shop trace:4bf session:s', 'service=shop&trace_id=4bf&session_id=s'],
    ['meta.amount:19.9 META.Order.Status:paid', 'metadata.amount=19.9&metadata.Order.Status=paid'],
    ['-meta.a:1', 'metadata.a!=1'],
    ['meta."a b:c".d:1', 'metadata.a b:c.d=1'],
    ['from:2026-01-01 to:2026-02-01', 'start_date=2026-01-01&end_date=2026-02-01'],
    ['after:2026-01-01T12:00Z', 'start_date=2026-01-01T12:00Z'],
    ['before:2026-03-01', 'end_date=2026-02-28'],
    ['before:2026-03-01T12:00Z', 'end_date=2026-03-01T11:59:59.999Z'],
    ['“late delivery” -„no show“', 'search=late delivery&search!=no show'],
    ['user:“ana b', 'user_id=ana b'],
    ['"say “hi”"', 'search=say “hi”'],
    ['and or not 5*3 Q&A "AND"', 'search=and&search=or&search=not&search=5*3&search=Q&A&search=AND'],
    ['user:"an*" "late*"', 'user_id=an*&search=late*'],
    ['to:"2026-03-01 12:00"', 'end_date=2026-03-01 12:00'],
  ])('%s means %s', (text, expected) => {
    expect(query(text)).toBe(expected);
  });

  it.each([
    ['colour:red', `colour: is not a field; fields are ${fieldNames}; text with a colon goes in quotes`],
    ['https://a.example', `https: is not a field; fields are ${fieldNames}; text with a colon goes in quotes`],
    ['user:', 'user: needs a value'],
    ['type:""', 'type:"" needs a value'],
    ['type:,', 'type:, needs a value'],
    [
      'from:yesterday',
      'from:yesterday must be an ISO 8601 date or date-time, such as 2026-03-01 or 2026-03-01T12:30:00Z',
    ],
    ['-from:2026-01-01', '-from:2026-01-01 is a bound of time and has no opposite; leave the - away'],
    ['entity:order/', 'entity:order/ needs a kind before the / and an id after it'],
    ['entity:/55', 'entity:/55 needs a kind before the / and an id after it'],
    ['-entity:order/55', '-entity:order/55 excludes two things at once; say -entity: or -id:'],
    ['entity:order/55 entity:customer/7', 'entity:customer/7 is a second kind beside an id; an id belongs to one kind'],
    ['entity:order entity:customer/7', 'entity:customer/7 is a second kind beside an id; an id belongs to one kind'],
    ['meta.:1', 'meta.:1 must name a path, such as metadata.order.status or metadata."http.status_code"'],
    ['meta.a!:1', 'meta.a!:1 is not a valid filter: the path ends in !'],
    [`type:${'x'.repeat(256)}`, `type:${'x'.repeat(256)} must be at most 255 characters long`],
    ['user:"\\u{0}"', 'user:"\\u{0}" must not contain a NUL character'],
  ])('%s is refused with the reason', (text, expected) => {
    expect(faults(text)).toEqual([expected]);
  });

  it.each([
    ['user:ana AND type:LINE', 'AND', /all parts of the line must match/],
    ['user:ana && type:LINE', '&&', /all parts of the line must match/],
    ['type:A OR type:B', 'OR', /repeat a field/],
    ['type:A || type:B', '||', /repeat a field/],
    ['NOT type:DELETE', 'NOT', /write - before/],
    ['user:an*', 'user:an*', /no wildcards/],
    ['-user:*', '-user:*', /no wildcards/],
    ['meta.shop:*', 'meta.shop:*', /no wildcards/],
    ['deliv*', 'deliv*', /no wildcards/],
    ['(user:ana', '(user:ana', /cannot be grouped/],
    ['!user:ana', '!user:ana', /or - before it to exclude/],
    ['+type:DELETE', '+type:DELETE', /or - before it to exclude/],
  ])('%s is refused and not read as text', (text, word, reason) => {
    expect(readSyntax(text).faults).toEqual([{ word, reason: expect.stringMatching(reason) }]);
  });

  it('names every fault, and the limit of values once', () => {
    expect(faults('a:1 user: b:2').map((fault) => fault.split(' ')[0])).toEqual(['a:', 'user:', 'b:']);
    const n = filterLimits.values_max;
    const users = Array.from({ length: n + 2 }, (_, i) => `user:u${i}`).join(' ');
    expect(faults(users)).toEqual([`user:u${n} is one too many; a field takes at most ${n} values`]);
  });

  it('never throws, and a line without faults is a valid filter', () => {
    const pieces = [
      'user',
      'type',
      'entity',
      'meta.a',
      'from',
      ':',
      '-',
      '/',
      ',',
      '"',
      '\\',
      ' ',
      'x',
      '!',
      '*',
      '“',
      'AND',
      '.',
      '2026-01-01',
    ];
    const text = fc.oneof(
      fc.array(fc.constantFrom(...pieces)).map((all) => all.join('')),
      fc.string({ unit: 'binary' }),
    );
    fc.assert(
      fc.property(text, (typed) => {
        const { query, faults } = readSyntax(typed);
        if (faults.length === 0) readFilter(query);
      }),
      { numRuns: 2_000 },
    );
  });
});

describe('a filter as a line', () => {
  it.each([
    ['user_id=ana&event_type!=DELETE&search=late&search=delivery', '-type:DELETE user:ana late delivery'],
    ['search=order&search=late delivery', 'order "late delivery"'],
    ['event_type=CREATE&event_type=UPDATE', 'type:CREATE,UPDATE'],
    ['entity_id=55&entity_type=order', 'entity:order/55'],
    ['entity_id=55&entity_type=order&entity_type=customer', 'entity:order,customer id:55'],
    ['entity_id=5 5&entity_type=a/b', 'entity:"a/b"/"5 5"'],
    ['start_date=2026-01-01&metadata.a.b=19.9', 'from:2026-01-01 meta.a.b:19.9'],
    ['search=say "no"', '"say \\"no\\""'],
    ['search!=no', '-no'],
    ['search=a  b', '"a  b"'],
    ['user_id=a%0ab', 'user:"a\\u{a}b"'],
    ['user_id=ana%E2%80%8B', 'user:"ana\\u{200b}"'],
    ['user_id=an*&search=AND&search=late*', 'user:"an*" "AND" "late*"'],
    ['search=say “hi”', '"say “hi”"'],
  ])('%s is %s', (text, expected) => {
    expect(line(text)).toBe(expected);
  });

  const character = fc.oneof(
    fc.constantFrom(...'"\\:-/,!.*(“”„ \n\u{feff}\u{200b}\u{a0}u{a}AND'),
    fc.string({ unit: 'binary', minLength: 1, maxLength: 1 }),
  );
  const text = fc.array(character, { minLength: 1, maxLength: 6 }).map((all) => all.join(''));
  const path = fc.array(text, { minLength: 1, maxLength: 3 }).map((steps) => `metadata.${steps.join('.')}`);
  const date = fc.constantFrom('2026-01-01', '2026-01-01T00:00:00Z', '2026-01-01 12:30', '2026-01-01T01:00:00+01:00');
  const term: fc.Arbitrary<Term> = fc
    .record({
      key: fc.oneof(fc.constantFrom(...filterRows.map(({ key }) => key)), path),
      negated: fc.boolean(),
      values: fc.uniqueArray(fc.oneof(text, date), { minLength: 1, maxLength: 4 }),
    })
    .map((term) => ({
      ...term,
      values: term.values.filter((value) => faultOf(term.negated ? `${term.key}!` : term.key, value) === null),
    }))
    // "metadata.a!" is the negation in a query string, so no filter has a path that ends in "!".
    .filter(({ key, negated, values }) => values.length > 0 && (negated || !key.endsWith('!')));
  /** How many values of a filter the service counts: a metadata path has one for each way to read its dots. */
  const countedValues = ({ key, values }: Term) =>
    values.length * (key.startsWith(metadataPrefix) ? readingsOf(key).length : 1);
  const terms = fc
    .uniqueArray(term, { maxLength: 6, selector: ({ key, negated }) => `${negated}${key}` })
    // A filter with more is refused, as test/conformance/input-queries.test.ts says.
    .filter((all) => all.reduce((sum, term) => sum + countedValues(term), 0) <= filterLimits.values_all_max);

  it('is read back as the same filter, whatever its values are', () => {
    fc.assert(
      fc.property(terms, (written) => {
        const { query, faults } = readSyntax(writeSyntax(written));
        expect(faults).toEqual([]);
        const asTerms = (all: Term[]) => all.toSorted((a, b) => (a.key + a.negated < b.key + b.negated ? -1 : 1));
        expect(asTerms(readFilter(query).terms)).toEqual(asTerms(written));
        expect(readFilter(query).key).toBe(writeFilter(written).toString());
      }),
      { numRuns: 5_000 },
    );
  }, 120_000);

  it('has no character that a single-line input removes', () => {
    fc.assert(
      fc.property(terms, (written) => void expect(writeSyntax(written)).not.toMatch(/[\n\r\u2028\u2029]|\p{Cc}/u)),
    );
  });
});

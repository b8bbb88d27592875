/** Invalid queries with the parameter that the refusal names, and unusual valid queries. */

const dates = [
  'infinity',
  '99999-01-01',
  '2026-02-30',
  '2026-01-01T24:30',
  '2016-12-31T23:59:60Z',
  '0000-01-01',
  'now',
];
const values = (key: string, n: number) => Array.from({ length: n }, (_, i) => `${key}=${i}`).join('&');
const steps = (n: number) => Array(n).fill('a').join('.');

/** A query of GET /api/logs, and the parameter that its refusal must name. */
export const badQueries: [query: string, names: string][] = [
  ...['-1', '0', '1001', '1e9', 'abc', '1.5', '%20', '+5', '0x10', '１', '99999999999999999999', '%00'].map(
    (value): [string, string] => [`limit=${value}`, 'limit'],
  ),
  ['limit=5&limit=-1', 'limit'],
  ...['all', 'EXACT', '1', 'true', '%00'].map((value): [string, string] => [`count=${value}`, 'count']),
  ...['-1', '1e19', '10000000000000000000', 'abc', '0.5', '%00'].map((value): [string, string] => [
    `offset=${value}`,
    'offset',
  ]),
  ...[
    'abc',
    '1',
    '-',
    '1-',
    '-1',
    'x-1',
    '1-x',
    '1-1-1',
    '0-99999999999999999999',
    '9999999999999999-1',
    '%00',
  ].flatMap((value): [string, string][] => [
    [`before=${value}`, 'before'],
    [`after=${value}`, 'after'],
  ]),
  ['before=1-1&after=1-1', 'after'],
  ['offset=1&before=1-1', 'offset'],
  // More than 100 values in all: of three fields, and of the ways to read the dots of one path.
  [`${['event_type', 'entity_type'].map((key) => values(key, 50)).join('&')}&user_id=1`, 'user_id'],
  [values('metadata.a.b.c.d.e.f.g', 4), 'metadata.a.b.c.d.e.f.g'],
  ...dates.flatMap((value): [string, string][] => [
    [`start_date=${value}`, 'start_date'],
    [`end_date=${value}`, 'end_date'],
  ]),
  ['start_date!=2026-01-01', 'start_date!'],
  ['end_date=2026-01-01%00', 'end_date'],
  ...['event_type', 'entity_type', 'entity_id', 'user_id', 'search', 'service', 'trace_id', 'session_id'].flatMap(
    (field): [string, string][] => [
      [`${field}=a%00`, field],
      [`${field}!=a%00`, `${field}!`],
      [`${field}=${'x'.repeat(256)}`, field],
    ],
  ),
  [`search=${'x'.repeat(10_000)}`, 'search'],
  [Array.from({ length: 51 }, (_, n) => `event_type=A${n}`).join('&'), 'event_type'],
  [Array.from({ length: 11 }, (_, n) => `search=a${n}`).join('&'), 'search'],
  ['metadata.=x', 'metadata.'],
  ['metadata.a..b=x', 'metadata.a..b'],
  ['metadata.a.=x', 'metadata.a.'],
  [`metadata.${steps(11)}=x`, `metadata.${steps(11)}`],
  ['metadata.%00=x', 'metadata.'],
  ['metadata.a=%00', 'metadata.a'],
  ['metadata=x', 'metadata'],
  ...['foo', 'eventtype', 'EVENT_TYPE', 'event_type[]', 'event_type!!', 'limit!', 'id', '__proto__', 'constructor'].map(
    (name): [string, string] => [`${encodeURIComponent(name)}=1`, name],
  ),
  ['toString=1', 'toString'],
  ['format=csv', 'format'],
];

/** Unusual queries that are valid. */
export const goodQueries = [
  'limit=1',
  'limit=1000',
  'limit=',
  'offset=0',
  'offset=10000',
  'event_type=',
  'event_type=a&event_type=b',
  'event_type!=a&event_type!=b',
  'event_type=a&event_type!=a',
  'search=%25',
  'search=_',
  'search=%5C',
  "search='%3B%20drop%20table%20activity_logs%3B--",
  'search=%F0%9F%A7%BE',
  'search=%ED%A0%80',
  'event_type=%FF',
  'event_type=%',
  'start_date=0001-01-01',
  'start_date=9999-12-31&end_date=9999-12-31',
  'start_date=2026-12-31&end_date=2026-01-01',
  'end_date=9999-12-31T23:59:59.999Z',
  'start_date=2026-01-01T00:00:00%2B05:30',
  `metadata.${steps(7)}=1`,
  `metadata.${Array.from({ length: 10 }, () => '"a"').join('.')}=1`,
  "metadata.a'b=1",
  'metadata.a%22b=1',
  'metadata.a%5C=%5C',
  'metadata.__proto__=1',
  'metadata.a={}',
  'metadata.a!=null',
  'metadata.a=9007199254740993',
  'metadata.a=-0',
];

/** The paths that read a filter. */
export const readers = [
  '/api/logs',
  '/api/logs/stats',
  '/api/logs/export',
  '/api/logs/stream',
  '/logs',
  '/logs/stream',
];

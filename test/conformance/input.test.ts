/** Input that is wrong, hostile or merely odd: refused with the field's name, never our fault, and nothing is stored. */
import { connect } from 'node:net';
import { isDeepStrictEqual } from 'node:util';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Entry } from '../../src/log/schema.ts';
import { credentials, json, startService } from '../support/harness.ts';
import { notOn } from '../targets/not-on.ts';
import { reasons } from '../targets/reasons.ts';

const event = { event_type: 'CREATE', entity_type: 'order' };
const emoji = '🧾';
const deep = (depth: number) => `${'{"a":'.repeat(depth)}1${'}'.repeat(depth)}`;
const withMetadata = (raw: string) => `{"event_type":"CREATE","entity_type":"order","metadata":${raw}}`;
const with_ = (field: string, value: unknown) => ({ ...event, [field]: value });
const keys = (n: number) => `{${Array.from({ length: n }, (_, i) => `"${i}":1`).join()}}`;
// Made before the service runs in this same process: it blocks the loop for a while.
const millionKeys = withMetadata(keys(1_000_000));
const now = Date.now();
const inHours = (hours: number) => new Date(now + hours * 3_600_000).toISOString();

/** A body, and the field that its refusal must name. */
const badEvents: [what: string, body: unknown, field: string][] = [
  ...['event_type', 'entity_type', 'entity_id', 'user_id', 'description', 'user_agent', 'service', 'trace_id']
    .concat(['session_id', 'event_uid', 'ip_address', 'timestamp'])
    .flatMap((field): [string, unknown, string][] => [
      [`NUL in ${field}`, with_(field, 'a\0b'), field],
      // PGlite's reader would drop it: what was stored would not come back.
      [`a byte order mark before ${field}`, with_(field, '\ufeffa'), field],
      [`half a surrogate pair in ${field}`, with_(field, 'a\ud800b'), field],
      [`the other half in ${field}`, with_(field, '\udc00'), field],
      [`${field} as an object`, with_(field, {}), field],
      [`${field} as an array`, with_(field, ['CREATE']), field],
      [`${field} as true`, with_(field, true), field],
    ]),
  ...Object.entries({
    event_type: 255,
    entity_type: 255,
    entity_id: 255,
    user_id: 255,
    service: 100,
    trace_id: 100,
    session_id: 255,
    event_uid: 255,
    description: 10_000,
    user_agent: 2_000,
  }).flatMap(([field, most]): [string, unknown, string][] => [
    [`${most + 1} characters of ${field}`, with_(field, 'x'.repeat(most + 1)), field],
    [`${most + 1} emoji of ${field}`, with_(field, emoji.repeat(most + 1)), field],
  ]),
  ...['', ' ', '\t\n', '\u00a0'].flatMap((blank): [string, unknown, string][] => [
    [`event_type ${JSON.stringify(blank)}`, with_('event_type', blank), 'event_type'],
    [`entity_type ${JSON.stringify(blank)}`, with_('entity_type', blank), 'entity_type'],
  ]),
  ['no event_type', { entity_type: 'order' }, 'event_type'],
  ['no entity_type', { event_type: 'CREATE' }, 'entity_type'],
  ['event_type null', with_('event_type', null), 'event_type'],
  ['event_type as a number', with_('event_type', 1), 'event_type'],
  ['an identifier that is no whole number', with_('entity_id', 1.5), 'entity_id'],
  ['an identifier that JSON has rounded', withField('entity_id', '9007199254740993'), 'entity_id'],
  ['an identifier beyond every number', withField('user_id', '1e400'), 'user_id'],
  ...[
    '10.0.0.0/8',
    '10.0.0.1/32',
    '::1/128',
    '10.0.0.1:80',
    '[::1]',
    '[::1]:80',
    'fe80::1%eth0',
    '256.0.0.1',
    '10.0.0',
    '010.0.0.1',
    '10.0.0.1.1',
    '0x7f.0.0.1',
    '2130706433',
    ':::',
    '1:2:3:4:5:6:7:8:9',
    'localhost',
    ' 10.0.0.1',
    '10.0.0.1\n',
    '１０.0.0.1',
  ].map((address): [string, unknown, string] => [
    `the address ${JSON.stringify(address)}`,
    with_('ip_address', address),
    'ip_address',
  ]),
  ['an address as a number', with_('ip_address', 2130706433), 'ip_address'],
  ...[
    'infinity',
    '-infinity',
    'now',
    'epoch',
    'today',
    'yesterday',
    '99999-01-01T00:00:00Z',
    '+010000-01-01T00:00:00Z',
    '0000-01-01T00:00:00Z',
    '-0001-01-01T00:00:00Z',
    '2026-02-30',
    '2025-02-29T00:00:00Z',
    '2026-13-01',
    '2026-00-10',
    '2026-01-00',
    '2026-01-01T24:00:00Z',
    '2026-01-01T24:30:00Z',
    '2016-12-31T23:59:60Z',
    '2026-01-01T12:60:00Z',
    '2026-01-01T12:00:00+24:00',
    '2026-01-01T12:00:00+01:60',
    '2026-01-01T12:00:00 Europe/Paris',
    '2026-01-01T12',
    '20260101T120000Z',
    '01/02/2026',
    '1767225600',
    'Thu, 01 Jan 2026 00:00:00 GMT',
    '２026-01-01',
    '2026-01-01T12:00:00Z; drop table activity_logs',
  ].map((time): [string, unknown, string] => [`the time ${time}`, with_('timestamp', time), 'timestamp']),
  ['a time as a number', with_('timestamp', 1_767_225_600_000), 'timestamp'],
  ['a time 25 hours ahead', with_('timestamp', inHours(25)), 'timestamp'],
  ['a time in the year 9999', with_('timestamp', '9999-12-31T23:59:59Z'), 'timestamp'],
  ...['[]', '[{"a":1}]', '"text"', '1', 'true', 'false', '0', '""'].map((raw): [string, unknown, string] => [
    `metadata ${raw}`,
    withMetadata(raw),
    'metadata',
  ]),
  ['1e400 in metadata', withMetadata('{"a":{"b":1e400}}'), 'metadata'],
  ['-1e400 in metadata', withMetadata('{"a":[-1e400]}'), 'metadata'],
  ['2^53 + 1 in metadata', withMetadata('{"a":9007199254740993}'), 'metadata'],
  ['1e300 in metadata', withMetadata('{"a":1e300}'), 'metadata'],
  ['metadata 10,000 deep', withMetadata(deep(10_000)), 'metadata'],
  ['metadata 21 deep', withMetadata(deep(21)), 'metadata'],
  ['arrays 10,000 deep in metadata', withMetadata(`{"a":${'['.repeat(10_000)}${']'.repeat(10_000)}}`), 'metadata'],
  ['80,000 keys in metadata', withMetadata(keys(80_000)), 'metadata'],
  ['70 kB of metadata', with_('metadata', { a: 'x'.repeat(70_000) }), 'metadata'],
  ['NUL in a key of metadata', withMetadata('{"a":{"b\\u0000":1}}'), 'metadata'],
  ['NUL in a value of metadata', withMetadata('{"a":["\\u0000"]}'), 'metadata'],
  ['half a surrogate pair in a key of metadata', withMetadata('{"\\ud800":1}'), 'metadata'],
  ['half a surrogate pair in a value of metadata', withMetadata('{"a":"\\udfff"}'), 'metadata'],
  ...['id', 'created_at', 'eventtype', 'Event_type', 'entity-id', 'a\0b', '<script>'].map(
    (field): [string, unknown, string] => [`the unknown field ${JSON.stringify(field)}`, with_(field, 1), field],
  ),
  ...['__proto__', 'constructor', 'toString', 'hasOwnProperty', 'prototype'].map((field): [string, unknown, string] => [
    `the field ${field}`,
    withField(field, '{"event_type":"x"}'),
    field,
  ]),
];

function withField(field: string, raw: string): string {
  return `{"event_type":"CREATE","entity_type":"order",${JSON.stringify(field)}:${raw}}`;
}

const shapes: [what: string, body: string, status: number, names: RegExp][] = [
  ['nothing', '', 400, /body/],
  ['white space', ' \n ', 400, /body/],
  ['truncated JSON', '{"event_type":"CREATE","entity_ty', 400, /body/],
  ['two objects', '{}{}', 400, /body/],
  ['a trailing comma', '[{"event_type":"A","entity_type":"b"},]', 400, /body/],
  ['single quotes', "{'event_type':'A'}", 400, /body/],
  ['NaN', withField('entity_id', 'NaN'), 400, /body/],
  ['an open bracket 100,000 times', '['.repeat(100_000), 400, /body/],
  ['arrays 100,000 deep', '['.repeat(100_000) + ']'.repeat(100_000), 422, /event 0/],
  ['an empty array', '[]', 422, /no event/],
  ['null', 'null', 422, /JSON object/],
  ['a number', '1', 422, /JSON object/],
  ['a string', '"CREATE"', 422, /JSON object/],
  ['true', 'true', 422, /JSON object/],
  ['an array of null', '[null]', 422, /event 0.*JSON object/],
  ['an array in an array', JSON.stringify([[event]]), 422, /event 0/],
  ['an empty object', '{}', 422, /event_type/],
  ['an envelope', JSON.stringify({ logs: [event] }), 422, /logs|event_type/],
  ['1,001 events', JSON.stringify(Array(1_001).fill(event)), 413, /1000.*1001|1,000.*1,001/],
];

const types: [what: string, headers: Record<string, string>, status: number][] = [
  ['text/plain', { 'content-type': 'text/plain' }, 415],
  ['a form', { 'content-type': 'application/x-www-form-urlencoded' }, 415],
  ['a multipart form', { 'content-type': 'multipart/form-data; boundary=x' }, 415],
  ['XML', { 'content-type': 'application/xml' }, 415],
  ['no type', { 'content-type': '' }, 415],
  ['a type that only begins like JSON', { 'content-type': 'application/jsonx' }, 415],
  ['JSON behind text/plain', { 'content-type': 'text/plain; application/json' }, 415],
  ['UTF-16', { 'content-type': 'application/json; charset=utf-16' }, 415],
  ['Latin-1', { 'content-type': 'application/json;charset="iso-8859-1"' }, 415],
  ['gzip', { 'content-type': 'application/json', 'content-encoding': 'gzip' }, 415],
  ['two codings', { 'content-type': 'application/json', 'content-encoding': 'identity, br' }, 415],
];

const goodTypes = [
  'application/json',
  'Application/JSON',
  'application/json; charset=utf-8',
  'application/json;charset="UTF-8"',
  'application/x-ndjson',
  'application/x-ndjson; charset=utf-8',
];

const dates = [
  'infinity',
  '99999-01-01',
  '2026-02-30',
  '2026-01-01T24:30',
  '2016-12-31T23:59:60Z',
  '0000-01-01',
  'now',
];
const steps = (n: number) => Array(n).fill('a').join('.');

/** A query of GET /api/logs, and the parameter that its refusal must name. */
const badQueries: [query: string, names: string][] = [
  ...['-1', '0', '1001', '1e9', 'abc', '1.5', '%20', '+5', '0x10', '１', '99999999999999999999', '%00'].map(
    (value): [string, string] => [`limit=${value}`, 'limit'],
  ),
  ['limit=5&limit=-1', 'limit'],
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

/** Odd, and right. */
const goodQueries = [
  'limit=1',
  'limit=1000',
  'limit=',
  'offset=0',
  'offset=1000000',
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
  `metadata.${steps(10)}=1`,
  "metadata.a'b=1",
  'metadata.a%22b=1',
  'metadata.a%5C=%5C',
  'metadata.__proto__=1',
  'metadata.a={}',
  'metadata.a!=null',
  'metadata.a=9007199254740993',
  'metadata.a=-0',
];

const readers = ['/api/logs', '/api/logs/stats', '/api/logs/export', '/api/logs/stream', '/logs', '/logs/stream'];

const service = await startService();
const [kept] = await service.write({ ...event, description: 'the one that is there' });

type Listing = { logs: Entry[]; total: number };
const list = async (query = '') => (await (await service.request(`/api/logs${query}`)).json()) as Listing;

/** Nothing came in, and the service still answers. */
async function unharmed(total = 1): Promise<void> {
  expect((await list()).total).toBe(total);
}

async function refused(answer: Response, status: number | number[]): Promise<string> {
  const text = await answer.text();
  expect([status].flat(), text).toContain(answer.status);
  expect(answer.headers.get('content-type')).toBe('application/problem+json');
  return text;
}

describe('an event with', () => {
  it.each(badEvents)('%s is refused, alone and in a batch', async (_what, body, field) => {
    const text = typeof body === 'string' ? body : JSON.stringify(body);
    const batch = `[${JSON.stringify(event)},${text}]`;
    for (const [sent, index] of [
      [text, 0],
      [batch, 1],
    ] as const) {
      const answer = await refused(await service.request('/api/logs', json(sent)), 422);
      const { errors } = JSON.parse(answer) as { errors: { index: number; field: string; reason: string }[] };
      expect(errors).toContainEqual({ index, field: expect.any(String), reason: expect.stringMatching(/\S/) });
      expect(errors.map((fault) => fault.field.split('.')[0])).toContain(field.split('.')[0]);
    }
  });

  it('nothing of them is stored', () => unharmed());
});

it.each(shapes)('a body of %s is refused', async (_what, body, status, names) => {
  expect(await refused(await service.request('/api/logs', json(body)), status)).toMatch(names);
  await unharmed();
});

it.each(types)('a body as %s is refused', async (_what, headers, status) => {
  const sent = new TextEncoder().encode(JSON.stringify(event));
  const answer = await service.request('/api/logs', { method: 'POST', headers, body: sent });
  expect(await refused(answer, status)).toMatch(/application\/json/);
  await unharmed();
});

describe('a line of NDJSON', () => {
  const ndjson = (body: string): RequestInit => ({
    method: 'POST',
    headers: { 'content-type': 'application/x-ndjson' },
    body,
  });

  it.each([
    ['that is cut off', `${JSON.stringify(event)}\n{"event_`, 400, /Line 2/],
    ['that is an array', `${JSON.stringify([event])}\n`, 422, /event 0/],
    ['that is not an event', `${JSON.stringify(event)}\n\n{}\n`, 422, /event 1.*event_type/],
    ['that is missing', '\n\n', 422, /no event/],
    ['too many', `${JSON.stringify(event)}\n`.repeat(1_001), 413, /1001/],
  ] as const)('%s refuses them all', async (_what, body, status, names) => {
    expect(await refused(await service.request('/api/logs', ndjson(body)), status)).toMatch(names);
    await unharmed();
  });
});

it.each([
  ['a byte that no character begins with', [0xff]],
  ['an overlong slash', [0xc0, 0xaf]],
  ['a surrogate half', [0xed, 0xa0, 0x80]],
  ['a character cut off', [0xf0, 0x9f]],
])('%s is refused: it is not UTF-8', async (_what, bytes) => {
  const [before, after] = JSON.stringify(with_('description', '#')).split('#') as [string, string];
  const body = Buffer.concat([Buffer.from(before), Buffer.from(bytes), Buffer.from(after)]);
  const answer = await service.request('/api/logs', { ...json(''), body });
  expect(await refused(answer, 400)).toMatch(/UTF-8/);
  await unharmed();
});

describe('a body that is too large', () => {
  const large = JSON.stringify({ ...event, metadata: { a: 'x'.repeat(2_000_000) } });

  it('is refused by its length', async () => {
    await refused(await service.request('/api/logs', json(large)), 413);
    await unharmed();
  });

  it('is refused without one', async () => {
    const init = { ...json(''), body: new Blob([large]).stream(), duplex: 'half' } as RequestInit;
    await refused(await service.request('/api/logs', init), 413);
    await unharmed();
  });

  it('with a million keys is refused', async () => {
    await refused(await service.request('/api/logs', json(millionKeys)), 413);
    await unharmed();
  });
});

/** Sends bytes as they are, and others when a refusal has come; returns what comes back until the connection ends. */
async function raw(bytes: string, { end = false, next = '' } = {}): Promise<string> {
  const socket = connect(Number(new URL(service.url).port), '127.0.0.1');
  socket.on('error', () => {});
  let text = '';
  let rest = next;
  socket.on('data', (chunk) => {
    text += chunk;
    // The refusal is whole: its JSON has ended, and the last chunk has come if it came in chunks.
    if (!rest || !/\}(\r\n0\r\n\r\n)?$/.test(text)) return;
    socket.write(rest, 'latin1');
    rest = '';
  });
  socket.write(bytes, 'latin1');
  if (end) socket.end();
  await new Promise((resolve) => socket.once('close', resolve));
  return text;
}
const chunk = (text: string) => `${text.length.toString(16)}\r\n${text}\r\n`;
const head = `authorization: ${credentials.admin}\r\nhost: localhost\r\nconnection: close\r\n`;
const postHead = `POST /api/logs HTTP/1.1\r\n${head}content-type: application/json\r\n`;

it.each([
  ['ends before its length', `${postHead}content-length: 100\r\n\r\n{"event_type":"A"`],
  ['ends in a chunk', `${postHead}transfer-encoding: chunked\r\n\r\n50\r\n{"event_type":"A","entity_type":"b"}`],
])('a body that %s stores nothing', async (_what, bytes) => {
  expect(await raw(bytes, { end: true })).not.toMatch(/^HTTP\/1.1 [25]/);
  await unharmed();
});

notOn(reasons.edge).describe('a refusal does not cost the connection', () => {
  // Clients keep theirs, and must not lose the next request on it.
  it.each([
    ['too large, by its length', `content-length: 2000000\r\n\r\n${'x'.repeat(2_000_000)}`],
    ['too large, in chunks', `transfer-encoding: chunked\r\n\r\n${chunk('x'.repeat(2_000_000))}${chunk('')}`],
    ['not UTF-8', `transfer-encoding: chunked\r\n\r\n${chunk('\xff')}${chunk('x'.repeat(100_000))}${chunk('')}`],
    ['of no type', `content-encoding: br\r\ncontent-length: 200000\r\n\r\n${'x'.repeat(200_000)}`],
    ['not JSON', 'content-length: 2\r\n\r\n{{'],
  ])('a body that is %s is refused, and the connection it came on goes on', async (_what, body) => {
    const next = `GET /livez HTTP/1.1\r\n${head}\r\n`;
    const answers = await raw(`${postHead.replace('connection: close\r\n', '')}${body}`, { next });
    expect(answers.match(/HTTP\/1.1 \d+/g)).toEqual([expect.stringMatching(/ 4\d\d$/), 'HTTP/1.1 200']);
  });
});

const unreadable: [what: string, bytes: string][] = [
  ['a query of 20 kB', `GET /api/logs?search=${'x'.repeat(20_000)} HTTP/1.1\r\n${head}\r\n`],
  ['a header of 300 kB', `GET /api/logs HTTP/1.1\r\n${head}last-event-id: ${'1'.repeat(300_000)}\r\n\r\n`],
  ['something that is not HTTP', 'EHLO example.com\r\n\r\n'],
  ['two lengths', `${postHead}content-length: 2\r\ncontent-length: 3\r\n\r\n{}`],
];

it.each(unreadable)('%s is refused', async (_what, bytes) => {
  expect(await raw(bytes)).toMatch(/^HTTP\/1.1 [45]\d\d /);
  await unharmed();
});

notOn(reasons.parser).describe('what the parser of HTTP refuses', () => {
  it.each(unreadable)('is a problem too: %s', async (_what, bytes) => {
    expect((await raw(bytes)).toLowerCase()).toContain('content-type: application/problem+json');
  });
});

describe('GET /api/logs', () => {
  it.each(badQueries)('?%s is refused', async (query, names) => {
    const text = await refused(await service.request(`/api/logs?${query}`), 400);
    expect((JSON.parse(text) as { errors: unknown }).errors).toContainEqual({
      field: expect.stringContaining(names),
      reason: expect.stringMatching(/\S/),
    });
  });

  it.each(goodQueries)('?%s is answered', async (query) => {
    const answer = await service.request(`/api/logs?${query}`);
    expect(answer.status, await answer.clone().text()).toBe(200);
    expect(await answer.json()).toMatchObject({ total: expect.any(Number), total_is_exact: true });
  });

  // The ends of time: a cursor may name any moment that a Date can hold.
  it.each(['before', 'after'])('?%s=<the end of time>-1 is answered, or refused by its name', async (name) => {
    for (const ms of [8.64e15, -8.64e15, 253_402_300_800_000, -62_135_596_800_001]) {
      const answer = await service.request(`/api/logs?${name}=${ms}-1`);
      if (answer.status !== 200) expect(await refused(answer, 400)).toContain(`"field":"${name}"`);
    }
  });
});

describe.each(readers)('%s', (path) => {
  it.each([
    ['foo=1', 'foo'],
    ['start_date=infinity', 'start_date'],
    ['event_type=%00', 'event_type'],
    ['metadata.=x', 'metadata.'],
    ['end_date!=2026-01-01', 'end_date!'],
    ['__proto__=1', '__proto__'],
  ])('?%s is refused', async (query, names) => {
    expect(await refused(await service.request(`${path}?${query}`), 400)).toContain(names);
  });
});

// A filter that the database itself would choke on must be refused before the first byte of a stream or a file.
it.each(readers.flatMap((path) => goodQueries.filter((q) => /date|metadata|search/.test(q)).map((q) => [path, q])))(
  '%s?%s is answered to its end',
  async (path, query) => {
    const leave = new AbortController();
    const answer = await service.request(`${path}?${query}`, { signal: leave.signal });
    expect(answer.status).toBe(200);
    if (!path?.endsWith('stream')) await answer.text();
    leave.abort();
  },
);

it.each(['xml', 'CSV', 'constructor', '__proto__', 'csv%00', '../csv'])('format=%s is refused', async (format) => {
  expect(await refused(await service.request(`/api/logs/export?format=${format}`), 400)).toContain('format');
});

describe.each(['/api/logs/stream', '/logs/stream'])('a place in %s', (path) => {
  it.each(['-1', 'abc', '999999999999999999999', '9007199254740991', '2', '1.0', '1e0', '0x1', ' ', '1;2'])(
    '%j is refused by the name of the one who said it',
    async (place) => {
      const header = await service.request(path, { headers: { 'last-event-id': place } });
      // White space alone is no header value: HTTP drops it.
      if (place.trim() !== '') expect(await refused(header, 400)).toContain('Last-Event-ID');
      else await header.body?.cancel();
      expect(await refused(await service.request(`${path}?after=${encodeURIComponent(place)}`), 400)).toContain(
        'after',
      );
    },
  );
});

it.each(['', '2', 'true', '01'])('/logs/live?on=%s is refused', async (on) => {
  expect(await refused(await service.request(`/logs/live?on=${on}`), 400)).toContain('on');
});

it('the event that was there is all that is there', async () => {
  expect(await list()).toMatchObject({ total: 1, logs: [kept] });
});

describe('what is odd and right is kept as it is', () => {
  it.each<[what: string, body: object, kept?: object]>([
    ['255 emoji', with_('event_type', emoji.repeat(255))],
    ['white space around a label', with_('event_type', ' CREATE ')],
    ['white space alone', with_('description', '  ')],
    ['blanks as none', with_('entity_id', ''), { entity_id: null }],
    ['a blank time as none', with_('timestamp', ''), { timestamp: expect.stringMatching(/Z$/) }],
    ['null as none', with_('metadata', null), { metadata: null }],
    ['a number as identifier', with_('entity_id', 55), { entity_id: '55' }],
    ['zero as identifier', with_('entity_id', 0), { entity_id: '0' }],
    ['markup', with_('description', '<img src=x onerror=alert(1)>')],
    ['SQL', with_('description', "'; drop table activity_logs; --")],
    ['control characters', with_('description', '\u0001\u001f\u007f\u0085\u2028\ufeff')],
    ['line breaks', with_('description', 'a\r\nb\rc\nd')],
    ['the last code point', with_('description', '\u{10ffff}\uffff\ufffe')],
    ['an empty object as metadata', with_('metadata', {})],
    ['metadata 20 deep', with_('metadata', JSON.parse(deep(20)))],
    ['numbers', with_('metadata', { a: [0.1, 1e-7, 5e-324, 9007199254740991, -9007199254740991, 1.7e-308] })],
    ['an IPv4 address', with_('ip_address', '10.0.0.1')],
    ['an IPv6 address', with_('ip_address', '2001:db8::1')],
  ])('%s', async (_what, body, changed = {}) => {
    const answer = await service.request('/api/logs', json(body));
    expect(answer.status, await answer.clone().text()).toBe(201);
    const { id } = (await answer.json()) as Entry;
    expect(await (await service.request(`/api/logs/${id}`)).json()).toMatchObject({ ...body, ...changed });
  });

  it.each(['__proto__', 'constructor', 'toString', 'hasOwnProperty', '', '.', 'a.b', ' '])(
    'the key %j in metadata',
    async (key) => {
      const answer = await service.request('/api/logs', json(withMetadata(`{${JSON.stringify(key)}:{"x":1}}`)));
      expect(answer.status).toBe(201);
      const { id } = (await answer.json()) as Entry;
      const { metadata } = (await (await service.request(`/api/logs/${id}`)).json()) as Entry;
      expect(Object.entries(metadata ?? {})).toEqual([[key, { x: 1 }]]);
    },
  );

  it.each(goodTypes)('the content type %s', async (type) => {
    const init = { method: 'POST', headers: { 'content-type': type }, body: JSON.stringify(event) };
    expect((await service.request('/api/logs', init)).status).toBe(201);
  });

  it('a byte order mark', async () => {
    expect((await service.request('/api/logs', json(`\ufeff${JSON.stringify(event)}`))).status).toBe(201);
  });
});

describe('any JSON', () => {
  const wide = fc.string({ unit: fc.nat(0xffff).map((unit) => String.fromCharCode(unit)) });
  const words = fc.oneof(fc.string(), fc.string({ unit: 'binary', maxLength: 60 }), wide, fc.constant(''));
  const identifiers = fc.oneof(words, fc.maxSafeInteger(), fc.double());
  const times = fc.oneof(
    fc.date({ min: new Date('0001-01-01'), max: new Date(now), noInvalidDate: true }).map((date) => date.toISOString()),
    words,
  );
  const metadata = fc.oneof(
    fc.dictionary(words, fc.jsonValue({ stringUnit: 'binary' }), { maxKeys: 4 }),
    fc.jsonValue(),
  );
  const addresses = fc.oneof(fc.ipV4(), fc.ipV6(), fc.ipV4Extended(), words);
  const labels = fc.oneof(fc.constantFrom('CREATE', 'ÄNDERN', emoji.repeat(255)), words);
  const event = fc.record(
    {
      event_type: labels,
      entity_type: labels,
      entity_id: identifiers,
      user_id: identifiers,
      description: words,
      metadata,
      ip_address: addresses,
      user_agent: words,
      timestamp: times,
      service: words,
      trace_id: identifiers,
      session_id: identifiers,
    },
    { requiredKeys: ['event_type', 'entity_type'] },
  );

  /** What docs/api.md says is made of a value: a blank is none, a whole number is its digits. */
  function normalised(field: string, value: unknown): unknown {
    if (value === '' || value === undefined) return null;
    if (field === 'timestamp') return new Date(String(value)).toISOString();
    return typeof value === 'number' && field !== 'metadata' ? String(value) : value;
  }

  async function check(value: unknown): Promise<void> {
    const sent = JSON.stringify(value);
    const answer = await service.request('/api/logs', json(sent));
    const text = await answer.text();
    expect([201, 400, 413, 422], text).toContain(answer.status);
    if (answer.status !== 201) return;
    const stored = JSON.parse(text) as Entry | { logs: Entry[] };
    const told = [JSON.parse(sent)].flat() as Record<string, unknown>[];
    for (const [i, entry] of ('logs' in stored ? stored.logs : [stored]).entries()) {
      const got = (await (await service.request(`/api/logs/${entry.id}`)).json()) as Record<string, unknown>;
      expect(got).toEqual(entry);
      for (const [field, said] of Object.entries(told[i] ?? {})) {
        if (field === 'ip_address' && said !== '') expect(canonical(got[field])).toBe(canonical(said));
        else if (field === 'timestamp' && said === '') expect(got.timestamp).toMatch(/Z$/);
        else if (!isDeepStrictEqual(got[field], normalised(field, said))) expect(got[field]).toEqual(said);
      }
    }
  }

  /** One spelling of an address: PostgreSQL writes 2001:DB8:0::1 as RFC 5952 wants it. */
  const canonical = (address: unknown) =>
    String(address).includes(':') ? new URL(`http://[${address}]`).hostname : String(address);

  it('as a body is stored or refused, and what is stored comes back equal', async () => {
    await fc.assert(fc.asyncProperty(event, check), { numRuns: 150 });
    await fc.assert(fc.asyncProperty(fc.array(event, { minLength: 1, maxLength: 5 }), check), { numRuns: 50 });
    await fc.assert(fc.asyncProperty(fc.jsonValue({ stringUnit: 'binary' }), check), { numRuns: 100 });
  });

  it('as a query is answered or refused', async () => {
    const names = fc.oneof(
      fc.constantFrom('event_type', 'user_id!', 'search', 'search!', 'start_date', 'end_date', 'limit', 'offset'),
      fc.constantFrom('before', 'after', 'metadata.a', 'metadata.a.b!', 'metadata.'),
      words,
    );
    const values = fc.oneof(
      words,
      times,
      fc.nat().map(String),
      fc.tuple(fc.integer(), fc.nat()).map((pair) => pair.join('-')),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(fc.tuple(names, values), { maxLength: 4 }), async (pairs) => {
        const answer = await service.request(`/api/logs?${new URLSearchParams(pairs.map(([n, v]) => [n, v]))}`);
        expect([200, 400], await answer.text()).toContain(answer.status);
      }),
      { numRuns: 200 },
    );
  });
});

it('the service is ready after all of that', async () => {
  expect((await service.request('/readyz')).status).toBe(200);
  expect(await service.write(event)).toHaveLength(1);
});

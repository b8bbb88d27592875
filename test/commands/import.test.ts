/** Import: an export is imported unchanged, an invalid record is named by its line, and the order of events is kept. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createClient, type Log } from '../../src/client.ts';
import { connect } from '../../src/commands/connect.ts';
import type { Adapter } from '../../src/commands/import-events.ts';
import { type ImportOptions, importLimits, importFiles as importThem } from '../../src/commands/import-files.ts';
import { type PlacedRecord, readRecords } from '../../src/commands/import-readers.ts';
import { importFile } from '../../src/commands/import-source.ts';
import { jsonSplitter } from '../../src/commands/json-split.ts';
import type { EntryInput } from '../../src/log/entry.ts';
import type { Entry } from '../../src/log/schema.ts';
import { startService, type TestService } from '../support/harness.ts';

const folder = await mkdtemp(join(tmpdir(), 'edgetrail-import-'));
afterAll(() => rm(folder, { recursive: true, force: true }));

const importFiles = (log: Log, paths: string[], options?: ImportOptions) =>
  importThem(
    log,
    paths.map((path) => importFile(path)),
    options,
  );
const clientOf = (service: TestService) =>
  createClient({ url: service.url, user: 'admin', password: 'admin-password', uid: false });
const file = async (name: string, content: string | Uint8Array) => {
  const path = join(folder, name);
  await writeFile(path, content);
  return path;
};
const exportOf = async (service: TestService, format: string) =>
  (await service.request(`/api/logs/export?format=${format}`)).text();
const entriesOf = async (service: TestService): Promise<Entry[]> => JSON.parse(await exportOf(service, 'json'));
const withoutAssigned = ({ id: _id, created_at: _created_at, ...rest }: Entry) => rest;

const awkwardTexts = [
  'plain',
  ' leading and trailing ',
  '   ',
  'a "quoted" word',
  '"',
  '""',
  'one, two,, three',
  'a line\nbreak',
  'another\r\nline break\r',
  '\n',
  '=1+1',
  '+1',
  '-1',
  '@SUM(A1)',
  '\t=tab',
  '\n=break',
  "'=already",
  'null',
  '{"json": "text"}',
  'naïve 日本語 🦊👩‍👩‍👧 \u2028 \u0007',
  'a byte order mark \ufeff inside',
  `${'Žluťoučký "kůň",\r\n'.repeat(500)}`,
];

function awkwardEvents(): EntryInput[] {
  const random = fc
    .sample(fc.string({ unit: 'binary', maxLength: 40 }), { numRuns: 150, seed: 7 })
    .filter((text) => !text.includes('\0') && text.isWellFormed());
  const texts = [...awkwardTexts, ...random];
  return [
    ...texts.map((text, i) => ({
      event_type: 'UPDATE',
      entity_type: 'order',
      entity_id: String(i),
      description: text,
      metadata: { [text]: [text, { deep: { deeper: text } }, null, true, -1.5e-7] },
      user_agent: text.slice(0, 1_000),
      timestamp: new Date(Date.parse('2026-01-31T23:59:59.997Z') + i).toISOString(),
    })),
    {
      ...{ event_type: '=cmd', entity_type: '-order', entity_id: '@1', user_id: '+2', description: null },
      ...{ metadata: {}, ip_address: '2001:db8::1', user_agent: 'curl/8', timestamp: '0999-03-01T00:00:00.001Z' },
      ...{ service: 'orders', trace_id: '00-ab-01', session_id: 's, 1', event_uid: 'a "uid"' },
      ...{ span_id: '=1', parent_span_id: '007', caused_by: 'why, "so"\n' },
    },
    { event_type: 'DELETE', entity_type: 'order', ip_address: '192.0.2.7' },
  ];
}

/** The pattern of formats.ts. The import keeps the apostrophe, because it may have been part of the text. */
const formula = /^[\s\u00a0\ufeff]*[=+\-@\t\r\n|%\uff1d\uff0b\uff0d\uff20]/;
const escaped = (entry: object) =>
  Object.fromEntries(
    Object.entries(entry).map(([key, value]) => [
      key,
      typeof value === 'string' && formula.test(value) ? `'${value}` : value,
    ]),
  );

/** On PostgreSQL, because PGlite 0.5.16 drops U+FEFF at the beginning of a text. */
describe('an exported log', async () => {
  const source = await startService('postgres');
  await clientOf(source).append(awkwardEvents());

  it.each([
    ['ndjson', 'ndjson', (entry: object) => entry],
    ['json', 'json', (entry: object) => entry],
    ['csv', 'csv', escaped],
    ['spreadsheet', 'csv', (entry: object) => entry],
    ['json', 'unknown', (entry: object) => entry],
    ['ndjson', 'unknown', (entry: object) => entry],
    ['csv', 'unknown', escaped],
  ] as const)('is the same after an import of its %s in a .%s file', async (format, extension, expected) => {
    const target = await startService('postgres');
    const path = await file(`log.${extension}`, await exportOf(source, format));
    const written = await entriesOf(source);
    const imported = await importFiles(clientOf(target), [path], { uids: false });
    expect(imported).toEqual({ stored: written.length, duplicates: 0 });
    expect((await entriesOf(target)).map(withoutAssigned)).toEqual(written.map(withoutAssigned).map(expected));
    await target.stop();
  });
});

describe('the import', async () => {
  const service = await startService('postgres');
  const log = clientOf(service);
  beforeAll(async () => {
    await log([{ event_type: 'CREATE', entity_type: 'first' }]);
  });
  const head = async () => (await log.query({ limit: 1 })).total;
  const good = '{"event_type":"CREATE","entity_type":"order"}';

  it.each([
    [
      'bad.ndjson',
      `${good}\n\n${good}\n{"event_type":"A","entity_type":"b","ip_address":"here"}\n${good}`,
      'line 4: ip_address: must be an IPv4',
    ],
    [
      'bad.json',
      `[${good},${good},\n {"event_type":"A","entity_type":"b","colour":1}]`,
      'item 3 (line 2): colour: is not a field',
    ],
    [
      'bad.csv',
      'event_type,entity_type,description\r\nA,b,"two\r\nlines"\r\n\r\nA,,c\r\n',
      'line 5: entity_type: is required',
    ],
    ['text.csv', 'event_type,entity_type,metadata\nA,b,{}\nA,b,{"a"\n', 'line 3: metadata: must be a JSON object'],
    ['broken.ndjson', `${good}\n{"event_type":`, 'line 2: is not JSON'],
    ['broken.json', `[${good},{"event_type":"A"`, 'after item 1: is not JSON'],
    ['number.ndjson', `${good}\n12`, 'line 2: must be a JSON object'],
    ['cells.csv', 'event_type,entity_type\nA,b\nA,b,c\n', 'line 3: has 3 cells where the header has 2'],
    ['quote.csv', 'event_type,entity_type\nA,b\nA,"b\n', 'line 3: is not CSV'],
    ['header.csv', 'event_type,event_type\n', 'line 1: column 2 of the header'],
    ['latin1.csv', Buffer.from('event_type,entity_type\nA,caf\xe9\n', 'latin1'), 'is not UTF-8'],
    ['no-such-file.csv', null, 'ENOENT'],
    [
      'semicolons.csv',
      'sep=,\nevent_type;entity_type\nA;b\n',
      'line 2: column 1 (event_type;entity_type) is not a field; is the separator a semicolon?',
    ],
    ['bars.csv', 'event_type|entity_type\nA|b\n', 'is not a field; is the separator a vertical bar?'],
    ['other.csv', 'event_type,entity_type,colour\nA,b,red\n', 'line 1: column 3 (colour) is not a field ('],
    ['less.csv', 'event_type,user_id\nA,b\n', 'line 1: the header has no column entity_type'],
    ['cased.csv', 'Event Type,event_type,entity_type\n', 'line 1: column 2 of the header has the name of another'],
    ['unnamed.csv', 'event_type,entity_type,\nA,b,\nA,b,c\n', 'line 3: cell 3 is in a column without a name'],
    ['several.ndjson', '{"entity_type":"b","colour":1}', 'event_type: is required; colour: is not a field of an event'],
    ['long.csv', `event_type,entity_type\nA,"${'x'.repeat(1_100_000)}`, 'line 2: is not CSV: a cell has more than'],
    ['utf16.csv', Buffer.from('\ufeffevent_type,entity_type\n', 'utf16le'), 'is UTF-16: save it as UTF-8'],
    ['plain16.csv', Buffer.from('event_type,entity_type\n', 'utf16le'), 'is UTF-16: save it as UTF-8'],
    [
      'twice.ndjson',
      '{"event_type":"A","entity_type":"b","user_id":"x","user_id":"y"}',
      'user_id: the key is there twice',
    ],
    [
      'zero.json',
      `[${good},{"event_type":"A","entity_type":"b","metadata":{"a":[-0]}}]`,
      'item 2 (line 1): metadata.a.0: a neg',
    ],
    [
      'rounded.json',
      '{"event_type":"A","entity_type":"b","metadata":{"n":9007199254740993}}',
      'item 1 (line 1): metadata.n: a wh',
    ],
    [
      'envelope.json',
      '{"total":1,"logs":[{"event_type":"A","entity_type":"b","metadata":{"n":1e400}}]}',
      'logs.0.metadata.n',
    ],
    [
      'cell.csv',
      'event_type,entity_type,metadata\nA,b,"{""n"":0.12345678901234567891}"\n',
      'line 2: metadata.n: a number with',
    ],
    ['sheet.xlsx', Buffer.from('504b030414000600', 'hex'), 'is a ZIP file or an .xlsx workbook'],
    ['cut.ndjson.gz', gzipSync(good.repeat(50)).subarray(0, 40), 'the gzip data is incomplete'],
    ['bad.ndjson.gz', Buffer.from('1f8b0800ffffffff', 'hex'), 'the gzip data is'],
  ])('stores nothing of a file with an error: %s', async (name, content, reason) => {
    const before = await head();
    const path = content === null ? join(folder, name) : await file(name, content);
    const sound = await file('sound.ndjson', good);
    await expect(importFiles(log, [sound, path])).rejects.toThrow(
      expect.objectContaining({ name: 'ImportError', message: expect.stringContaining(reason) }),
    );
    await expect(importFiles(log, [sound, path])).rejects.toThrow('(nothing is stored)');
    expect(await head()).toBe(before);
  });

  it('names the line of an event that only the service refuses', async () => {
    const refusing: Log = Object.assign(async () => Promise.reject(), log, {
      append: async () =>
        log.append([
          { event_type: 'A', entity_type: 'b' },
          { event_type: '', entity_type: 'b' },
        ]),
    });
    const path = await file('two.ndjson', `${good}\n\n${good}`);
    await expect(importFiles(refusing, [path])).rejects.toThrow('line 3: event_type: must not be blank (nothing is');
  });

  it('reports that a batch without a response may be stored', async () => {
    const silent = createClient({
      url: service.url,
      uid: false,
      fetch: () => Promise.reject(new TypeError('other side closed')),
    });
    const path = await file('one.ndjson', good);
    await expect(importFiles(silent, [path])).rejects.toThrow(
      'no response (other side closed); these events may or may not be stored',
    );
  });

  it('keeps the order of 2,500 events over several files, and does not store an event_uid twice', async () => {
    const numbers = Array.from({ length: 2_500 }, (_, i) => i);
    const line = (n: number) =>
      JSON.stringify({ event_type: 'COUNT', entity_type: 'number', entity_id: n, event_uid: `n-${n}` });
    const paths = [
      await file('a.ndjson', numbers.slice(0, 1_999).map(line).join('\n')),
      await file('b.json', `{"logs": [${numbers.slice(1_999, 2_499).map(line)}], "total": 500}`),
      await file('c.json', line(2_499)),
    ];
    expect(await importFiles(log, paths)).toEqual({ stored: 2_500, duplicates: 0 });
    expect(await importFiles(log, paths)).toEqual({ stored: 0, duplicates: 2_500 });
    const stored = (await exportOf(service, 'ndjson')).split('\n').filter((text) => text.includes('"COUNT"'));
    const ids = stored.map((text): Entry => JSON.parse(text)).sort((a, b) => a.id - b.id);
    expect(ids.map(({ entity_id }) => Number(entity_id))).toEqual(numbers);
  });

  it('splits large events into batches by their bytes', async () => {
    const big = { event_type: 'BIG', entity_type: 'thing', metadata: { text: '日'.repeat(60_000) } };
    const path = await file('big.ndjson', Array.from({ length: 12 }, () => JSON.stringify(big)).join('\n'));
    const bodies: number[] = [];
    const counting = createClient({
      ...{ url: service.url, user: 'admin', password: 'admin-password', uid: false },
      fetch: (input, init) => {
        bodies.push(Buffer.byteLength(String(init?.body)));
        return fetch(input, init);
      },
    });
    expect(await importFiles(counting, [path])).toEqual({ stored: 12, duplicates: 0 });
    expect(bodies).toHaveLength(3);
    expect(Math.max(...bodies)).toBeLessThan(importLimits.batch_bytes_max + 1_000);
  });

  it('passes the records under the key of an adapter to it', async () => {
    const adapter: Adapter = {
      records: 'Records',
      default: (record) => {
        const { n } = record as { n: number };
        if (n === 4) throw new Error('four is too many');
        const event = { event_type: 'ADAPTED', entity_type: 'n', entity_id: n };
        return n === 1 ? null : n === 2 ? event : [event, event];
      },
    };
    const path = await file('adapted.json', '{"Records":[{"n":1},{"n":2},{"n":3},{"n":4}]}');
    await expect(importFiles(log, [path], { adapter })).rejects.toThrow(
      'item 4 (line 1): the adapter failed: four is too many (nothing is stored)',
    );
  });
});

describe('the readers', () => {
  const read = async (path: string, under?: string) => {
    const items: PlacedRecord[] = [];
    for await (const item of readRecords(importFile(path), { records_key: under })) items.push(item);
    return items.map(({ record }) => record);
  };
  const one = { event_type: 'A', n: 1 };
  const two = { event_type: 'B', n: 2 };
  it.each([
    ['one event', 'x.json', JSON.stringify(one, null, 2), [one]],
    ['an array', 'x.json', JSON.stringify([one, two]), [one, two]],
    ['an envelope', 'x.json', JSON.stringify({ logs: [one, two], total: 2 }), [one, two]],
    ['an envelope whose key is not the first', 'x.json', JSON.stringify({ total: 2, logs: [one, two] }), [one, two]],
    ['lines in a .json file', 'x.json', `${JSON.stringify(one)}\n${JSON.stringify(two)}\n`, [one, two]],
    ['a byte order mark', 'x.json', `\ufeff${JSON.stringify([one])}`, [one]],
    ['a byte order mark in a text', 'x.json', '[{"a":"\ufeffx \\ufeff"}]', [{ a: '\ufeffx \ufeff' }]],
    ['an empty array', 'x.json', ' [ ]\n', []],
    ['an empty envelope', 'x.json', '{"logs":[],"total":0}', []],
    ['an envelope with another list', 'x.json', '{"logs":[{"a":[1]}],"more":[2]}', [{ a: [1] }]],
    ['nothing', 'x.json', '', []],
    ['no lines', 'x.ndjson', '\n\r\n', []],
    ['a key named __proto__', 'x.json', '[{"__proto__":{"a":1}}]', [JSON.parse('{"__proto__":{"a":1}}')]],
    ['rows that end in LF', 'x.csv', 'a,b\n1,\n,"2"\n', [{ a: '1' }, { b: '2' }]],
    [
      'rows that end in CRLF, the last one open',
      'x.csv',
      '\ufeffa,b\r\n1," x"\r\n3,"y"',
      [
        { a: '1', b: ' x' },
        { a: '3', b: 'y' },
      ],
    ],
    [
      'rows that end in CR',
      'x.csv',
      'a,b\r1,2\r3,4',
      [
        { a: '1', b: '2' },
        { a: '3', b: '4' },
      ],
    ],
    ['a header alone', 'x.csv', 'a,b\r\n', []],
  ])('read %s', async (_what, name, content, records) => {
    expect(await read(await file(name, content))).toEqual(records);
  });

  it('split JSON into its records wherever a piece of the text ends', () => {
    const values = fc.sample(fc.jsonValue(), { numRuns: 30, seed: 7 });
    const quotes = [{ 'a"]},[{\\': '\\"}],\\\\' }, '\\', [[[]]], {}];
    const texts = [...values, ...quotes].map((value) => JSON.stringify(value));
    const array = `[${texts.join(' ,\n')}]`;
    for (const [depth, text] of [
      [1, array],
      [2, `{"logs":${array},"total":[{}]}`],
    ] as const)
      for (const size of [1, 2, 3, 7, 1_000_000]) {
        const splitter = jsonSplitter(depth);
        const pieces = (text.match(new RegExp(`[^]{1,${size}}`, 'g')) ?? []).flatMap((piece) => splitter.push(piece));
        splitter.end();
        expect(pieces.map(({ value }) => JSON.stringify(value))).toEqual(texts);
        expect(pieces.map(({ line }) => line)).toEqual(texts.map((_text, i) => i + 1));
      }
  });

  it.each([
    '[1,]',
    '[,1]',
    '[1 2]',
    '[1',
    '[{"a":1]}',
    '{"a":1',
    '{"logs":[1],}',
    '{"logs":[1]',
    '[1]x',
    ']',
    '"',
    '12',
    '[1]]',
  ])('refuse %s', async (text) => {
    await expect(read(await file('x.json', text))).rejects.toThrow('is not JSON');
  });

  it('read every row wherever a piece of the file ends', async () => {
    const cell = (n: number) => `"${'é"",\r\n'.repeat(n % 50)}${n}"`;
    const text = `n,text\r\n${Array.from({ length: 4_000 }, (_, n) => `${n},${cell(n)}\r\n`).join('')}`;
    const records = (await read(await file('long.csv', text))) as { n: string; text: string }[];
    expect(records).toHaveLength(4_000);
    expect(records.every(({ n, text: held }, i) => Number(n) === i && held.endsWith(n))).toBe(true);
    expect(records[49]?.text).toBe(`${'é",\r\n'.repeat(49)}49`);
    expect((await readFile(join(folder, 'long.csv'))).length).toBeGreaterThan(5 * 64 * 1024);
  });
});

describe('the environment of a command', () => {
  it.each([
    [{ EDGETRAIL_URL: 'https://log.example.com' }, 'EDGETRAIL_TOKEN: a token'],
    [{ EDGETRAIL_URL: 'log.example.com' }, 'EDGETRAIL_URL: must be a URL'],
    [{ EDGETRAIL_USER: 'ana' }, 'EDGETRAIL_USER: must have the form'],
    [{ EDGETRAIL_TOKENS: 'x' }, 'EDGETRAIL_TOKENS: is not one of'],
  ])('%j is refused', (env, reason) => {
    expect(() => connect(env)).toThrow(reason);
  });

  it('is the service on this machine by default', () => {
    expect(connect({}).url).toBe('http://localhost:9000');
  });
});

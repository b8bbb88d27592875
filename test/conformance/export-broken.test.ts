/** A large export: constant memory, back-pressure from a slow client, and a visible truncation when the database fails. */
import { connect } from 'node:net';
import { expect, it } from 'vitest';
import { formats } from '../../src/api/export-formats.ts';
import { adminClient, credentials, eventually, freshPostgres, sqlClient, startService } from '../support/harness.ts';
import { proxyTo } from '../support/proxy.ts';
import { notOn } from '../targets/not-on.ts';
import { reasons } from '../targets/reasons.ts';
import { exported, type Format, formatNames, idsIn } from './files.ts';

/** True for a text that ends without the truncation mark. */
const isWhole = (format: Format, text: string) => !text.endsWith(formats[format].truncation_mark);

const sample: Record<Format, string> = {
  csv: 'id,user_id\r\n1,ana\r\n',
  spreadsheet: '"=""id"""\r\n1\r\n',
  json: '[\n{"id":1}',
  ndjson: '{"id":1}\n',
};

notOn(reasons.embedded).describe('a slow or broken export', async () => {
  const rows = 8_000;
  const url = await freshPostgres();
  const sql = sqlClient(url);
  // 2 kB a row in a column without an index.
  for (let from = 0; from < rows; from += 500)
    await sql`
      select count(*) from append_logs((
        select jsonb_agg(jsonb_build_object('event_type', 'HEAVY', 'entity_type', 'order', 'user_agent', repeat('x', 2000),
                                            'timestamp', timestamptz '2020-01-01 00:00:00+00' + n * interval '1 second'))
        from generate_series(${from}::int + 1, ${from}::int + 500) n))`;
  const admin = adminClient(url);
  const proxy = await proxyTo(url);
  const service = await startService({ place: { DATABASE_URL: proxy.url }, env: { POLL_MS_MAX: '60000' } });
  const bytes_all = rows * 2_000;

  /** Resolves when the database has sent nothing for 400 ms; returns the bytes it sent since `from`. */
  async function settled(from: number): Promise<number> {
    let last = proxy.received();
    let since = Date.now();
    await eventually('the database sends nothing', () => {
      if (proxy.received() !== last) {
        last = proxy.received();
        since = Date.now();
      }
      return Date.now() - since > 400;
    });
    return last - from;
  }

  const complete = async (format: Format) => idsIn[format](await exported(service, `format=${format}`)).length;

  it('is complete without an outage', async () => {
    expect(await complete('ndjson')).toBe(rows);
  });

  it('waits for a client that does not read, and is complete when the client reads again', async () => {
    const { hostname, port } = new URL(service.url);
    const before = proxy.received();
    const socket = connect(Number(port), hostname);
    socket.write(
      `GET /api/logs/export?format=ndjson HTTP/1.0\r\nhost: x\r\nauthorization: ${credentials.admin}\r\n\r\n`,
    );
    socket.pause();
    await eventually('the export has begun', () => proxy.received() - before > 1_000_000);
    // At most the two socket buffers of the kernel and one page of rows, not the whole log.
    expect(await settled(before)).toBeLessThan(bytes_all / 2);
    let text = '';
    for await (const chunk of socket) text += chunk;
    expect(text.match(/"event_type":"HEAVY"/g)?.length).toBe(rows);
  });

  it('stops reading the database when the client disconnects', async () => {
    const abort = new AbortController();
    const answer = await service.request('/api/logs/export?format=ndjson', { signal: abort.signal });
    await answer.body?.getReader().read();
    abort.abort();
    const before = proxy.received();
    expect(await settled(before)).toBeLessThan(bytes_all / 2);
    expect((await service.request('/readyz')).status).toBe(200);
  });

  /** Reads an export and calls `breakIt` after the first chunk; returns the text, or null when the response was cut. */
  async function readWhile(format: Format, breakIt: () => Promise<void>): Promise<string | null> {
    const answer = await service.request(`/api/logs/export?format=${format}`).catch(() => null);
    // An outage before the first byte is a 503, or a connection closed before the headers.
    if (answer === null || answer.status === 503) return null;
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

  const readyAgain = () =>
    eventually('the service is ready again', async () => (await service.request('/readyz')).status === 200);

  async function cutWhenItGoesAway(format: Format): Promise<void> {
    const text = await readWhile(format, proxy.close);
    await proxy.open();
    if (text !== null) expect(isWhole(format, text)).toBe(false);
    await readyAgain();
    expect(await complete(format)).toBe(rows);
  }

  async function cutOrComplete(format: Format): Promise<void> {
    const done = new AbortController();
    const killer = (async () => {
      let killed = 0;
      while (!done.signal.aborted) {
        const [row] = await admin<{ n: number }[]>`
          select count(pg_terminate_backend(pid))::int as n from pg_stat_activity
          where application_name = 'edgetrail' and datname = current_database()`;
        killed += row?.n ?? 0;
      }
      return killed;
    })();
    const text = await readWhile(format, async () => {}).finally(() => done.abort());
    expect(await killer).toBeGreaterThan(0);
    if (text !== null && isWhole(format, text)) expect(idsIn[format](text)).toHaveLength(rows);
    await readyAgain();
  }

  it.each(formatNames)('is truncated visibly when the database becomes unreachable: %s', cutWhenItGoesAway);
  it.each(formatNames)(
    'is truncated visibly or complete when its connections are killed repeatedly: %s',
    cutOrComplete,
  );

  it.each(formatNames)('a truncated %s file does not parse', (format) => {
    expect(() => idsIn[format](`${sample[format]}${formats[format].truncation_mark}`)).toThrow();
  });

  it('gets a refusal, not an empty file, when the database is unreachable', async () => {
    await proxy.close();
    const answer = await service.request('/api/logs/export?format=ndjson').catch(() => null);
    if (answer) {
      const text = await answer.text().catch(() => null);
      if (text !== null) expect(answer.status).toBe(503);
      expect(text ?? '').not.toMatch(/\bat .*\.ts|ECONN|select /);
    }
    await proxy.open();
    await readyAgain();
  });
});

/** GET /metrics: who may scrape, that the numbers are those of the log, and that clients cannot add series. */
import { describe, expect, it } from 'vitest';
import { credentials, eventually, json, sqlClient, startService, target } from '../support/harness.ts';
import { samplesOf } from '../support/samples.ts';
import { forwarded, scrape } from '../support/scrape.ts';
import { notOn } from '../targets/not-on.ts';
import { reasons } from '../targets/reasons.ts';
import { ask, expectProblem } from './ask.ts';
import { follow, followSocket, order } from './follow.ts';

const service = await startService();
await service.write(Array.from({ length: 20 }, (_, i) => order(i)));
const isProcess = target().runtime !== 'workers';

const route = 'GET /metrics';
const metrics = (authorization: string | null, headers = {}) => ask(service, route, authorization, headers);

describe('who may scrape', () => {
  it.each([
    ['a token with the right', credentials.scraper],
    ['an admin', credentials.admin],
  ])('%s', async (_who, authorization) => {
    const { status, headers, text } = await metrics(authorization, forwarded);
    expect(status).toBe(200);
    expect(headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8');
    expect(headers.get('cache-control')).toBe('no-store');
    expect(samplesOf(text).get('edgetrail_log_events_total')).toBe(20);
  });

  it.each([
    ['a guest', credentials.guest],
    ['a token for writing', credentials.writer],
    ['a token for reading and exporting', credentials.exporter],
  ])('not %s, also not from loopback', async (_who, authorization) => {
    const answer = await metrics(authorization);
    expectProblem(answer, 403);
    expect(answer.text).toContain('metrics');
  });

  it('not a wrong token, also not from loopback', async () => {
    expectProblem(await metrics('Bearer scraper-secret-0002'), 401);
  });

  it('without credentials only where the runtime knows that the client is on this machine', async () => {
    const answer = await metrics(null);
    if (isProcess) expect(samplesOf(answer.text).get('edgetrail_log_events_total')).toBe(20);
    else expectProblem(answer, 401);
  });

  it.each(['x-forwarded-for', 'x-forwarded-proto', 'forwarded', 'via', 'x-real-ip', 'X-Forwarded-For', 'cf-ray'])(
    'not a proxy on this machine that sends %s, without credentials',
    async (name) => expectProblem(await metrics(null, { [name]: '127.0.0.1' }), 401),
  );
});

describe('the numbers', () => {
  it('of the log are those of the API', async () => {
    await service.write(order(1));
    const { total } = (await (await service.request('/api/logs')).json()) as { total: number };
    const samples = await scrape(service);
    expect(samples.get('edgetrail_log_events_total')).toBe(total);
    const newest = samples.get('edgetrail_log_newest_timestamp_seconds') ?? 0;
    expect(Math.abs(newest - Date.now() / 1_000)).toBeLessThan(600);
    expect(samples.get('edgetrail_partitions_ahead_months')).toBe(3);
    expect(samples.get('edgetrail_inbox_refused_events')).toBe(0);
    expect(samples.get('edgetrail_scrape_source_up{source="log"}')).toBe(1);
    for (const table of ['activity_logs', 'activity_inbox', 'log_batches', 'log_rollup'])
      expect([table, samples.get(`edgetrail_table_bytes{table="${table}"}`)]).toEqual([table, expect.any(Number)]);
  });

  it('of a reader: its lag is the newest id minus its cursor in every scrape, and ends at 0', async () => {
    await service.write(Array.from({ length: 300 }, (_, i) => order(i)));
    await eventually('the rollup has caught up', async () => {
      await service.scheduled();
      const samples = await scrape(service);
      const of = (name: string) => samples.get(`edgetrail_reader_${name}{reader="rollup"}`) ?? Number.NaN;
      expect(of('lag_events')).toBe((samples.get('edgetrail_log_events_total') ?? 0) - of('cursor'));
      expect(of('lag_seconds') > 0).toBe(of('lag_events') > 0);
      return of('lag_events') === 0;
    });
  });

  it('are on the page /status, too', async () => {
    const { total } = (await (await service.request('/api/logs')).json()) as { total: number };
    const page = await service.request('/status');
    expect(page.status).toBe(200);
    const text = await page.text();
    expect(text).toContain(`<dt>Events</dt><dd>${total.toLocaleString('en-US')}</dd>`);
    expect(text).toContain(`<dt>In the last 30 days</dt><dd>${total.toLocaleString('en-US')} stored`);
    expect(text.includes('<dt>Followers</dt>')).toBe(isProcess);
  });

  it('in OpenMetrics are the same, and end with # EOF', async () => {
    const accept = 'application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5,*/*;q=0.1';
    const { text, headers } = await metrics(credentials.scraper, { accept });
    expect(headers.get('content-type')).toBe('application/openmetrics-text; version=1.0.0; charset=utf-8');
    expect(text).toMatch(/\n# EOF\n$/);
    expect(text).toContain('\n# TYPE edgetrail_log_events counter\nedgetrail_log_events_total ');
  });
});

it('rows of the inbox that the log refused are counted', async () => {
  const { place } = service;
  // The embedded database belongs to its process.
  if (!('DATABASE_URL' in place)) return;
  const sql = sqlClient(place.DATABASE_URL, 1);
  await sql`insert into activity_inbox_refused (n, reason, event) values (4711, 'a test', '{}')`;
  expect((await scrape(service)).get('edgetrail_inbox_refused_events')).toBe(1);
  await sql`delete from activity_inbox_refused`;
});

notOn(reasons.noCounters).describe('the numbers of a process', () => {
  const value = async (name: string) => (await scrape(service)).get(name) ?? Number.NaN;

  it('count what was stored, and what was refused by reason', async () => {
    const names = {
      received: 'edgetrail_received_events_total{door="http"}',
      duplicates: 'edgetrail_duplicate_events_total',
      appends: 'edgetrail_append_events_sum',
      invalid: 'edgetrail_refused_requests_total{reason="invalid_event"}',
      notFound: 'edgetrail_refused_requests_total{reason="not_found"}',
      signedOut: 'edgetrail_refused_requests_total{reason="not_signed_in"}',
      traceparents: 'edgetrail_ignored_traceparents_total',
    };
    const before = await scrape(service);
    const uid = { event_uid: 'metrics-1' };
    await service.write([order(1, uid), order(2)]);
    await service.write([order(1, uid)]);
    await service.request('/api/logs', json({ event_type: 'A', traceparent: '00-A' }));
    await service.request('/api/logs/999999');
    await service.request('/api/logs', { as: null });
    const after = await scrape(service);
    const grown = Object.entries(names).map(([key, name]) => [key, (after.get(name) ?? 0) - (before.get(name) ?? 0)]);
    expect(Object.fromEntries(grown)).toEqual({
      received: 3,
      duplicates: 1,
      appends: 3,
      invalid: 1,
      notFound: 1,
      signedOut: 1,
      traceparents: 1,
    });
  });

  it('count requests by the pattern of their route', async () => {
    await service.request('/logs/1');
    await service.request('/logs/2');
    const route = '{method="GET",route="/logs/:id",status="200"}';
    expect(await value(`edgetrail_http_request_duration_seconds_count${route}`)).toBe(2);
    const samples = await scrape(service);
    const buckets = [...samples].filter(([name]) => name.includes('_bucket{method="GET",route="/logs/:id"'));
    const counts = buckets.map(([, n]) => n);
    expect(counts).toEqual(counts.toSorted((a, b) => a - b));
    expect(counts.at(-1)).toBe(2);
  });

  it('know how many follow, by what', async () => {
    const stream = await follow(service);
    const page = await service.request('/logs/stream');
    const { socket } = await followSocket(service);
    const open = async () => {
      const samples = await scrape(service);
      return ['sse', 'page', 'websocket'].map((name) => samples.get(`edgetrail_followers{transport="${name}"}`));
    };
    expect(await open()).toEqual([1, 1, 1]);
    await Promise.all([stream.body?.cancel(), page.body?.cancel()]);
    socket.terminate();
    await eventually('nobody follows', async () => (await open()).every((n) => n === 0));
  });

  it('have the memory, the CPU time and the start of the process', async () => {
    expect(await value('process_resident_memory_bytes')).toBeGreaterThan(1e7);
    expect(await value('process_cpu_seconds_total')).toBeGreaterThan(0);
    expect(Math.abs((await value('process_start_time_seconds')) - Date.now() / 1_000)).toBeLessThan(3_600);
  });
});

it('clients cannot add series: not by paths, methods, ids, filters, users or events', async () => {
  let seed = 1;
  const random = () => {
    seed = (seed * 48_271) % 2_147_483_647;
    return seed.toString(36);
  };
  const requests = (): [string, RequestInit & { as?: null }][] => [
    [`/${random()}`, {}],
    [`/api/${random()}/${random()}`, {}],
    [`/logs/${random()}`, {}],
    [`/api/logs/9${random().replace(/\D/g, '')}`, {}],
    [`/public/${random()}.css`, {}],
    [`/api/logs?user_id=${random()}`, {}],
    ['/api/logs', json({ event_type: random(), entity_type: random(), user_id: random(), service: random() })],
    ['/api/logs', { as: null, headers: { authorization: `Bearer ${random()}` } }],
    ['/api/logs', { method: ['PATCH', 'PUT', 'DELETE'][seed % 3] ?? 'PUT' }],
    [`/metrics/${random()}`, { method: 'PUT' }],
    ['/readyz', { method: 'DELETE' }],
  ];
  const sendAll = async () => {
    for (const [path, { as = 'admin', ...init }] of requests())
      await (await service.request(path, { as, ...init })).arrayBuffer();
  };
  // The first response of a kind has a row: there are as many as there are routes and statuses.
  for (let n = 0; n < 3; n++) await sendAll();
  const series = async () => [...(await scrape(service)).keys()].toSorted();
  const before = await series();
  for (let n = 0; n < 10; n++) await sendAll();
  expect(await series()).toEqual(before);
  const shown = before.filter((name) =>
    /method="(?!GET|POST|other)|route="(?!\/api|\/ws|\/status"|\/logs|\/public\/\*|\/metrics"|other)/.test(name),
  );
  expect(shown).toEqual([]);
});

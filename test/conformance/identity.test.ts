/** The identity of a log: an ETag, a cursor or a position of another log is not accepted, although the ids are the same. */
import { cp, mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import {
  emptyDatabase,
  eventually,
  freshPostgres,
  sqlClient,
  startService,
  type TestService,
  target,
} from '../support/harness.ts';
import { notOn } from '../targets/not-on.ts';
import { reasons } from '../targets/reasons.ts';
import { follow, followSocket, orders, take } from './follow.ts';

const paths = ['/api/logs', '/api/logs/stats', '/api/logs/2', '/logs'];

/** Everything that a client may store about a log with at least two events. */
async function keptOf(service: TestService) {
  const tags = await Promise.all(paths.map(async (path) => (await service.request(path)).headers.get('etag') ?? ''));
  const link = (await service.request('/api/logs?limit=1')).headers.get('link') ?? '';
  const message = (await take(await follow(service, '?after=0'), 3)).at(-1);
  const log = (await service.request('/api/logs')).headers.get('edgetrail-log');
  return { tags, before: /before=([^&>]+)/.exec(link)?.[1] ?? '', position: message?.cursor ?? '', log };
}
type Kept = Awaited<ReturnType<typeof keptOf>>;

/** Claims that a service refuses everything that was stored about another log. */
function refusesAll(what: string, open: () => Promise<{ service: TestService; kept: Kept }>) {
  describe(what, async () => {
    const { service, kept } = await open();

    it.each(paths.map((path, i) => [path, i] as const))('a tag of %s gets the full response', async (path, i) => {
      const response = await service.request(path, { headers: { 'if-none-match': kept.tags[i] ?? '' } });
      expect(response.status).toBe(200);
    });

    it.each<[string, string, string, Record<string, string>]>([
      ['a cursor of the list', 'before', `/api/logs?before=${kept.before}`, {}],
      ['a cursor of the page', 'before', `/logs?before=${kept.before}`, {}],
      ['a position', 'after', `/api/logs/stream?after=${kept.position}`, {}],
      ['a Last-Event-ID', 'Last-Event-ID', '/api/logs/stream', { 'last-event-id': kept.position }],
      ['a Last-Event-ID of the page', 'Last-Event-ID', '/logs/stream', { 'last-event-id': kept.position }],
    ])('%s is refused with the name of the parameter', async (_what, field, path, headers) => {
      const response = await service.request(path, { headers });
      expect(response.status).toBe(400);
      expect(await response.text()).toMatch(new RegExp(`${field}: is (from another log|beyond)`));
    });
  });
}

const made = await startService();
await made.write(orders(3));
const kept = await keptOf(made);

describe('a log', () => {
  it('has a UUID, in every response of the API and in the first message of a stream', async () => {
    expect(kept.log).toMatch(/^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/);
    for (const path of ['/api/logs/stats', '/api/logs/1', '/api/logs/export', '/api/logs/stream', '/logs'])
      expect((await made.request(path)).headers.get('edgetrail-log'), path).toBe(kept.log);
    const [hello] = await take(await follow(made), 1, ({ event }) => event === 'log');
    expect(JSON.parse(hello?.data ?? '')).toEqual({ log: kept.log });
    let first: unknown;
    const { socket } = await followSocket(made, '', (message) => {
      first ??= message;
    });
    await eventually('a message came', () => first !== undefined);
    socket.terminate();
    expect(first).toEqual({ type: 'logs', data: [], count: 0, log: kept.log, cursor: kept.position });
  });

  it('accepts its own positions and a bare id', async () => {
    for (const place of [kept.position, '3', '0'])
      expect((await made.request(`/api/logs/stream?after=${place}`)).status, place).toBe(200);
    expect((await made.request(`/api/logs?before=${kept.before}`)).status).toBe(200);
    // The tag of a response that counts the last 24 hours changes with the minute.
    for (const [i, path] of paths.entries())
      if (path.startsWith('/api/logs') && !path.endsWith('stats'))
        expect((await made.request(path, { headers: { 'if-none-match': kept.tags[i] ?? '' } })).status, path).toBe(304);
  });
});

refusesAll('another log with as many events', async () => {
  // On Workers each database is a copy of one migrated database, here with other events.
  const place = target().runtime === 'workers' ? {} : { place: await emptyDatabase(target().database) };
  const service = await startService(place);
  await service.write(orders(3));
  return { service, kept };
});

/** A copy of a log whose service has stopped. */
async function copyOf({ place }: TestService): Promise<TestService['place']> {
  if ('DATABASE_URL' in place)
    return { DATABASE_URL: await freshPostgres(new URL(place.DATABASE_URL).pathname.slice(1)) };
  const DATA_DIR = await mkdtemp(join(tmpdir(), 'edgetrail-restored-'));
  await cp(join(place.DATA_DIR, 'pglite'), join(DATA_DIR, 'pglite'), { recursive: true });
  return { DATA_DIR };
}

refusesAll('a log restored from a backup, after new writes', async () => {
  const first = await startService();
  await first.write(orders(1));
  await first.stop();
  const backup = await copyOf(first);
  const lost = await startService({ place: first.place });
  await lost.write(orders(2));
  const keptOfLost = await keptOf(lost);
  await lost.stop();
  const service = await startService({ place: backup });
  await service.write(orders(2));
  return { service, kept: keptOfLost };
});

notOn(reasons.embedded).it(
  'a stream ends when its log is replaced in the database, and cannot be resumed',
  async () => {
    const service = await startService();
    await service.write(orders(3));
    const response = await follow(service, '?after=0');
    const position = (await take(await follow(service, '?after=0'), 3)).at(-1)?.cursor ?? '';
    // Like a backup restored with one event fewer, and a different event written after it.
    const sql = sqlClient('DATABASE_URL' in service.place ? service.place.DATABASE_URL : '');
    await new Promise((resolve) => setTimeout(resolve, 300));
    await sql.begin(async (tx) => {
      for (const table of ['activity_logs', 'log_batches']) await tx`alter table ${tx(table)} disable trigger user`;
      await tx`delete from activity_logs`;
      await tx`delete from log_batches`;
      await tx`select count(*) from append_logs('[{"event_type":"A","entity_type":"b"},{"event_type":"A","entity_type":"b"},{"event_type":"A","entity_type":"b"}]')`;
    });
    for await (const _chunk of response.body ?? []); // Until it ends.
    expect((await service.request(`/api/logs/stream?after=${position}`)).status).toBe(400);
  },
);

/** The service's clock is set back or forward while it runs: live rows arrive, sessions end in time, and writes are stored. */
import { afterEach, expect, it, vi } from 'vitest';
import { follow, idsOf, order, take } from '../conformance/follow.ts';
import { opens, signIn, signOut } from '../conformance/sign-in.ts';
import { credentials, eventually, freshPostgres, sqlClient, startService } from '../support/harness.ts';

const hour_ms = 3_600_000;
const day_ms = 24 * hour_ms;
const realNow = Date.now;
/** Also the clock of the embedded database, which runs in this process. */
const shiftClock = (ms: number) => vi.spyOn(Date, 'now').mockImplementation(() => realNow() + ms);
afterEach(() => void vi.restoreAllMocks());

const service = await startService('pglite');

/** The text that a live page receives, from now on: its stream is open. */
async function livePage(query: string) {
  const over = new AbortController();
  let text = '';
  const headers = { authorization: credentials.guest, accept: 'text/html' };
  const response = await fetch(`${service.url}/logs/stream${query}`, { headers, signal: over.signal });
  const read = async () => {
    const decoder = new TextDecoder();
    for await (const chunk of response.body ?? []) text += decoder.decode(chunk, { stream: true });
  };
  read().catch(() => {});
  await eventually('the stream is open', () => text !== '');
  return { text: () => text, close: () => over.abort() };
}

it.each(['', '?last=15m', '?last=1h'])(
  'a live page %s shows new events after the clock was set back',
  async (query) => {
    const page = await livePage(query);
    shiftClock(-2 * hour_ms);
    const entries = await service.write(Array.from({ length: 20 }, (_, n) => order(n)));
    await eventually('every new event is on the page', () =>
      entries.every(({ id }) => page.text().includes(`id="e${id}"`)),
    );
    page.close();
  },
);

it('a live page of the last hour does not show an event of yesterday', async () => {
  const page = await livePage('?last=1h');
  const [old] = await service.write({ ...order(1), timestamp: new Date(realNow() - day_ms).toISOString() });
  const [fresh] = await service.write(order(2));
  await eventually('the new event is on the page', () => page.text().includes(`id="e${fresh?.id}"`));
  expect(page.text()).not.toContain(`id="e${old?.id}"`);
  page.close();
});

it.each([-hour_ms, hour_ms])(
  'with the clock moved by %i ms a follower gets new events, and a sign-out ends a session',
  async (ms) => {
    const followed = take(await follow(service), 1);
    const cookie = await signIn(service, 'guest');
    expect(await opens(service, cookie)).toBe(true);
    shiftClock(ms);
    const [entry] = await service.write(order(3));
    expect(idsOf(await followed)).toEqual([entry?.id]);
    await signOut(service, cookie);
    expect(await opens(service, cookie)).toBe(false);
  },
);

it('a session that another instance ended ends its stream soon, also after the clock was set back by an hour', async () => {
  const url = await freshPostgres();
  const sql = sqlClient(url, 1);
  const instance = await startService('postgres', { place: { DATABASE_URL: url } });
  const cookie = await signIn(instance, 'guest');
  const response = await fetch(`${instance.url}/api/logs/stream`, { headers: { cookie } });
  const ended = response.text();
  await new Promise((resolve) => setTimeout(resolve, 500));
  shiftClock(-hour_ms);
  const started = performance.now();
  await sql`delete from log_sessions`;
  await ended;
  expect(performance.now() - started).toBeLessThan(60_000);
});

it('after 150 days without a restart events are stored, with the time of the day', async () => {
  shiftClock(150 * day_ms);
  const [entry] = await service.write(order(4));
  expect(Math.abs(Date.parse(entry?.timestamp ?? '') - Date.now())).toBeLessThan(60_000);
});

/** The live streams of a session end with it, wherever it is ended; those of others go on. */
import { describe, expect, it } from 'vitest';
import WebSocket from 'ws';
import { freshPostgres, sqlClient, startService, type TestService } from '../support/harness.ts';
import { notOn } from '../targets/not-on.ts';
import { reasons } from '../targets/reasons.ts';
import { follow, followSocket, order } from './follow.ts';
import { signIn, signOut } from './sign-in.ts';

const soon_ms = 5_000;
/** A stream that does not end with the session that was ended is still there after this. */
const long_ms = 6_000;

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

type Stream = {
  /** What it ended with: `end` of an answer, or the code of a socket. */
  ended: Promise<string | number>;
  /** What it has been sent. */
  text(): string;
  leave(): void;
};

async function sse(service: TestService, path: string, headers: Record<string, string>): Promise<Stream> {
  const left = new AbortController();
  const answer = await fetch(service.url + path, { headers, signal: left.signal });
  if (answer.status !== 200) throw new Error(`${answer.status} ${await answer.text()}`);
  let text = '';
  const decoder = new TextDecoder();
  const read = async () => {
    for await (const chunk of answer.body ?? []) text += decoder.decode(chunk, { stream: true });
    return 'end';
  };
  const ended = read().catch((error) => String(error));
  return { ended, text: () => text, leave: () => left.abort() };
}

async function socket(service: TestService, headers: Record<string, string>): Promise<Stream> {
  const opened = new WebSocket(`${service.url.replace('http', 'ws')}/ws/logs`, { headers });
  let text = '';
  opened.on('message', (message) => {
    text += message;
  });
  const ended = new Promise<number>((resolve) => opened.once('close', resolve));
  // The close frame is what counts: workerd leaves the connection beneath it open for longer.
  const look = setInterval(() => opened.readyState === WebSocket.CLOSING && opened.terminate(), 20);
  void ended.then(() => clearInterval(look));
  await new Promise((resolve, reject) => {
    opened.once('open', resolve);
    opened.once('error', reject);
  });
  return { ended, text: () => text, leave: () => opened.terminate() };
}

const streamsOf = (service: TestService, cookie: string): Promise<Stream[]> =>
  Promise.all([
    sse(service, '/api/logs/stream', { cookie }),
    sse(service, '/logs/stream', { cookie }),
    socket(service, { cookie }),
  ]);

const ends = (streams: Stream[], within_ms: number) =>
  Promise.all(streams.map(({ ended }) => Promise.race([ended, pause(within_ms).then(() => 'goes on')])));

const how = ['end', 'end', 1008];

describe('one service', async () => {
  const service = await startService();

  it('ends them when the session is ended, and sends them nothing afterwards', async () => {
    const [cookie, other] = [await signIn(service, 'guest'), await signIn(service, 'guest')];
    const [streams, others] = [await streamsOf(service, cookie), await streamsOf(service, other)];
    const byBasic = [await follow(service), await followSocket(service)] as const;
    await service.write(order(1));
    await signOut(service, cookie);
    expect(await ends(streams, soon_ms)).toEqual(how);
    await service.write(order(2));
    expect(await ends(others, 1_000)).toEqual(['goes on', 'goes on', 'goes on']);
    for (const stream of others) expect(stream.text()).toMatch(/order <i>2<|"entity_id":"2"/);
    for (const stream of streams) {
      expect(stream.text()).toMatch(/order <i>1<|"entity_id":"1"/);
      expect(stream.text()).not.toMatch(/order <i>2<|"entity_id":"2"/);
    }
    expect(byBasic[1].socket.readyState).toBe(WebSocket.OPEN);
    byBasic[1].socket.terminate();
    await byBasic[0].body?.cancel();
    for (const stream of others) stream.leave();
  });

  it('does not open them anew', async () => {
    const cookie = await signIn(service, 'guest');
    await signOut(service, cookie);
    await expect(sse(service, '/api/logs/stream', { cookie })).rejects.toThrow(/^Error: 401|^401/);
    await expect(socket(service, { cookie })).rejects.toThrow(/401/);
  });

  it('asks a socket of a session where it comes from, too', async () => {
    const cookie = await signIn(service, 'guest');
    await expect(socket(service, { cookie, origin: 'https://evil.example' })).rejects.toThrow(/403/);
  });

  it('leaves them to whoever has no session, though a cookie came along', async () => {
    const cookie = await signIn(service, 'guest');
    const authorization = `Basic ${btoa('guest:guest-password')}`;
    const streams = [
      await sse(service, '/api/logs/stream', { cookie, authorization }),
      await socket(service, { cookie, authorization }),
    ];
    await signOut(service, cookie);
    expect(await ends(streams, long_ms)).toEqual(['goes on', 'goes on']);
    for (const stream of streams) stream.leave();
  });
});

it('end when the time of their session is over', async () => {
  const brief = await startService({ env: { SESSION_SECONDS_MAX: '2' } });
  const streams = await streamsOf(brief, await signIn(brief, 'guest'));
  expect(await ends(streams, 2_000 + soon_ms)).toEqual(how);
  await brief.stop();
});

notOn(reasons.alone).describe('another instance', async () => {
  const place = { DATABASE_URL: await freshPostgres() };
  const [one, two] = [await startService({ place }), await startService({ place })];
  const sql = sqlClient(place.DATABASE_URL, 1);

  it('ends them as well, and as soon', async () => {
    const cookie = await signIn(one, 'guest');
    const streams = await streamsOf(two, cookie);
    // At the worst moment: the other instance has just asked.
    await pause(1_000);
    await signOut(one, cookie);
    expect(await ends(streams, soon_ms)).toEqual(how);
  });

  it('and so does whoever deletes the session by hand', async () => {
    const streams = [
      ...(await streamsOf(one, await signIn(one, 'guest'))),
      ...(await streamsOf(two, await signIn(one, 'admin'))),
    ];
    await sql`delete from log_sessions`;
    expect(await ends(streams, soon_ms)).toEqual([...how, ...how]);
  });

  it('sessions whose time is over are removed at a sign-in, and no secret is in the table', async () => {
    const cookie = await signIn(one, 'guest');
    await sql`update log_sessions set expires_at = now() - interval '1 second'`;
    const [, secret = ''] = (await signIn(two, 'guest')).split('=');
    const rows = await sql<{ digest: string; user_name: string }[]>`select digest, user_name from log_sessions`;
    expect(rows).toEqual([{ digest: expect.stringMatching(/^[A-Za-z0-9_-]{43}$/), user_name: 'guest' }]);
    expect([secret, cookie.split('=')[1]]).not.toContain(rows[0]?.digest);
  });
});

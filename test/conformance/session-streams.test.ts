/** The live streams of a session end with it, on every instance; other streams stay open. */
import { describe, expect, it } from 'vitest';
import WebSocket from 'ws';
import { freshPostgres, sqlClient, startService, type TestService } from '../support/harness.ts';
import { notOn } from '../targets/not-on.ts';
import { reasons } from '../targets/reasons.ts';
import { follow, followSocket, order } from './follow.ts';
import { signIn, signOut } from './sign-in.ts';

/** Five seconds are promised; a busy machine may take longer, and one that was forgotten stays open. */
const soon_ms = 20_000;
/** A stream that must stay open is checked after this time. */
const long_ms = 6_000;

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

type Stream = {
  /** How it ended: `end` for a response, the close code for a socket. */
  ended: Promise<string | number>;
  /** The text that it received. */
  text(): string;
  leave(): void;
};

async function sse(service: TestService, path: string, headers: Record<string, string>): Promise<Stream> {
  const abort = new AbortController();
  const answer = await fetch(service.url + path, { headers, signal: abort.signal });
  if (answer.status !== 200) throw new Error(`${answer.status} ${await answer.text()}`);
  let text = '';
  const decoder = new TextDecoder();
  const read = async () => {
    for await (const chunk of answer.body ?? []) text += decoder.decode(chunk, { stream: true });
    return 'end';
  };
  const ended = read().catch((error) => String(error));
  return { ended, text: () => text, leave: () => abort.abort() };
}

async function socket(service: TestService, headers: Record<string, string>): Promise<Stream> {
  const opened = new WebSocket(`${service.url.replace('http', 'ws')}/ws/logs`, { headers });
  let text = '';
  opened.on('message', (message) => {
    text += message;
  });
  const ended = new Promise<number>((resolve) => opened.once('close', resolve));
  // The close frame counts: workerd keeps the TCP connection open for longer.
  const check = setInterval(() => opened.readyState === WebSocket.CLOSING && opened.terminate(), 20);
  void ended.then(() => clearInterval(check));
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
  Promise.all(streams.map(({ ended }) => Promise.race([ended, pause(within_ms).then(() => 'open')])));

const endings = ['end', 'end', 1008];

// Sessions are independent of each other, and their ends take seconds: the tests wait for them together.
describe.concurrent('one service', async () => {
  const service = await startService();

  it('ends the streams of a session at the sign-out, and sends them nothing afterwards', async () => {
    const [cookie, other] = [await signIn(service, 'guest'), await signIn(service, 'guest')];
    const [streams, others] = [await streamsOf(service, cookie), await streamsOf(service, other)];
    const byBasic = [await follow(service), await followSocket(service)] as const;
    await service.write(order(1));
    await signOut(service, cookie);
    expect(await ends(streams, soon_ms)).toEqual(endings);
    await service.write(order(2));
    expect(await ends(others, 1_000)).toEqual(['open', 'open', 'open']);
    for (const stream of others) expect(stream.text()).toMatch(/order <i[^>]*>2<|"entity_id":"2"/);
    for (const stream of streams) {
      expect(stream.text()).toMatch(/order <i[^>]*>1<|"entity_id":"1"/);
      expect(stream.text()).not.toMatch(/order <i[^>]*>2<|"entity_id":"2"/);
    }
    expect(byBasic[1].socket.readyState).toBe(WebSocket.OPEN);
    byBasic[1].socket.terminate();
    await byBasic[0].body?.cancel();
    for (const stream of others) stream.leave();
  });

  it('refuses a new stream after the sign-out', async () => {
    const cookie = await signIn(service, 'guest');
    await signOut(service, cookie);
    await expect(sse(service, '/api/logs/stream', { cookie })).rejects.toThrow(/^Error: 401|^401/);
    await expect(socket(service, { cookie })).rejects.toThrow(/401/);
  });

  it('checks the origin of a WebSocket with a session', async () => {
    const cookie = await signIn(service, 'guest');
    await expect(socket(service, { cookie, origin: 'https://evil.example' })).rejects.toThrow(/403/);
  });

  it('keeps a stream open that has an Authorization header beside the cookie', async () => {
    const cookie = await signIn(service, 'guest');
    const authorization = `Basic ${btoa('guest:guest-password')}`;
    const streams = [
      await sse(service, '/api/logs/stream', { cookie, authorization }),
      await socket(service, { cookie, authorization }),
    ];
    await signOut(service, cookie);
    expect(await ends(streams, long_ms)).toEqual(['open', 'open']);
    for (const stream of streams) stream.leave();
  });
});

it.concurrent('streams end when their session expires', async () => {
  const brief = await startService({ env: { SESSION_SECONDS_MAX: '2' } });
  const streams = await streamsOf(brief, await signIn(brief, 'guest'));
  expect(await ends(streams, 2_000 + soon_ms)).toEqual(endings);
  await brief.stop();
});

/** The name of the cookie holds the port, which instances behind one address share, and these do not. */
const sentTo = ({ url }: TestService, cookie: string) => cookie.replace(/-\d+=/, `-${new URL(url).port}=`);

notOn(reasons.alone).describe('two instances', async () => {
  const place = { DATABASE_URL: await freshPostgres() };
  const [one, two] = [await startService({ place }), await startService({ place })];
  const sql = sqlClient(place.DATABASE_URL, 1);

  it('a sign-out on one instance ends the streams on the other within the same time', async () => {
    const cookie = await signIn(one, 'guest');
    const streams = await streamsOf(two, sentTo(two, cookie));
    // The worst case: the other instance has just checked the sessions.
    await pause(1_000);
    await signOut(one, cookie);
    expect(await ends(streams, soon_ms)).toEqual(endings);
  });

  it('a session deleted in the database ends its streams on both instances', async () => {
    const streams = [
      ...(await streamsOf(one, await signIn(one, 'guest'))),
      ...(await streamsOf(two, sentTo(two, await signIn(one, 'admin')))),
    ];
    await sql`delete from log_sessions`;
    expect(await ends(streams, soon_ms)).toEqual([...endings, ...endings]);
  });

  it('a sign-in deletes expired sessions, and the table contains no secret', async () => {
    const cookie = await signIn(one, 'guest');
    await sql`update log_sessions set expires_at = now() - interval '1 second'`;
    const [, secret = ''] = (await signIn(two, 'guest')).split('=');
    const rows = await sql<{ digest: string; user_name: string }[]>`select digest, user_name from log_sessions`;
    expect(rows).toEqual([{ digest: expect.stringMatching(/^[A-Za-z0-9_-]{43}$/), user_name: 'guest' }]);
    expect([secret, cookie.split('=')[1]]).not.toContain(rows[0]?.digest);
  });
});

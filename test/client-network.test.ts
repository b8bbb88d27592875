/**
 * The SDK on network failures and error responses that the real service seldom gives. No service runs in this file: it
 * would share the process, and with it the fake timers.
 */
import { afterEach, describe, expect, it, vi } from 'vitest';
import { clientLimits, createClient, eventStreamParser } from '../src/client.ts';
import { appendProblemOf } from '../src/http/problem.ts';
import { tooMany as limitProblem } from '../src/http/rate-limit.ts';
import type { EntryInput } from '../src/log/entry.ts';

const event: EntryInput = { event_type: 'CREATE', entity_type: 'order' };

const fakeTimers = () => vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
afterEach(() => {
  vi.useRealTimers();
});

/** A fetch that returns the given responses in order; an Error is a network failure. */
function answering(...answers: (Response | Error)[]) {
  const asked: { url: string; init: RequestInit }[] = [];
  const answer: typeof fetch = async (input, init = {}) => {
    const next = answers[asked.length];
    asked.push({ url: String(input), init });
    if (next === undefined) return new Promise(() => {});
    if (next instanceof Error) throw next;
    // As fetch does it: the body breaks when the request is aborted.
    const body =
      next.body && init.signal ? next.body.pipeThrough(new TransformStream(), { signal: init.signal }) : null;
    return new Response(body, next);
  };
  return { asked, fetch: answer };
}

const refused = (status: number, detail: string, headers: Record<string, string> = {}) =>
  new Response(JSON.stringify({ status, detail }), {
    status,
    headers: { 'content-type': 'application/problem+json', ...headers },
  });
const stored = () => Response.json({ logs: [{ id: 1 }], count: 1 }, { status: 201 });
const networkError = new TypeError('fetch failed');

const sseResponse = (chunks: string[], then: 'end' | 'break' | 'stay' = 'end') =>
  new Response(
    new ReadableStream({
      start(controller) {
        for (const chunk of chunks) controller.enqueue(new TextEncoder().encode(chunk));
        if (then === 'end') controller.close();
      },
      pull(controller) {
        if (then === 'break') controller.error(new TypeError('terminated'));
        return new Promise(() => {});
      },
    }),
    { headers: { 'content-type': 'text/event-stream; charset=utf-8' } },
  );
const sseEntry = (id: number) => `id: ${id}\ndata: {"id":${id}}\n\n`;

const problemAfter = (code: string) => () => {
  const problem = appendProblemOf(Object.assign(new Error(), { code }));
  return new Response(JSON.stringify(problem), {
    status: problem.status,
    headers: { 'content-type': 'application/problem+json' },
  });
};
const tooMany = problemAfter('55P03');
const unreachable = problemAfter('ECONNREFUSED');
const limited = () => {
  const problem = limitProblem('slower', [], { stored: 'nothing' });
  return new Response(JSON.stringify(problem), {
    status: problem.status,
    headers: { 'content-type': 'application/problem+json', ...problem.headers },
  });
};
const lost = problemAfter('CONNECTION_CLOSED');

describe('a write is retried after', () => {
  const writes: [string, () => Parameters<typeof answering>, boolean, number, boolean][] = [
    ['a network error', () => [networkError, stored()], true, 2, true],
    ['a 503', () => [lost(), stored()], true, 2, true],
    ['a bad gateway', () => [new Response('<h1>', { status: 502 }), stored()], true, 2, true],
    ['four failures', () => [networkError, networkError, networkError, networkError, stored()], true, 4, false],
    ['a 422', () => [refused(422, 'no'), stored()], true, 1, false],
    ['a 429', () => [refused(429, 'no'), stored()], true, 2, true],
    [
      'a 429 without uids, whose sender does not say what it stored',
      () => [refused(429, 'no'), stored()],
      false,
      1,
      false,
    ],
    ['the 429 of a limit without uids', () => [limited(), stored()], false, 2, true],
    ['a network error without uids', () => [networkError, stored()], false, 1, false],
    ['a database connection lost during the write without uids', () => [lost(), stored()], false, 1, false],
    ['an unreachable database without uids', () => [unreachable(), stored()], false, 2, true],
    ['a full queue without uids', () => [tooMany(), stored()], false, 2, true],
  ];
  it.each(writes)('%s', async (_what, answers, uid, requests, succeeds) => {
    fakeTimers();
    const { asked, fetch } = answering(...answers());
    const log = createClient({ url: 'http://log.test', token: 'x', fetch, uid });
    const outcome = log(event).then(
      () => true,
      () => false,
    );
    await vi.runAllTimersAsync();
    expect(await outcome).toBe(succeeds);
    expect(asked).toHaveLength(requests);
    const bodies = asked.map(({ init }) => init.body);
    expect(new Set(bodies).size).toBe(1);
    expect(JSON.parse(String(bodies[0]))[0].event_uid === undefined).toBe(!uid);
  });

  it.each([429, 503])('waits for the time that Retry-After gives with a %i', async (status) => {
    fakeTimers();
    const { asked, fetch } = answering(refused(status, 'later', { 'retry-after': '7' }), stored());
    const written = createClient({ url: 'http://log.test/under/', token: 'x', fetch })(event);
    await vi.advanceTimersByTimeAsync(6_900);
    expect(asked).toHaveLength(1);
    await vi.advanceTimersByTimeAsync(200);
    expect(await written).toEqual({ id: 1 });
    expect(asked[0]?.url).toBe('http://log.test/under/api/logs?');
  });
});

describe('following over an unreliable network', () => {
  const follow = async (answers: Parameters<typeof answering>, n: number) => {
    fakeTimers();
    const { asked, fetch } = answering(...answers);
    const log = createClient({ url: 'http://log.test', token: 'x', fetch });
    const seen: number[] = [];
    const following = (async () => {
      for await (const { id } of log.follow({}, { after: 3 })) if (seen.push(id) === n) break;
    })();
    await vi.advanceTimersByTimeAsync(300_000);
    await following;
    const resumed = asked.map(({ init }) => new Headers(init.headers).get('last-event-id'));
    return { seen, resumed };
  };

  it('resumes after the last complete message, however the stream ended', async () => {
    const { seen, resumed } = await follow(
      [
        networkError,
        sseResponse(['id: 3\n\n', sseEntry(4), 'id: 5\ndata: {"i'], 'break'),
        refused(503, 'going away'),
        sseResponse([': hello\n\n', sseEntry(5), 'id: 9\n\n']),
        sseResponse([sseEntry(9), sseEntry(10), 'id: 11\nevent: other\ndata: ?\n\n'], 'break'),
        sseResponse([sseEntry(12)]),
      ],
      4,
    );
    expect(seen).toEqual([4, 5, 10, 12]);
    expect(resumed).toEqual([null, null, '4', '4', '9', '11']);
  });

  it('reconnects when a stream sends nothing', async () => {
    const { seen, resumed } = await follow([sseResponse([sseEntry(4)], 'stay'), sseResponse([sseEntry(5)])], 2);
    expect(seen).toEqual([4, 5]);
    expect(resumed).toEqual([null, '4']);
  });

  it('does not count the time that its caller spends as silence of the service', async () => {
    const { fetch, asked } = answering(sseResponse([sseEntry(4) + sseEntry(5)], 'stay'));
    const entries = createClient({ url: 'http://log.test', fetch }).follow();
    expect((await entries.next()).value).toEqual({ id: 4 });
    fakeTimers();
    await vi.advanceTimersByTimeAsync(clientLimits.silence_ms_max * 2);
    expect((await entries.next()).value).toEqual({ id: 5 });
    expect(asked).toHaveLength(1);
    expect(asked[0]?.init.signal?.aborted).toBe(false);
    await entries.return();
    expect(asked[0]?.init.signal?.aborted).toBe(true);
  });

  it('refuses a response that is not an event stream', async () => {
    const { fetch } = answering(new Response('<html>'));
    await expect(createClient({ url: 'http://log.test', fetch }).follow().next()).rejects.toThrow('event stream');
  });
});

describe('the event stream parser', () => {
  const message = [
    '\ufeff: comment',
    'id: 7',
    'data: {"a":',
    'data:1}',
    'retry: 5',
    'nonsense',
    '',
    'id:8-mfk2',
    '',
    '',
    '',
  ];
  const expected = [
    { id: { text: '7', id: 7 }, data: '{"a":\n1}' },
    { id: { text: '8-mfk2', id: 8 }, data: null },
  ];
  it.each(['\n', '\r\n', '\r'])('reads %j line ends wherever a piece of the text ends', (newline) => {
    const text = message.join(newline).replace('\ufeff', '');
    for (let size = 1; size <= text.length; size++) {
      const parse = eventStreamParser();
      const pieces = text.match(new RegExp(`[^]{1,${size}}`, 'g')) ?? [];
      expect(pieces.flatMap((piece) => parse(piece))).toEqual(expected);
    }
  });
});

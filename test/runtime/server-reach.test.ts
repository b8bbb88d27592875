/** The outbound fetch of Node: it connects to the address that was checked, and reads no more than it must. */
import { type AddressInfo, createServer } from 'node:net';
import { afterAll, expect, it } from 'vitest';
import { readNetwork } from '../../src/http/addresses.ts';
import { ReachFault } from '../../src/http/reach.ts';
import { serverReach } from '../../src/runtime/server-reach.ts';
import { farSide } from '../support/sinks/far-side.ts';

const loopback = readNetwork('127.0.0.0/8');
if (!loopback) throw new Error('no network');
const reach = serverReach([loopback]);
const far = await farSide(({ path, headers }) => {
  if (path === '/long') return { body: 'x'.repeat(200_000) };
  if (path === '/moved') return { status: 302, headers: { location: '/long' } };
  return { headers: { 'set-cookie': 'a=b' }, body: String(headers.host) };
});
afterAll(() => far.close());
const port = new URL(far.url).port;
const post = { method: 'POST', headers: { 'x-own': '1' }, body: 'hello' } as const;

it('reaches an allowed address under the name that it was asked for', async () => {
  const answer = await reach(`http://localhost:${port}/`, post);
  expect([answer.status, answer.text, answer.headers.get('set-cookie')]).toEqual([200, `localhost:${port}`, 'a=b']);
});

it('reads no more than 64 KiB of an answer, and follows no redirect', async () => {
  expect((await reach(`${far.url}/long`, post)).text).toHaveLength(65_536);
  expect((await reach(`${far.url}/long`, { ...post, answer_bytes_max: 100_000 })).text).toHaveLength(100_000);
  expect((await reach(`${far.url}/moved`, post)).status).toBe(302);
});

it.each([
  ['an address that is not allowed', `http://127.0.0.1:${port}/`, [], true],
  ['a name that leads to one', `http://localhost:${port}/`, [], true],
  ['an address of another protocol', `tls://127.0.0.1:${port}/`, [loopback], true],
  ['a name that nobody has', 'http://nobody.invalid/', [loopback], true],
  ['a port where nobody listens', 'http://127.0.0.1:1/', [loopback], false],
])('fails for %s', async (_what, url, allowed, lasting) => {
  const asked = far.asked.length;
  const error = await serverReach(allowed)(url, post).catch((thrown) => thrown);
  expect(error).toBeInstanceOf(ReachFault);
  // A machine without a resolver answers EAI_AGAIN for any name.
  if (!/EAI_AGAIN/.test(error.message)) expect(error.lasting, error.message).toBe(lasting);
  expect(far.asked.length).toBe(asked);
});

it('takes the offer of another protocol as a fault that lasts, and does not wait for more', async () => {
  const server = createServer((socket) => {
    socket.on('error', () => {});
    socket.once('data', () =>
      socket.write('HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: other\r\n\r\n'),
    );
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const error = await reach(`http://127.0.0.1:${port}/`, post).catch((thrown) => thrown);
  expect(error).toBeInstanceOf(ReachFault);
  expect([error.lasting, error.message]).toEqual([true, expect.stringContaining('101 Switching Protocols')]);
  server.close();
});

it('ends with its signal', async () => {
  const stopped = new AbortController();
  const answer = reach(`${far.url}/`, { ...post, signal: stopped.signal });
  stopped.abort();
  await expect(answer).rejects.toThrow(ReachFault);
});

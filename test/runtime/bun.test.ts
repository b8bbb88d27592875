/** Behaviour of Bun's HTTP server alone; the conformance suite tests the rest on every runtime. */
import { once } from 'node:events';
import { connect } from 'node:net';
import { expect, it } from 'vitest';
import { credentials, freshPostgres } from '../support/harness.ts';
import { spawnService } from '../support/process.ts';

const service = spawnService(
  { DATABASE_URL: await freshPostgres(), USERS: 'admin:admin:admin-password', BODY_BYTES_MAX: '2048' },
  'bun',
);
const { hostname, port } = new URL(await service.ready);

/** Sends raw bytes; returns what the server sends until it closes the connection or is idle. */
async function answerTo(bytes: string): Promise<string> {
  const socket = connect(Number(port), hostname);
  let text = '';
  socket.on('data', (chunk) => {
    text += chunk;
    socket.setTimeout(200);
  });
  socket.write(bytes);
  socket.setTimeout(10_000, () => socket.destroy());
  await once(socket, 'close');
  return text;
}

const upgrade = (more: string) =>
  `GET /ws/logs HTTP/1.1\r\nhost: x\r\nauthorization: ${credentials.admin}\r\nupgrade: websocket\r\nconnection: upgrade\r\n${more}\r\n`;

it.each([
  ['without a key', '', /^HTTP\/1\.1 400 .*not the handshake of a WebSocket/s],
  ['of an old version', 'sec-websocket-version: 8\r\nsec-websocket-key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n', /^HTTP\/1\.1 4/],
])('a handshake %s is refused with the reason', async (_which, more, answer) => {
  expect(await answerTo(upgrade(more))).toMatch(answer);
});

it.each([
  ['a message that is not HTTP', 'HELLO\r\n\r\n'],
  ['a head that is too long', `GET /livez HTTP/1.1\r\nhost: x\r\nx: ${'x'.repeat(32_000)}\r\n\r\n`],
  [
    'two Content-Length headers',
    'POST /api/logs HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n{}',
  ],
])('the refusal of %s by Bun contains no internals', async (_which, bytes) => {
  const answer = await answerTo(bytes);
  expect(answer).toMatch(/^(HTTP\/1\.1 4\d\d |$)/);
  expect(answer).not.toMatch(/\.ts\b|\bat |stack|bun/i);
});

it('a body above the default limit of Bun gets the 413 of the service', async () => {
  const head = `POST /api/logs HTTP/1.1\r\nhost: x\r\nauthorization: ${credentials.admin}\r\ncontent-type: application/json`;
  const answer = await answerTo(`${head}\r\ncontent-length: ${1024 ** 3}\r\n\r\n`);
  expect(answer).toMatch(/^HTTP\/1\.1 413 .*at most 2048 bytes/s);
});

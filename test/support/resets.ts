/** Followers that end by a reset (RST) at different moments. */
import { connect } from 'node:net';

const admin = `Basic ${btoa('admin:admin-password')}`;
const n_at_once = 20;

const handshake = [
  'Connection: Upgrade',
  'Upgrade: websocket',
  'Sec-WebSocket-Version: 13',
  `Sec-WebSocket-Key: ${btoa('0123456789abcdef')}`,
];

/**
 * Connects a follower with its own filter, so that its reads are not shared, and closes it by a reset (RST): after the
 * request, after the first bytes of the response, or while events arrive.
 */
function connectAndReset(url: string, i: number): Promise<void> {
  const { hostname, port } = new URL(url);
  const path = i % 2 ? '/ws/logs' : '/api/logs/stream';
  const head = [
    `GET ${path}?entity_id!=never${i}${i % 3 === 2 ? '&after=0' : ''} HTTP/1.1`,
    `Host: ${hostname}`,
    `Authorization: ${admin}`,
    ...(i % 2 ? handshake : []),
  ];
  return new Promise((resolve, reject) => {
    const socket = connect(Number(port), hostname);
    socket.setTimeout(60_000, () => socket.destroy(new Error(`follower ${i} got no response`)));
    socket.on('error', reject);
    socket.on('close', () => resolve());
    socket.on('data', (bytes) => {
      if (!/^HTTP\/1\.1 (200|101)/.test(String(bytes))) socket.destroy(new Error(String(bytes)));
      else socket.resetAndDestroy();
    });
    socket.write(`${head.join('\r\n')}\r\n\r\n`, () => {
      if (i % 3 === 0) setTimeout(() => socket.resetAndDestroy(), i % 5);
    });
  });
}

/** So many followers of a service, one after the other at 20 places. */
export async function connectAndResetAll(url: string, n: number): Promise<void> {
  let i = 0;
  const worker = async () => {
    while (i < n) await connectAndReset(url, i++);
  };
  await Promise.all(Array.from({ length: n_at_once }, worker));
}

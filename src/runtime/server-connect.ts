/** Opens a TCP connection to a PostgreSQL server, or one to its unix socket, and negotiates TLS. */
import { connect, isIP, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import type { DatabaseAddress } from '../log/database-url.ts';
import type { Tls } from './postgres-client.ts';

/** The server offers no TLS, and the URL requires it. */
export class NoTlsError extends Error {
  override name = 'NoTlsError';
}

/** The SSLRequest message: length 8, code 80877103 (PostgreSQL, "Message Formats"); `S` accepts it. */
const sslRequest = Uint8Array.of(0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f);
const acceptsTls = 'S'.charCodeAt(0);
const keep_alive_ms = 60_000;
export const failure = (code: string, message: string) => Object.assign(new Error(message), { code });

/**
 * Resolves to a connection on which the startup message can be sent. `track` is given each socket as soon as it exists,
 * and may destroy it. Rejects with NoTlsError when the server offers no TLS and the URL requires it.
 */
export async function connectServer(
  { host, port }: DatabaseAddress['hosts'][number],
  address: DatabaseAddress,
  tls: Tls,
  track: <S extends Socket>(socket: S) => S,
): Promise<Socket> {
  const folder = address.socket_folder;
  const place = folder ? { path: `${folder}/.s.PGSQL.${port}` } : { host, port };
  const socket = track(connect({ ...place, keepAlive: true, keepAliveInitialDelay: keep_alive_ms }));
  await next(socket, 'connect');
  if (!tls) return socket;
  if (!address.is_tls_direct && !(await offersTls(socket))) {
    if (tls === 'prefer') return socket;
    throw new NoTlsError(`sslmode=${address.sslmode} requires TLS, and the server at ${host}:${port} offers none`);
  }
  const secured = connectTls({
    socket,
    host,
    ...(!isIP(host) && { servername: host }),
    ...(address.is_tls_direct && { ALPNProtocols: ['postgresql'] }),
    ...(typeof tls === 'object' ? tls : { rejectUnauthorized: false }),
  });
  await next(track(secured), 'secureConnect');
  return secured;
}

async function offersTls(socket: Socket): Promise<boolean> {
  socket.write(sslRequest);
  const response = await next(socket, 'data');
  // What follows the S in plain text is from somebody in between (CVE-2021-23222).
  return response?.[0] === acceptsTls && response.length === 1;
}

/** The first event of this name, with its value; rejects when the socket fails or closes before. */
function next(socket: Socket, event: 'connect' | 'secureConnect' | 'data'): Promise<Uint8Array | undefined> {
  return new Promise((resolve, reject) => {
    const settle = (finish: () => void) => {
      for (const [name, listener] of listeners) socket.off(name, listener);
      finish();
    };
    const listeners: [string, (value?: never) => void][] = [
      [event, (value) => settle(() => resolve(value))],
      ['error', (error) => settle(() => reject(error))],
      ['close', () => settle(() => reject(failure('CONNECTION_CLOSED', 'the server closed the connection')))],
    ];
    for (const [name, listener] of listeners) socket.on(name, listener);
  });
}

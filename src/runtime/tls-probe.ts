/** Asks a PostgreSQL server whether it offers TLS: postgres.js waits without end when it requires TLS and there is none. */
import { connect } from 'node:net';
import { type DatabaseAddress, parseDatabaseUrl } from '../log/database-url.ts';

/** The server offers no TLS, and the URL requires it. */
export class NoTlsError extends Error {
  override name = 'NoTlsError';
}

/** The SSLRequest message: length 8, code 80877103 (PostgreSQL, "Message Formats"). */
const sslRequest = Uint8Array.of(0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f);
const probe_ms_max = 5_000;

/** Rejects with NoTlsError when DATABASE_URL requires TLS and a server responds that it has none. */
export async function requireTls(url: string): Promise<void> {
  const address = parseDatabaseUrl(url);
  if (address.socket_folder || address.is_tls_direct) return;
  if (['disable', 'allow', 'prefer'].includes(address.sslmode)) return;
  for (const target of address.hosts)
    if (await refusesTls(target))
      throw new NoTlsError(
        `sslmode=${address.sslmode} requires TLS, and the server at ${target.host}:${target.port} offers none`,
      );
}

/** False also when the server cannot be reached: then the connection itself fails, with its own error. */
function refusesTls({ host, port }: DatabaseAddress['hosts'][number]): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, host);
    const finish = (refuses: boolean) => {
      socket.destroy();
      resolve(refuses);
    };
    socket.setTimeout(probe_ms_max, () => finish(false));
    socket.on('connect', () => socket.write(sslRequest));
    socket.on('data', (response) => finish(String(response).startsWith('N')));
    socket.on('error', () => finish(false));
    socket.on('close', () => finish(false));
  });
}

/** The postgres.js client of every runtime: no session state, no type lookup, UTC. */
import postgres from 'postgres';
import { type DatabaseAddress, parseDatabaseUrl } from '../log/database-url.ts';
import { withoutRollbackOfLost } from './lost-transactions.ts';
import { startupPadding } from './startup-message.ts';

const connect_timeout_s = 5;
const reconnect_s = 0.25;

type DriverOptions = postgres.Options<Record<string, never>>;
/** The driver takes several hosts and `sslnegotiation`; its types do not have them. */
type Options = Omit<DriverOptions, 'host' | 'port'> & {
  host: string[];
  port: number[];
  sslnegotiation?: string;
  socket?: () => unknown;
};

/** TLS as postgres.js takes it. Its own 'require' and 'prefer' do not verify. */
export type Tls = false | 'prefer' | 'require' | { rejectUnauthorized: true; checkServerIdentity?: () => undefined };

/** 'allow' as 'prefer': postgres.js would wait for a server without TLS. */
function tlsOf({ sslmode, socket_folder }: DatabaseAddress): Tls {
  if (sslmode === 'disable' || socket_folder) return false;
  if (sslmode === 'allow' || sslmode === 'prefer') return 'prefer';
  if (sslmode === 'require') return 'require';
  return sslmode === 'verify-full'
    ? { rejectUnauthorized: true }
    : { rejectUnauthorized: true, checkServerIdentity: () => undefined };
}

export type ClientOptions = {
  idle_timeout_s?: number;
  /** Parameters of the connections, which a transaction pooler may refuse. */
  session?: Record<string, string>;
  /** Makes the pool's function that opens a socket, with TLS. Without it the driver opens its own. */
  sockets?: (address: DatabaseAddress, tls: Tls) => () => unknown;
};

// The driver names its errors by their class, and a minified class has no name of its own.
Object.defineProperty(postgres.PostgresError, 'name', { value: 'PostgresError' });

/** A client that connects at the first statement. `max` is the size of its pool. */
export function postgresClient(
  url: string,
  max: number,
  { idle_timeout_s, session = {}, sockets }: ClientOptions = {},
) {
  const address = parseDatabaseUrl(url);
  const { hosts, socket_folder, user, password, database, target } = address;
  const tls = tlsOf(address);
  // Our sockets try every host before they fail. With several hosts the driver would not report that, but try for ever.
  const known = sockets && !target ? hosts.slice(0, 1) : hosts;
  const options: Options = {
    host: known.map(({ host }) => host),
    port: known.map(({ port }) => port),
    ...(socket_folder && { path: `${socket_folder}/.s.PGSQL.${hosts[0]?.port}` }),
    ...(user && { user }),
    ...(password && { password }),
    ...(database && { database }),
    ...(target && { target_session_attrs: target as 'primary' }),
    // The driver would name its COMMIT and ROLLBACK. A transaction pooler may run them on a session that has not heard of
    // the name: the error aborts the transaction, the driver repeats its COMMIT, PostgreSQL answers that by rolling back,
    // and the driver reports success. Our own statements have no name in either case: Drizzle asks for none.
    prepare: false,
    ...(sockets
      ? { socket: sockets(address, tls), ssl: false }
      : { ssl: tls, ...(address.is_tls_direct && { sslnegotiation: 'direct' }) }),
    max: Math.min(max, address.connections_max ?? max),
    connect_timeout: address.connect_timeout_s ?? connect_timeout_s,
    ...(idle_timeout_s !== undefined && { idle_timeout: idle_timeout_s }),
    onnotice: () => {},
    // The lookup of array types is not needed, and when the connection ends during it, the rejection cannot be caught.
    fetch_types: false,
    // The default backoff waits up to 20 s before it reconnects, and requests wait with it.
    backoff: () => reconnect_s,
    // Timestamps are parsed as ISO text in UTC: override the settings of the server, database and role.
    connection: {
      application_name: 'edgetrail',
      ...address.session,
      TimeZone: 'UTC',
      DateStyle: 'ISO, MDY',
      ...session,
      // Only our sockets take it out again.
      ...(sockets && startupPadding),
    },
  };
  return withoutRollbackOfLost(postgres(options as unknown as DriverOptions));
}

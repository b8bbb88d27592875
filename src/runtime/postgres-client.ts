/** The postgres.js client of every runtime: no session state, no type lookup, UTC. */
import postgres from 'postgres';
import { type DatabaseAddress, parseDatabaseUrl } from '../log/database-url.ts';

const connect_timeout_s = 5;
const reconnect_s = 0.25;

type DriverOptions = postgres.Options<Record<string, never>>;
/** The driver takes several hosts and `sslnegotiation`; its types do not have them. */
type Options = Omit<DriverOptions, 'host' | 'port'> & { host: string[]; port: number[]; sslnegotiation?: string };

/** TLS as postgres.js takes it. Its own 'require' and 'prefer' do not verify; 'allow' would wait for a server without TLS. */
function tlsOf({ sslmode, socket_folder }: DatabaseAddress): NonNullable<Options['ssl']> {
  if (sslmode === 'disable' || socket_folder) return false;
  if (sslmode === 'allow' || sslmode === 'prefer') return 'prefer';
  if (sslmode === 'require') return 'require';
  return sslmode === 'verify-full'
    ? { rejectUnauthorized: true }
    : { rejectUnauthorized: true, checkServerIdentity: () => undefined };
}

/**
 * A client that connects at the first statement. `max` is the size of its pool,
 * `session` are parameters of its connections, which a transaction pooler may refuse.
 */
export function postgresClient(
  url: string,
  max: number,
  { idle_timeout_s, session = {} }: { idle_timeout_s?: number; session?: Record<string, string> } = {},
) {
  const address = parseDatabaseUrl(url);
  const { hosts, socket_folder, user, password, database, target } = address;
  const options: Options = {
    host: hosts.map(({ host }) => host),
    port: hosts.map(({ port }) => port),
    ...(socket_folder && { path: `${socket_folder}/.s.PGSQL.${hosts[0]?.port}` }),
    ...(user && { user }),
    ...(password && { password }),
    ...(database && { database }),
    ...(target && { target_session_attrs: target as 'primary' }),
    ...(address.is_tls_direct && { sslnegotiation: 'direct' }),
    ...(!address.is_prepare_allowed && { prepare: false }),
    ssl: tlsOf(address),
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
    },
  };
  return postgres(options as unknown as DriverOptions);
}

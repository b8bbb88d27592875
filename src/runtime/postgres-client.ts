/** The postgres.js client of every runtime: no session state, no type lookup, UTC. */
import postgres from 'postgres';

const connect_timeout_s = 5;
const reconnect_s = 0.25;

/**
 * A client that connects at the first statement. `max` is the size of its pool,
 * `session` are parameters of its connections, which a transaction pooler may refuse.
 */
export const postgresClient = (
  url: string,
  max: number,
  { idle_timeout_s, session = {} }: { idle_timeout_s?: number; session?: Record<string, string> } = {},
) =>
  postgres(url, {
    max,
    connect_timeout: connect_timeout_s,
    ...(idle_timeout_s !== undefined && { idle_timeout: idle_timeout_s }),
    onnotice: () => {},
    // The lookup of array types is not needed, and when the connection ends during it, the rejection cannot be caught.
    fetch_types: false,
    // The default backoff waits up to 20 s before it reconnects, and requests wait with it.
    backoff: () => reconnect_s,
    // Timestamps are parsed as ISO text in UTC: override the settings of the server, database and role.
    connection: { application_name: 'edgetrail', TimeZone: 'UTC', DateStyle: 'ISO, MDY', ...session },
  });

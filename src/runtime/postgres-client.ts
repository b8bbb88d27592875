/** postgres.js as this service needs it, on every runtime: no session state, no types asked for, UTC. */
import postgres from 'postgres';

const connect_timeout_s = 5;
const reconnect_s = 0.25;

/** A client that connects lazily: an unreachable server shows at the first statement. `max` is the size of its pool. */
export const postgresClient = (url: string, max: number, { idle_timeout_s }: { idle_timeout_s?: number } = {}) =>
  postgres(url, {
    max,
    connect_timeout: connect_timeout_s,
    ...(idle_timeout_s !== undefined && { idle_timeout: idle_timeout_s }),
    onnotice: () => {},
    // It would ask for array types, which we do not use; cut off in that question, its rejection is nobody's to catch.
    fetch_types: false,
    // Its own would wait up to 20 s before it looks again, and every request with it.
    backoff: () => reconnect_s,
    // Times are read as ISO text in UTC, whatever the server, the database or the role is set to.
    connection: { application_name: 'edgetrail', TimeZone: 'UTC', DateStyle: 'ISO, MDY' },
  });

/** A Worker's database client, one per request: Workers forbids using a connection that another request opened. */
import { drizzle } from 'drizzle-orm/postgres-js';

import { createSessions, type SessionCache, type Sessions } from '../auth/session.ts';

import type { Filter } from '../log/filter.ts';
import { sessionReads } from '../log/reads.ts';
import type { Redact } from '../log/redaction.ts';
import { createStore, type Store } from '../log/store.ts';
import type { Settings } from '../settings.ts';
import { postgresClient } from './postgres-client.ts';
import { report } from './report.ts';
import { rejectCachedReads } from './worker-bindings.ts';

/**
 * One connection per request: opening a second takes longer than it saves (measured in workerd: with one, twice as many
 * lists per second), and a Worker may have six connections.
 */
const request_connections_max = 1;

/** Hyperdrive ends a query after this long. */
export const hyperdrive_ms_max = 60_000;

/** The store and sessions of one request; `end` closes the client unless an export still uses it. */
export function openRequestDatabase(
  settings: Settings,
  redact: Redact,
  known?: SessionCache,
): { store: Store; sessions: Sessions; end(): Promise<void> } {
  const max = Math.min(request_connections_max, settings.DATABASE_CONNECTIONS_MAX);
  const client = postgresClient(settings.DATABASE_URL, max);
  const db = drizzle({ client });
  const store = createStore(db, sessionReads(db, hyperdrive_ms_max), undefined, report, redact);
  const close = () => client.end({ timeout: 1 });
  let exporting = false;
  /** An export continues after its response was returned: its end closes the client. */
  async function* exportPages(filter: Filter, upto: number) {
    try {
      yield* store.exportPages(filter, upto);
    } finally {
      await close();
    }
  }
  return {
    store: {
      ...store,
      exportPages: (filter, upto) => {
        exporting = true;
        return exportPages(filter, upto);
      },
      ready: async () => {
        await store.ready();
        await rejectCachedReads(db);
      },
    },
    sessions: createSessions(db, settings.SESSION_SECONDS_MAX, known),
    end: async () => {
      if (!exporting) await close();
    },
  };
}

/** What a step costs where the planner has no statistics, as after an import or in an embedded database. */
import { sql } from 'drizzle-orm';
import { afterAll, describe, expect, it } from 'vitest';
import { visits } from '../../src/features/visits/tables.ts';
import type { NewEntry } from '../../src/log/entry.ts';
import { stepReader } from '../../src/log/reader.ts';
import { seen } from '../../src/log/seen.ts';
import { createStore } from '../../src/log/store.ts';
import { openPglite } from '../../src/runtime/pglite.ts';
import { openPostgres } from '../../src/runtime/postgres.ts';
import { databases, freshDatabase } from '../support/harness.ts';

const n = 12_000;
const step_ids = 4_000;
/** Alone, a step takes 0.3 s. With the plans that these statements had, the first of `seen` took 12 s, the third of `visits` 20 s. */
const step_ms_max = 6_000;

/** Each event is the first of its user. */
const event = (i: number): Partial<NewEntry> => ({
  event_type: 'CREATE',
  entity_type: 'order',
  user_id: `u${i}`,
  ip_address: `10.${i >> 8}.${i % 256}.1`,
  user_agent: 'curl/8.5.0',
});

describe.each(databases)('%s', (name) => {
  it.each([seen, visits])(
    'steps of $name over users that are all new look up each in the index',
    async (derivation) => {
      const place = await freshDatabase(name);
      const { db, close } =
        'DATA_DIR' in place ? await openPglite(place.DATA_DIR) : openPostgres(place.DATABASE_URL, 2);
      afterAll(close);
      const store = createStore(db);
      for (let at = 0; at < n; at += 1_000)
        await store.append(Array.from({ length: 1_000 }, (_, i) => event(at + i)) as NewEntry[]);
      const steps_ms: number[] = [];
      for (let remaining = 1; remaining > 0; ) {
        const started = performance.now();
        ({ remaining } = await stepReader(db, derivation, step_ids));
        steps_ms.push(performance.now() - started);
      }
      expect(Math.max(...steps_ms)).toBeLessThan(step_ms_max);
      // The planner knows the table: nobody has analyzed it but the steps.
      const table = derivation === seen ? 'log_seen' : 'log_visit';
      const [known] = await db
        .select({ rows: sql<number>`reltuples::float8` })
        .from(sql`pg_class`)
        .where(sql`oid = ${table}::regclass`);
      expect(known?.rows).toBeGreaterThan(n / 2);
    },
  );
});

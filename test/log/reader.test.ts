/** Readers of the log: each entry is derived once, by one instance, in one transaction with the cursor. */
import { type SQL, sql } from 'drizzle-orm';
import { afterAll, describe, expect, it } from 'vitest';
import { readerLimits, runReaders, type Step, stepReader } from '../../src/log/reader.ts';
import { createStore } from '../../src/log/store.ts';
import { openPglite } from '../../src/runtime/pglite.ts';
import { openPostgres } from '../../src/runtime/postgres.ts';
import { databases, eventually, freshDatabase } from '../support/harness.ts';

/**
 * Derivations that keep each id, so that an id that is derived twice violates the primary key. Version 9 ends its own
 * connection in the middle of a step, version 8 fails.
 */
const derivations = [1, 2, 3, 8, 9].map(
  (version) => `create function derive_ids_${version}(after bigint, upto bigint) returns void language plpgsql as $$
  begin
    insert into derived select ${version}, l.id from activity_logs l where l.id > after and l.id <= upto;
    ${{ 8: 'if upto > 5 then perform 1 / 0; end if;', 9: 'perform pg_terminate_backend(pg_backend_pid());' }[version] ?? ''}
  end $$`,
);
const tables = [
  'create table derived (version int, id bigint, primary key (version, id))',
  ...derivations,
  `create function forget_ids(forgotten integer) returns void language sql as
    'delete from derived where version = forgotten'`,
];

async function open(name: (typeof databases)[number]) {
  const place = await freshDatabase(name);
  const { db, close } = 'DATA_DIR' in place ? await openPglite(place.DATA_DIR) : openPostgres(place.DATABASE_URL, 6);
  afterAll(close);
  for (const statement of tables) await db.execute(sql.raw(statement));
  const store = createStore(db);
  const write = (n: number) =>
    store.append(Array.from({ length: n }, () => ({ event_type: 'A', entity_type: 'x' }) as never));
  const select = (query: SQL) =>
    db
      .select({ text: sql<string>`t::text` })
      .from(sql`(${query}) as t`)
      .then((rows) => rows.map(({ text }) => text));
  const derived = async (version: number) =>
    (await select(sql`select id from derived where version = ${version} order by id`)).map((text) =>
      Number(text.slice(1, -1)),
    );
  const readers = () => select(sql`select name, version, cursor from log_readers order by name`);
  /** The step function of a version. */
  const reader =
    (version: number) =>
    (ids_max?: number, ids_min?: number): Promise<Step> =>
      stepReader(db, { name: 'ids', version }, ids_max, ids_min);
  return { db, write, derived, readers, reader };
}

const upTo = (n: number) => Array.from({ length: n }, (_, i) => i + 1);

describe.each(databases)('a reader on %s', async (name) => {
  it('reads every entry once, in steps of at most the given number of ids', async () => {
    const { write, derived, reader } = await open(name);
    const step = reader(1);
    expect(await step()).toEqual({ n_ids: 0, remaining: 0 });
    await write(25);
    expect(await step(10)).toEqual({ n_ids: 10, remaining: 15 });
    expect(await step(10)).toEqual({ n_ids: 10, remaining: 5 });
    await write(2);
    expect(await step(10)).toEqual({ n_ids: 7, remaining: 0 });
    expect(await step(10)).toEqual({ n_ids: 0, remaining: 0 });
    expect(await derived(1)).toEqual(upTo(27));
  });

  it('does nothing while fewer than `ids_min` entries are new', async () => {
    const { write, reader } = await open(name);
    const step = reader(1);
    await write(3);
    await step();
    await write(4);
    expect(await step(100, 5)).toEqual({ n_ids: 0, remaining: 0 });
    await write(1);
    expect(await step(100, 5)).toEqual({ n_ids: 5, remaining: 0 });
  });

  it('moves neither the cursor nor the derived rows when a step fails', async () => {
    const { write, derived, readers, reader } = await open(name);
    await write(5);
    await reader(8)();
    await write(5);
    await expect(reader(8)()).rejects.toThrow();
    expect(await derived(8)).toEqual(upTo(5));
    expect(await readers()).toEqual(['(ids,8,5)']);
  });

  it('derives a new version beside the old one, which ends when the new one has caught up', async () => {
    const { write, derived, readers, reader } = await open(name);
    const [old, next] = [reader(1), reader(2)];
    await write(10);
    await old();
    await next(4);
    expect(await readers()).toEqual(['(ids,1,10)', '(ids@2,2,4)']);
    await write(1);
    expect(await old()).toEqual({ n_ids: 1, remaining: 0 });
    expect([await derived(1), await derived(2)]).toEqual([upTo(11), upTo(4)]);
    await next();
    expect(await readers()).toEqual(['(ids,2,11)']);
    await write(1);
    expect(await old()).toEqual({ n_ids: 0, remaining: 0 });
    expect(await next()).toEqual({ n_ids: 1, remaining: 0 });
    expect([await derived(1), await derived(2)]).toEqual([[], upTo(12)]);
  });

  it('gives the name to a new version also where nothing was appended since it caught up', async () => {
    const { write, readers, reader } = await open(name);
    await write(3);
    await reader(1)();
    await reader(2)(2);
    await reader(3)();
    expect(await readers()).toEqual(['(ids,3,3)']);
    expect(await reader(2)()).toEqual({ n_ids: 0, remaining: 0 });
  });

  it('begins anew when the log was replaced by another one', async () => {
    const { db, write, derived, reader } = await open(name);
    await write(3);
    await reader(1)();
    // As the owner of the tables may: the log's own rule is that its identity never changes.
    await db.execute(sql`alter table log_identity disable trigger user`);
    await db.execute(sql`update log_identity set log_id = gen_random_uuid()`);
    await db.execute(sql`update derived set id = id + 100`);
    expect(await reader(1)(2)).toEqual({ n_ids: 2, remaining: 1 });
    expect(await reader(1)(2)).toEqual({ n_ids: 1, remaining: 0 });
    expect(await derived(1)).toEqual(upTo(3));
  });

  it('begins anew when the log has become shorter than its cursor', async () => {
    const { db, write, derived, reader } = await open(name);
    const step = reader(1);
    await write(3);
    await step();
    await db.execute(sql`update log_readers set cursor = 7`);
    expect(await step()).toEqual({ n_ids: 3, remaining: 0 });
    expect(await derived(1)).toEqual(upTo(3));
  });
});

describe('several instances of a reader on PostgreSQL', () => {
  it('never derive an entry twice, while writers append', async () => {
    const { write, derived, reader } = await open('postgres');
    let writing = true;
    const instance = async () => {
      const step = reader(1);
      for (let last = false; !last; ) {
        last = !writing;
        while ((await step(7)).remaining > 0);
      }
    };
    const writer = async () => {
      for (let i = 0; i < 40; i += 1) await write(1 + (i % 5));
      writing = false;
    };
    await Promise.all([writer(), instance(), instance(), instance()]);
    expect((await reader(1)()).remaining).toBe(0);
    expect(await derived(1)).toEqual(upTo(120));
  });

  it('leave nothing of a step whose connection ends in the middle', async () => {
    const { write, derived, readers, reader } = await open('postgres');
    await write(3);
    await reader(9)(0);
    await expect(reader(9)()).rejects.toThrow();
    expect(await derived(9)).toEqual([]);
    expect(await readers()).toEqual(['(ids,9,0)']);
  });
});

describe('the loop of the readers', () => {
  it('goes on after failures, logs the first of them, steps the others meanwhile, and ends with its signal', async () => {
    const stopping = new AbortController();
    const reported: string[] = [];
    let [steps, others] = [0, 0];
    const looping = runReaders(
      [
        {
          name: 'first',
          step: async () => {
            steps += 1;
            if (steps <= 2) throw new Error(`failure ${steps}`);
            return { n_ids: 1, remaining: steps < 20 ? 1 : 0 };
          },
        },
        {
          name: 'second',
          step: async () => {
            others += 1;
            return { n_ids: 1, remaining: steps < 2 ? 1 : 0 };
          },
        },
      ],
      (what, error) => reported.push(`${what}: ${error}`),
      stopping.signal,
    );
    await eventually('the steps of a catch-up follow each other', () => steps === 20);
    stopping.abort();
    await looping;
    expect(reported).toEqual(['the reader first cannot step: Error: failure 1']);
    expect(others).toBeGreaterThan(steps);
    expect(steps).toBeLessThanOrEqual(21);
    expect(readerLimits.step_ms).toBe(1_000);
  });
});

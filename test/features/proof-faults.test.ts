/** The owner of the database cheats, or two instances seal at once: nothing that contradicts an earlier checkpoint is signed. */
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { seal } from '../../src/features/proof/seal.ts';
import { createStore } from '../../src/log/store.ts';
import { readTileOf } from '../../src/proof/leaves.ts';
import { newSignerKey } from '../../src/proof/note.ts';
import { subtreeHashes } from '../../src/proof/subtree.ts';
import { consistencySubtrees } from '../../src/proof/tree.ts';
import { openPostgres } from '../../src/runtime/postgres.ts';
import { sha256 } from '../../src/runtime/sha256.ts';
import { ask, expectProblem } from '../conformance/ask.ts';
import {
  credentials,
  eventually,
  freshDatabase,
  sqlClient,
  startService,
  type TestService,
} from '../support/harness.ts';
import { consistent, openCheckpoint } from '../support/independent-verifier.ts';
import { scrape } from '../support/scrape.ts';

const { signer, verifier } = await newSignerKey('log.example.com/cheated');
const folder = await mkdtemp(join(tmpdir(), 'edgetrail-anchors-'));
afterAll(() => rm(folder, { recursive: true, force: true }));

const order = { event_type: 'UPDATE', entity_type: 'order', user_id: 'ana' };
const orders = (n: number) => Array.from({ length: n }, () => order);
const n_sealed = 300;

type Cheat = (sql: ReturnType<typeof sqlClient>, url: string) => Promise<unknown>;

/** A log of 300 sealed events whose owner cheats, with all triggers off; with an anchor, while the service is stopped. */
async function cheated(cheat: Cheat, anchor: string | null = null) {
  const env = { SEAL_KEYS: signer, ...(anchor !== null && { ANCHORS: pathToFileURL(anchor).href }) };
  const started = await startService('postgres', { env });
  await started.write(orders(290));
  await started.write(orders(n_sealed - 290));
  const note = await (await started.request('/checkpoint')).text();
  expect(openCheckpoint(note, verifier).size).toBe(n_sealed);
  const { place } = started;
  if (!('DATABASE_URL' in place)) throw new Error('no PostgreSQL');
  if (anchor !== null) {
    await eventually('the anchor has a checkpoint', () => existsSync(anchor));
    await started.stop();
  }
  const sql = sqlClient(place.DATABASE_URL, 1);
  for (const table of ['activity_logs', 'log_batches', 'log_tiles', 'log_checkpoints', 'log_tile_keys'])
    await sql`alter table ${sql(table)} disable trigger user`;
  await cheat(sql, place.DATABASE_URL);
  const service = anchor === null ? started : await startService('postgres', { place, env });
  const sizes = () => sql<{ size: string }[]>`select size from log_checkpoints order by size`;
  return { service, before: await sizes(), sizes };
}

const stopped = async (service: TestService) => (await scrape(service)).get('edgetrail_seal_stopped');

/** Claims that nothing is signed any more, that a request says why, and that events are written and read as before. */
async function expectStopped({ service, before, sizes }: Awaited<ReturnType<typeof cheated>>, why: RegExp) {
  await eventually('the sealer has noticed it', async () => (await stopped(service)) === 1);
  for (const _twice of [1, 2]) {
    const answer = await ask(service, 'GET /checkpoint', credentials.admin);
    expectProblem(answer, 503);
    expect(answer.text).toMatch(why);
  }
  expect(await sizes()).toEqual(before);
  const [written] = await service.write({ ...order, entity_id: 'after' });
  const read = (await (await service.request(`/api/logs/${written?.id}`)).json()) as { entity_id: string };
  expect(read.entity_id).toBe('after');
  expectProblem(await ask(service, `GET /api/logs/${written?.id}/proof`, credentials.admin), 503);
  expect(await sizes()).toEqual(before);
}

describe('the owner of the database', () => {
  it.each<[what: string, cheat: Cheat, why: RegExp]>([
    [
      'changes an event after the last full tile',
      (sql) => sql`update activity_logs set user_id = 'ben' where id = 290`,
      /the first 300 events are not those that were sealed/,
    ],
    [
      'deletes an event after the last full tile',
      (sql) => sql`delete from activity_logs where id = 299`,
      /event 299 is not in the log/,
    ],
    [
      'removes the key of a tile',
      (sql) => sql`delete from log_tile_keys where tile = 1`,
      /the first 300 events are not those that were sealed/,
    ],
    ['removes a tile', (sql) => sql`delete from log_tiles where n = 0`, /tile 0\/0 is missing/],
  ])('%s: the next events are not sealed', async (_what, cheat, why) => {
    const log = await cheated(cheat);
    await log.service.write(order);
    await expectStopped(log, why);
  });

  it('changes an event until its tile is full, and then back: nothing wrong was stored, and sealing goes on', async () => {
    const { service, sizes } = await cheated((sql) => sql`update activity_logs set user_id = 'ben' where id = 290`);
    await service.write(orders(300));
    await eventually('the sealer has noticed it', async () => (await stopped(service)) === 1);
    if (!('DATABASE_URL' in service.place)) throw new Error('no PostgreSQL');
    await sqlClient(service.place.DATABASE_URL, 1)`update activity_logs set user_id = 'ana' where id = 290`;
    await eventually('all is sealed', async () => (await sizes()).at(-1)?.size === String(n_sealed + 300));
    expect(await stopped(service)).toBe(0);
  });

  it('cuts the end of the log: it is noticed at once, and when other events have taken the ids', async () => {
    const log = await cheated(async (sql) => {
      await sql`delete from activity_logs where id > 290`;
      await sql`delete from log_batches where last_id > 290`;
    });
    expectProblem(await ask(log.service, 'GET /checkpoint', credentials.admin), 503);
    await log.service.write(orders(20));
    await expectStopped(log, /the first 300 events are not those that were sealed/);
  });

  it('writes another history with its tiles and checkpoints: an anchor outside of the database knows better', async () => {
    const path = join(folder, 'checkpoints');
    const log = await cheated(async (sql, url) => {
      await sql`update activity_logs set user_id = 'ben' where id = 7`;
      await sql`delete from log_tiles`;
      await sql`delete from log_checkpoints`;
      const { db, reads, close } = openPostgres(url, 4);
      const { tiles } = createStore(db, reads);
      await seal({ tiles, sha256, origin: 'log.example.com/cheated', signers: [], known: [] }, 1_000);
      await close();
    }, path);
    // Of the first checkpoint, after 290 or 300 events: it gets one a minute.
    const { size } = openCheckpoint((await readFile(path, 'utf8')).trimEnd().concat('\n'), verifier);
    await expectStopped(log, new RegExp(`the first ${size} events are not those that were sealed`));
  });

  it('changes an event in a full tile: sealing goes on, because only who verifies reads it again', async () => {
    const { service } = await cheated((sql) => sql`update activity_logs set user_id = 'ben' where id = 7`);
    await service.write(order);
    const note = await (await service.request('/checkpoint')).text();
    expect(openCheckpoint(note, verifier).size).toBe(n_sealed + 1);
    expect(await stopped(service)).toBe(0);
  });
});

describe('two instances that seal one log at once, with writers beside them', () => {
  it('give no size two roots, and each checkpoint goes on from the one before', async () => {
    const place = await freshDatabase('postgres');
    if (!('DATABASE_URL' in place)) throw new Error('no PostgreSQL');
    const databases = Array.from({ length: 3 }, () => openPostgres(place.DATABASE_URL, 4));
    const [writer, ...sealers] = databases.map(({ db, reads }) => createStore(db, reads));
    if (!writer) throw new Error('no store');
    const roots = new Map<number, Set<string>>();
    let over = false;
    const sealAll = async ({ tiles }: typeof writer, ids_max: number) => {
      while (!over || (await tiles.sealed()).newest?.size !== 2_400) {
        const { checkpoint } = await seal({ tiles, sha256, origin: 'two', signers: [], known: [] }, ids_max);
        if (!checkpoint) continue;
        const known = roots.get(checkpoint.size) ?? new Set();
        roots.set(checkpoint.size, known.add(Buffer.from(checkpoint.root).toString('hex')));
      }
    };
    const write = async () => {
      for (let n = 0; n < 20; n += 1) await writer.append(orders(30) as never);
    };
    const writing = Promise.all([write(), write(), write(), write()]).finally(() => {
      over = true;
    });
    await Promise.all([writing, ...sealers.map((store, i) => sealAll(store, 97 + 300 * i))]);
    expect([...roots.values()].map(({ size }) => size)).toEqual([...roots].map(() => 1));
    expect(roots.size).toBeGreaterThan(5);
    expect(Math.max(...roots.keys())).toBe(2_400);
    // Each goes on from the one before: proofs from the tiles, verified by a stranger.
    const sizes = [...roots.keys()].toSorted((a, b) => a - b);
    const bytes = (size: number) => Buffer.from([...(roots.get(size) ?? [])][0] ?? '', 'hex');
    for (const [i, size] of sizes.entries()) {
      const old = sizes[i - 1];
      if (old === undefined) continue;
      const hashOf = subtreeHashes(sha256, readTileOf(writer.tiles, sha256), size);
      const path = (await Promise.all(consistencySubtrees(old, size).map(hashOf))).map((hash) => Buffer.from(hash));
      expect(consistent(old, size, bytes(old), path)).toEqual([bytes(old), bytes(size)]);
    }
    await Promise.all(databases.map(({ close }) => close()));
  });
});

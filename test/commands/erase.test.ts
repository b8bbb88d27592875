/** Erasure of a person: nothing of her is left, and every proof stays valid. */
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { verifyFiles } from '../../src/commands/verify.ts';
import { createStore } from '../../src/log/store.ts';
import { newSignerKey } from '../../src/proof/note.ts';
import { keysOfTile, readNodes } from '../../src/proof/tile-keys.ts';
import { openPglite } from '../../src/runtime/pglite.ts';
import { openPostgres } from '../../src/runtime/postgres.ts';
import { sha256 } from '../../src/runtime/sha256.ts';
import { runFile } from '../support/command.ts';
import { databases, sqlClient, startService, type TestService } from '../support/harness.ts';

const folder = await mkdtemp(join(tmpdir(), 'edgetrail-erase-'));
afterAll(() => rm(folder, { recursive: true, force: true }));
const key = await newSignerKey('log.example.com/erased');
const ana = 'ana-7f3c';
/** Of one tile and the beginning of another. */
const n_events = 300;
const hers = [3, 100, 101, 270];
const about = 50;

const events = Array.from({ length: n_events }, (_, i) => ({
  event_type: 'UPDATE',
  entity_type: 'customer',
  entity_id: i + 1 === about ? ana : `${i % 20}`,
  user_id: hers.includes(i + 1) ? ana : `user-${i % 5}`,
  ip_address: '10.1.2.3',
  user_agent: 'Mozilla/5.0',
  session_id: `session-${i}`,
  event_uid: hers.includes(i + 1) && i > 200 ? `${ana}/${i}` : `uid-${i}`,
  description: i + 1 === 100 ? `called ${ana.toUpperCase()} back` : 'changed',
  metadata: i + 1 === 60 ? { seen: [{ by: ana }] } : { n: i },
  timestamp: new Date(Date.parse('2026-03-01T00:00:00Z') + i * 60_000).toISOString(),
}));

it.each([
  ['without a reason', ['--user', ana]],
  ['without a user', ['--reason', 'asked for']],
  ['with a reason that names the user', ['--user', ana, '--reason', `${ana} asked`]],
  ['of a field that cannot be erased', ['--user', ana, '--reason', 'asked for', '--fields', 'event_type']],
])('an erasure %s is refused', async (_what, args) => {
  expect(await runFile('src/commands/erase.ts', args)).toMatchObject({ status: 2 });
});

describe.each(databases)('%s:', (database) => {
  let service: TestService;
  let env: Record<string, string> = {};
  const path = (name: string) => join(folder, `${database}-${name}`);
  const get = async (address: string) => (await service.request(address)).text();
  const save = async (name: string, address: string) => writeFile(path(name), await get(address));
  const erase = (...args: string[]) => runFile('src/commands/erase.ts', args, { env });
  const verify = (events: string, proof: string) => verifyFiles([path(events), path(proof), '--key', key.verifier]);
  const restart = async () => {
    service = await startService(database, { env: { SEAL_KEYS: key.signer }, place: service.place });
  };

  beforeAll(async () => {
    service = await startService(database, { env: { SEAL_KEYS: key.signer } });
    await service.write(events);
    for (const id of [3, 4, 60]) {
      await save(`${id}.json`, `/api/logs/${id}`);
      await save(`${id}.proof`, `/api/logs/${id}/proof`);
    }
    await save('checkpoint', '/checkpoint');
    // What is derived has her name, too.
    await get(`/api/visits?user_id=${ana}`);
    await service.stop();
    env = { ...service.place, USERS: 'a:admin:long-enough' };
    if ('DATA_DIR' in service.place) await cp(service.place.DATA_DIR, path('older'), { recursive: true });
  }, 60_000);

  it('a dry run says what would go, and changes nothing', async () => {
    const ended = await erase('--user', ana, '--reason', 'asked for', '--dry-run');
    expect(ended).toMatchObject({ status: 0, stdout: expect.stringMatching(/^2\d values of 6 events\n$/) });
  });

  it('erases her everywhere', async () => {
    const ended = await erase('--user', ana, '--reason', 'asked for', '--ledger', path('ledger'));
    expect(ended).toMatchObject({ status: 0, stderr: '' });
    await restart();
    for (const address of [
      '/api/logs?limit=1000',
      '/api/logs/export?format=csv',
      '/api/visits',
      '/api/patterns',
      '/logs',
      '/api/logs/100',
    ])
      expect((await get(address)).toLowerCase()).not.toContain(ana);
    expect(JSON.parse(await get(`/api/logs?user_id=${ana}`))).toMatchObject({ total: 0 });
  });

  it('leaves all other values as they were', async () => {
    const { logs } = JSON.parse(await get('/api/logs?limit=1000&entity_type=customer')) as {
      logs: Record<string, unknown>[];
    };
    const expected = events.map((event, i) => {
      const own = hers.includes(i + 1) && { user_id: null, ip_address: null, user_agent: null, session_id: null };
      const uid = event.event_uid.startsWith(ana) && { event_uid: null };
      const others = { 50: { entity_id: null }, 60: { metadata: null }, 100: { description: null } }[i + 1];
      return { ...event, ...own, ...uid, ...others };
    });
    expect(logs.toReversed().map(({ id: _id, created_at: _at, ...log }) => log)).toMatchObject(expected);
  });

  it('keeps every proof valid: those of before, those of now, and that of all events', async () => {
    for (const id of [3, 4, 60])
      expect(await verify(`${id}.json`, `${id}.proof`)).toMatchObject({ n_checked: 1, findings: [] });
    for (const id of [3, 50, 60]) {
      await save('now.json', `/api/logs/${id}`);
      await save('now.proof', `/api/logs/${id}/proof`);
      expect(await verify('now.json', 'now.proof')).toMatchObject({ n_checked: 1, findings: [] });
    }
    await save('all.ndjson', '/api/logs/export?format=ndjson');
    await save('all.proof', '/api/logs/export/proof');
    const report = await verifyFiles([
      path('all.ndjson'),
      path('all.proof'),
      '--key',
      key.verifier,
      '--checkpoint',
      path('checkpoint'),
    ]);
    expect(report).toMatchObject({ n_checked: n_events + 2, findings: [], unchecked: [] });
  });

  it('says what was done as events, and not whom it was about', async () => {
    const { logs } = JSON.parse(await get('/api/logs?entity_type=erasure'));
    expect(logs).toMatchObject([
      { event_type: 'ERASED', service: 'edgetrail', metadata: { reason: 'asked for', events: 6 } },
      { event_type: 'ERASE', service: 'edgetrail' },
    ]);
  });

  it('leaves no key from which the salts of her values could be derived', async () => {
    await service.stop();
    await withStore(service, async (store) => {
      const nodes = (await store.tiles.tileKeys(0, 0)).get(0) ?? new Uint8Array();
      const keys = keysOfTile(sha256, readNodes(nodes));
      const gone = keys.flatMap((known, i) => (known ? [] : [i + 1]));
      expect(gone).toEqual([3, 50, 60, 100, 101]);
    });
  });

  if (database === 'postgres') return;
  it('is repeated from the ledger after an older copy was restored', async () => {
    const place = { DATA_DIR: path('older') };
    const ended = await runFile('src/commands/erase.ts', ['--replay', path('ledger'), '--reason', 'restored'], {
      env: { ...env, ...place },
    });
    expect(ended).toMatchObject({ status: 0 });
    service = await startService(database, { env: { SEAL_KEYS: key.signer }, place });
    expect((await get('/api/logs/export?format=csv')).toLowerCase()).not.toContain(ana);
    await save('now.json', '/api/logs/3');
    await save('now.proof', '/api/logs/3/proof');
    expect(await verify('now.json', 'now.proof')).toMatchObject({ findings: [] });
    expect(await readFile(path('ledger'), 'utf8')).not.toContain(ana);
    await service.stop();
  });
});

it.runIf(databases.includes('postgres'))('an event can be changed in no other way', async () => {
  const service = await startService('postgres');
  await service.write(events.slice(0, 3));
  if (!('DATABASE_URL' in service.place)) throw new Error('not PostgreSQL');
  const sql = sqlClient(service.place.DATABASE_URL, 1);
  for (const change of ["user_id = 'x'", 'user_id = null', 'event_type = null', 'id = 9'])
    await expect(sql.unsafe(`update activity_logs set ${change} where id = 3`)).rejects.toThrow('append-only');
  await expect(sql`delete from log_uids where id = 3`).rejects.toThrow('append-only');
});

async function withStore(service: TestService, use: (store: ReturnType<typeof createStore>) => Promise<void>) {
  if ('DATA_DIR' in service.place) {
    const database = await openPglite(service.place.DATA_DIR);
    await use(createStore(database.db, database.reads)).finally(() => database.close());
    return;
  }
  const database = openPostgres(service.place.DATABASE_URL, 2);
  await use(createStore(database.db, database.reads)).finally(() => database.close());
}

/** Verification with files alone: what was exported and proven is verified, and each change of it is found and named. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { statusOf, verifyFiles } from '../../src/commands/verify.ts';
import { commitmentOf, erasableFields, saltIn } from '../../src/proof/leaf.ts';
import { newSignerKey } from '../../src/proof/note.ts';
import { readProof, writeProof } from '../../src/proof/tlog-proof.ts';
import type { Report } from '../../src/proof/verify.ts';
import { sha256 } from '../../src/runtime/sha256.ts';
import { runFile } from '../support/command.ts';
import { startService, type TestService } from '../support/harness.ts';

const folder = await mkdtemp(join(tmpdir(), 'edgetrail-verify-'));
afterAll(() => rm(folder, { recursive: true, force: true }));

const n_events = 1_000;
const n_first = 300;
const key = await newSignerKey('log.example.com/verified');
const otherKey = await newSignerKey('log.example.com/verified');

/** Events of all forms: with and without values, with numbers and texts that are alike, and two that are one again. */
const events = Array.from({ length: n_events }, (_, i) => ({
  event_type: i % 3 === 0 ? 'UPDATE' : 'CREATE',
  entity_type: 'order',
  ...(i % 2 === 0 && { entity_id: `${i % 50}`, user_id: `user-${i % 7}` }),
  ...(i % 5 === 0 && { description: `Zahlung 🦊 "${i}"`, ip_address: i % 10 === 0 ? '10.0.0.1' : '2001:DB8::1' }),
  ...(i % 4 === 0 && { metadata: { b: i, a: [null, 1.5e-7, `${i}`, { deep: true }], ключ: '\u2028' } }),
  timestamp: new Date(Date.parse('2026-03-01T00:00:00Z') + (i % 100 === 99 ? -i : i) * 1_000).toISOString(),
}));

const path = (name: string) => join(folder, name);
const file = async (name: string, text: string) => {
  await writeFile(path(name), text);
  return path(name);
};

const text = (name: string) => readFile(path(name), 'utf8');

let all = '';
let service: TestService;
beforeAll(async () => {
  service = await startService('pglite', { env: { SEAL_KEYS: key.signer } });
  const get = async (name: string, address: string) => file(name, await (await service.request(address)).text());
  await service.write(events.slice(0, n_first));
  await get('kept', '/checkpoint');
  for (let i = n_first; i < n_events; i += 350) {
    await service.write(events.slice(i, i + 350));
    if (i === n_first) await get('second', '/checkpoint');
  }
  await get('checkpoint', '/checkpoint');
  await get('all.ndjson', '/api/logs/export?format=ndjson');
  await get('all.proof', '/api/logs/export/proof');
  await get('some.ndjson', '/api/logs/export?format=ndjson&user_id=user-3');
  await get('some.proof', '/api/logs/export/proof?user_id=user-3');
  await get('consistency', `/api/log/proof/consistency?from=${n_first}&to=${n_events}`);
  await get('consistency2', `/api/log/proof/consistency?from=650&to=${n_events}`);
  await get('7.json', '/api/logs/7');
  await get('7.proof', '/api/logs/7/proof');
  await get('8.json', '/api/logs/8');
  all = await (await service.request('/api/logs/export?format=ndjson')).text();
  await service.stop();
}, 60_000);

const verify = (...args: string[]): Promise<Report> => verifyFiles(args);
const lines = () => all.trimEnd().split('\n');
const idOf = (line = '') => Number(JSON.parse(line).id);
const changed = (change: (rows: string[]) => void) => {
  const rows = lines();
  change(rows);
  return file('changed.ndjson', `${rows.join('\n')}\n`);
};
const put = (at: number, change: (row: string) => string) => (rows: string[]) => {
  rows[at] = change(rows[at] ?? '');
};
const withIds = (a: string, b: string) => [
  JSON.stringify({ ...JSON.parse(a), id: idOf(b) }),
  JSON.stringify({ ...JSON.parse(b), id: idOf(a) }),
];

describe('an export that was changed is not verified, and the first wrong event is named:', () => {
  const last = n_events - 1;
  it.each<[string, (rows: string[]) => void, number, string]>([
    ['one letter of a description', put(500, (row) => row.replace('order', 'Order')), 500, 'content differs'],
    ['one digit of a time', put(2, (row) => row.replace('"created_at":"2', '"created_at":"3')), 2, 'content differs'],
    [
      'a value that was not there',
      put(1, (row) => row.replace('"user_id":null', '"user_id":"x"')),
      1,
      'content differs',
    ],
    [
      'a value that is not there any more',
      put(700, (row) => row.replace(/"user_id":"[^"]+"/, '"user_id":null')),
      700,
      'content differs',
    ],
    ['an event that is left out', (r) => void r.splice(400, 1), 400, 'missing'],
    ['the end, which is cut off', (r) => void r.splice(last, 1), last, 'missing'],
    ['two lines that are exchanged', (r) => void r.splice(20, 2, r[21] ?? '', r[20] ?? ''), 20, 'out of order'],
    [
      'two events whose ids are exchanged',
      (r) => void r.splice(20, 2, ...withIds(r[20] ?? '', r[21] ?? '')),
      20,
      'content differs',
    ],
    ['an event that is there twice', (r) => void r.splice(30, 0, r[30] ?? ''), 30, 'twice'],
  ])('%s', async (_what, change, row, kind) => {
    const report = await verify(await changed(change), path('all.proof'), '--key', key.verifier);
    expect(statusOf(report)).toBe(1);
    expect(report.findings).toContainEqual({ kind, id: idOf(lines()[row]) });
  });

  it('an event that was added', async () => {
    const added = await changed(
      (r) => void r.push(JSON.stringify({ ...JSON.parse(r.at(-1) ?? ''), id: n_events + 1 })),
    );
    const { findings } = await verify(added, path('all.proof'), '--key', key.verifier);
    expect(findings).toContainEqual({ kind: 'not in the proof', id: n_events + 1 });
  });
});

describe('a history that was replaced is noticed:', () => {
  it('by the signature of another key', async () => {
    const report = await verify(path('all.ndjson'), path('all.proof'), '--key', otherKey.verifier);
    expect(report.findings).toMatchObject([{ kind: 'proof is wrong' }]);
  });

  it.each(['all', 'some'])('by a kept checkpoint of other events, with %s of the events', async (name) => {
    const other = await file('other', (await text('kept')).replace(/\n[A-Za-z0-9+/]{43}=\n/, `\n${'A'.repeat(43)}=\n`));
    const report = await verify(
      path(`${name}.ndjson`),
      path(`${name}.proof`),
      '--checkpoint',
      other,
      '--consistency',
      path('consistency'),
    );
    expect(report.findings).toMatchObject([{ kind: 'history replaced' }]);
  });

  it('by a proof that leads elsewhere', async () => {
    const wrong = (await text('some.proof')).replace(/node (.)/, (_m, char) => `node ${char === 'A' ? 'B' : 'A'}`);
    const report = await verify(path('some.ndjson'), await file('wrong.proof', wrong), '--key', key.verifier);
    expect(report.findings).toMatchObject([{ kind: 'proof is wrong' }]);
  });
});

describe('what cannot be checked is not verified:', () => {
  it('a kept checkpoint of no events, and an event that says of itself what no proof is about', async () => {
    const none = await file('none', (await text('kept')).replace(/\n300\n/, '\n0\n'));
    const unreadable = await changed(put(8, (row) => row.replace('{', '{"unreadable":"approved",')));
    for (const args of [
      [path('all.ndjson'), path('all.proof'), '--checkpoint', none],
      [unreadable, path('all.proof'), '--key', key.verifier],
    ])
      expect(await verify(...args)).toMatchObject({ findings: [], unchecked: [expect.any(String)] });
  });

  it('which of several kept checkpoints a proof of consistency is about, unless there is one for each', async () => {
    const kept = await file('several', `${await text('kept')}\n${(await text('second')).trimEnd()}\n\n`);
    const args = [path('some.ndjson'), path('some.proof'), '--checkpoint', kept];
    const one = await verify(...args, '--consistency', path('consistency'));
    expect(one).toMatchObject({ findings: [], unchecked: [expect.stringContaining('650 events')] });
    const two = await verify(...args, '--consistency', path('consistency'), '--consistency', path('consistency2'));
    expect(two).toMatchObject({ findings: [], unchecked: [] });
  });

  it.each<[string, string[]]>([
    ['whose checkpoint it is', []],
    ['whether the log goes on from a kept checkpoint', ['--checkpoint', path('kept')]],
  ])('%s', async (_what, args) => {
    const report = await verify(path('some.ndjson'), path('some.proof'), ...args);
    expect(report).toMatchObject({ findings: [], unchecked: [expect.any(String)] });
    expect(statusOf(report)).toBe(2);
  });

  it.each([
    ['no arguments', []],
    ['an argument that is not known', [path('all.ndjson'), path('all.proof'), '--trust']],
    ['a file that is not there', [path('nowhere'), path('all.proof'), '--key', key.verifier]],
    ['a proof that is none', [path('all.ndjson'), path('checkpoint'), '--key', key.verifier]],
    ['a file without a key', [path('all.ndjson'), path('all.proof'), '--key', '/dev/null']],
    ['a key that is none', [path('all.ndjson'), path('all.proof'), '--key', `${key.verifier}x`]],
  ])('%s: the exit status is 2', async (_what, args) => {
    expect(await runFile('src/commands/verify.ts', args)).toMatchObject({ status: 2 });
  });
});

describe('what is as it was is verified:', () => {
  it.each<[string, string[], number]>([
    [
      'all events, with the key and a kept checkpoint',
      ['all.ndjson', 'all.proof', '--key', key.verifier, '--checkpoint', 'kept'],
      n_events,
    ],
    [
      'all events, with the checkpoint of that time',
      ['all.ndjson', 'all.proof', '--checkpoint', 'checkpoint'],
      n_events,
    ],
    [
      'the events of a filter',
      ['some.ndjson', 'some.proof', '--key', key.verifier, '--checkpoint', 'kept', '--consistency', 'consistency'],
      71,
    ],
    ['one event', ['7.json', '7.proof', '--key', key.verifier], 1],
  ])('%s', async (_what, [events = '', proof = '', ...args], n) => {
    const placed = args.map((arg, i) => (/^--(checkpoint|consistency)$/.test(args[i - 1] ?? '') ? path(arg) : arg));
    const report = await verify(path(events), path(proof), ...placed);
    expect(report).toMatchObject({ findings: [], unchecked: [], n_checked: n });
  });

  it('by the command, which says how many events it has checked', async () => {
    const args = [path('all.ndjson'), path('all.proof'), '--key', key.verifier];
    const ended = await runFile('src/commands/verify.ts', args);
    expect(ended).toMatchObject({ status: 0, stderr: '' });
    expect(ended.stdout).toContain('1000 events checked');
  });
});

describe('what no digest is about is not verified:', () => {
  it('a value that was changed, and that the proof says was erased', async () => {
    const [entry, proof] = [JSON.parse(await text('7.json')), readProof(await text('7.proof'))];
    if (!proof) throw new Error('no proof');
    const salts = Object.fromEntries(erasableFields.map((field) => [field, saltIn(sha256, proof.secrets, field)]));
    const erased = { user_id: commitmentOf(sha256, entry, 'user_id', proof.secrets) ?? new Uint8Array() };
    const forged = await file('forged.proof', writeProof({ ...proof, secrets: { salts, erased } }));
    const args = [forged, '--key', key.verifier];
    const erasedIt = await file('forged.json', JSON.stringify({ ...entry, user_id: null }));
    expect(await verify(erasedIt, ...args)).toMatchObject({ findings: [], erased: [{ id: 7, fields: ['user_id'] }] });
    const changedIt = await file('forged.json', JSON.stringify({ ...entry, user_id: 'somebody-else' }));
    expect(await verify(changedIt, ...args)).toMatchObject({ findings: [{ kind: 'content differs', id: 7 }] });
  });

  it.each([
    ['a field that events do not have', (row: string) => row.replace('{', '{"amount":5,')],
    ['metadata beside the text of metadata', (row: string) => row.replace('{', '{"metadata_text":"{}",')],
  ])('%s', async (_what, change) => {
    const report = await verify(await changed(put(8, change)), path('all.proof'), '--key', key.verifier);
    expect(report.findings).toContainEqual({ kind: 'content differs', id: idOf(lines()[8]) });
  });

  it('a key that is there twice', async () => {
    const twice = await changed(put(8, (row) => row.replace('{', '{"user_id":"x",')));
    await expect(verify(twice, path('all.proof'), '--key', key.verifier)).rejects.toThrow('line 9 is no event');
  });
});

it('the proof of one event is none of another', async () => {
  const { findings } = await verify(path('8.json'), path('7.proof'), '--key', key.verifier);
  expect(findings).toEqual([
    { kind: 'not in the proof', id: 8 },
    { kind: 'missing', id: 7 },
  ]);
  const both = await file('both.json', `${(await text('7.json')).trim()}\n${await text('8.json')}`);
  const report = await verify(both, path('7.proof'), '--key', key.verifier);
  expect(report.findings).toEqual([{ kind: 'not in the proof', id: 8 }]);
});

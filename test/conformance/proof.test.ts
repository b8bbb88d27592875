/** Proof: refusals, and a stranger who verifies the log with the standards alone. */
import { describe, expect, it } from 'vitest';
import { newSignerKey } from '../../src/proof/note.ts';
import { credentials, startService } from '../support/harness.ts';
import {
  consistent,
  digestOf,
  entriesOf,
  type Head,
  hashesOf,
  included,
  leafOf,
  openCheckpoint,
  readProof,
  rootOf,
  tileOf,
} from '../support/independent-verifier.ts';
import { ask, expectProblem } from './ask.ts';

const name = 'log.example.com/orders';
const { signer, verifier } = await newSignerKey(name);
const service = await startService({ env: { SEAL_KEYS: signer } });
const get = (path: string) => service.request(path);
const refused = async (route: string, who: string | null = credentials.admin) => ask(service, route, who);

const empty = await refused('GET /checkpoint');
const metadata = { z: 1, a: ['ü', null, 1.5e-7, { y: -0.5, x: '\u0001q' }], '€': true };
const order = (i: number) => ({
  event_type: 'UPDATE',
  entity_type: 'order',
  entity_id: `${i}`,
  ...(i % 2 === 0 && { user_id: 'ana', metadata, description: 'größer\nals', ip_address: '192.0.2.1' }),
});
const n_first = 100;
await service.write(Array.from({ length: n_first }, (_, i) => order(i)));
const first = openCheckpoint(await (await get('/checkpoint')).text(), verifier);
await service.write(Array.from({ length: 200 }, (_, i) => order(i)));
const n_all = n_first + 200;
const note = await (await get('/checkpoint')).text();
const head = openCheckpoint(note, verifier);

describe('what is refused', () => {
  it('the checkpoint of an empty log is 404', () => expectProblem(empty, 404));

  it.each([
    '/tile/0',
    '/tile/0/0',
    '/tile/0/x000/000',
    '/tile/0/000.p/0',
    '/tile/0/000.p/256',
    '/tile/0/000/',
    '/tile/0/001',
    '/tile/0/001.p/45',
    '/tile/0/002',
    '/tile/0/002.p/1',
    '/tile/1/000',
    '/tile/1/000.p/2',
    '/tile/1/001.p/1',
    '/tile/2/000.p/1',
    '/tile/64/000',
    '/tile/-1/000',
    '/tile/entries/001',
    '/tile/entries/001.p/45',
    '/tile/entries/0',
    '/tile/0/%00',
    '/tile/..%2f..%2fcheckpoint',
    '/api/logs/0/proof',
    '/api/logs/301/proof',
    '/api/logs/999999999999999/proof',
    '/api/logs/9999999999999999/proof',
    '/api/logs/-1/proof',
    '/api/logs/a/proof',
    '/checkpoint/1',
  ])('GET %s is 404', async (path) => expectProblem(await refused(`GET ${path}`), 404));

  it.each(['', '?to=300', '?from=', '?from=0', '?from=-1', '?from=01', '?from=1.5', '?from=1e2', '?from=301'])(
    'a proof of consistency with %s is 400',
    async (query) => expectProblem(await refused(`GET /api/log/proof/consistency${query}`), 400),
  );
  it.each(['?from=200&to=100', '?from=1&to=301', '?from=1&to=', '?from=1&size=300', '?from=1&from=2'])(
    'a proof of consistency with %s is 400',
    async (query) => expectProblem(await refused(`GET /api/log/proof/consistency${query}`), 400),
  );

  const paths = ['/checkpoint', '/tile/0/000', '/tile/entries/000', '/api/logs/7/proof', '/api/log/proof/consistency'];
  it.each(paths)('%s without the right to read is 401 or 403, and other methods are 405', async (path) => {
    expectProblem(await refused(`GET ${path}`, null), 401);
    for (const who of [credentials.writer, credentials.scraper]) expectProblem(await refused(`GET ${path}`, who), 403);
    for (const method of ['POST', 'PUT', 'DELETE']) {
      const answer = await refused(`${method} ${path}`);
      expectProblem(answer, 405);
      expect(answer.headers.get('allow')).toBe('GET');
    }
  });
});

describe('a stranger who knows the key and the standards', () => {
  const leaves = async ({ size }: Head) =>
    (
      await Promise.all(
        Array.from({ length: Math.ceil(size / 256) }, async (_, n) => hashesOf(await tileOf(get, 0, n, size))),
      )
    ).flat();

  it('reads a signed checkpoint of all events', () => {
    expect([first, head].map(({ origin, size }) => [origin, size])).toEqual([
      [name, n_first],
      [name, n_all],
    ]);
    expect(() => openCheckpoint(note.replace(`\n${n_all}\n`, `\n${n_all + 1}\n`), verifier)).toThrow('not signed');
  });

  it('rebuilds the root from the tiles, of this checkpoint and of the one before', async () => {
    expect(rootOf(await leaves(head))).toEqual(head.root);
    expect(rootOf(await leaves(first))).toEqual(first.root);
    const [full] = hashesOf(await tileOf(get, 1, 0, n_all));
    expect(full).toEqual(rootOf(hashesOf(await tileOf(get, 0, 0, n_all))));
  });

  it('finds in the entries what the leaves are made of', async () => {
    for (const n of [0, 1]) {
      const entries = entriesOf(await tileOf(get, 'entries', n, n_all));
      expect(entries.map(leafOf)).toEqual(hashesOf(await tileOf(get, 0, n, n_all)));
    }
  });

  it.each([1, 7, 256, 257, 300])(
    'verifies the proof of event %i, and that the event is what was sealed',
    async (id) => {
      const response = await get(`/api/logs/${id}/proof`);
      expect(response.headers.get('content-disposition')).toBe(`attachment; filename="event-${id}.tlog-proof"`);
      const proof = readProof(await response.text());
      const { size, root } = openCheckpoint(proof.note, verifier);
      expect([proof.index, size]).toEqual([id - 1, n_all]);
      const event = JSON.parse(await (await get(`/api/logs/${id}`)).text()) as { [field: string]: unknown };
      const key = Buffer.from((JSON.parse(proof.extra) as { key: string }).key, 'base64');
      expect(included(proof.index, size, leafOf(digestOf(event, key)), proof.path)).toEqual(root);
      expect(included(proof.index, size, leafOf(digestOf({ ...event, entity_id: 'x' }, key)), proof.path)).not.toEqual(
        root,
      );
    },
  );

  it('verifies that the log of the first checkpoint is the beginning of that of the second', async () => {
    for (const query of [`from=${n_first}`, `from=${n_first}&to=${n_all}`]) {
      const text = await (await get(`/api/log/proof/consistency?${query}`)).text();
      const path = text
        .trimEnd()
        .split('\n')
        .map((line) => Buffer.from(line, 'base64'));
      expect(consistent(first.size, head.size, first.root, path)).toEqual([first.root, head.root]);
    }
    expect(await (await get(`/api/log/proof/consistency?from=${n_all}`)).text()).toBe('');
  });

  it('may keep tiles, and must ask for a checkpoint anew', async () => {
    const [tile, checkpoint] = await Promise.all([get('/tile/0/000'), get('/checkpoint')]);
    expect(tile.headers.get('cache-control')).toBe('private, max-age=31536000, immutable');
    expect(tile.headers.get('content-type')).toBe('application/octet-stream');
    expect(checkpoint.headers.get('cache-control')).toBe('no-store');
    expect(checkpoint.headers.get('content-type')).toBe('text/plain; charset=utf-8');
    expect(await checkpoint.text()).toBe(note);
  });
});

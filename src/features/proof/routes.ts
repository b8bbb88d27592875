/** GET /checkpoint, /tile/…, /api/logs/:id/proof and /api/log/proof/consistency: what proves the log, for anybody who may read it. */
import type { Context } from 'hono';
import { badField, Problem } from '../../http/problem.ts';
import { queryOf } from '../../http/request.ts';
import { type App, allowMethods, type Env, type Parts, requireRight } from '../../parts.ts';
import { concat, toBase64 } from '../../proof/bytes.ts';
import { digestsOf, readTileOf, SealFault, sealedOf } from '../../proof/leaves.ts';
import { hashesOfTile, subtreeHashes, tile_hashes } from '../../proof/subtree.ts';
import { writeProof } from '../../proof/tlog-proof.ts';
import { consistencySubtrees, inclusionSubtrees } from '../../proof/tree.ts';
import { newestCheckpoint } from './checkpoint.ts';
import { readTilePath } from './tile-path.ts';

/** A tile never changes. */
const immutable = 'private, max-age=31536000, immutable';

export function proofRoutes(app: App, parts: Parts): void {
  const { sha256 } = parts;
  const mayRead = requireRight(parts, 'read');

  const text = (c: Context<Env>, body: string) => {
    c.header('cache-control', 'no-store');
    return c.body(body, 200, { 'content-type': 'text/plain; charset=utf-8' });
  };
  /** A log that is not what was sealed is no failure of this service, and the answer says what is wrong. */
  const proven = <T>(work: Promise<T>): Promise<T> =>
    work.catch((error) => {
      if (error instanceof SealFault) throw new Problem(503, `The log is not what was sealed: ${error.message}.`);
      throw error;
    });
  const hashesOf = (size: number) => subtreeHashes(sha256, readTileOf(parts.store.tiles, sha256), size);

  app.get('/checkpoint', mayRead, async (c) => text(c, (await newestCheckpoint(parts)).note));

  app.get('/tile/:path{.+}', mayRead, async (c) => {
    const path = readTilePath(c.req.param('path'));
    const size = (await parts.store.tiles.sealed()).newest?.size ?? 0;
    const available = path && hashesOfTile(path.level ?? 0, path.n, size);
    if (!path || available === null || path.count > available) throw new Problem(404, 'There is no such tile.');
    const { level, n, count } = path;
    const body =
      level === null
        ? await proven(entriesOf(n, count))
        : concat(...(await proven(readTileOf(parts.store.tiles, sha256)(level, n, count))));
    c.header('cache-control', immutable);
    return c.body(body, 200, { 'content-type': 'application/octet-stream' });
  });

  /** The entries of a tile, which are digests of events, each behind its length. */
  async function entriesOf(n: number, count: number): Promise<Uint8Array<ArrayBuffer>> {
    const digests = digestsOf(sha256, await sealedOf(parts.store.tiles, sha256, n, n * tile_hashes + count));
    return concat(...digests.flatMap((digest) => [Uint8Array.of(0, digest.length), digest]));
  }

  app.get('/api/logs/:id{[0-9]{1,15}}/proof', mayRead, async (c) => {
    const id = Number(c.req.param('id'));
    if (id < 1 || !(await parts.store.batchOf(id))) throw new Problem(404, 'There is no event with this id.');
    const { size, note } = await newestCheckpoint(parts);
    if (id > size) throw new Problem(503, 'This event is not sealed yet.', { headers: { 'retry-after': '1' } });
    const index = id - 1;
    const n = Math.floor(index / tile_hashes);
    const tile = await proven(sealedOf(parts.store.tiles, sha256, n, Math.min(size, (n + 1) * tile_hashes)));
    const sealed = tile[index - n * tile_hashes];
    if (!sealed) throw new Problem(404, 'There is no event with this id.');
    const path = await proven(Promise.all(inclusionSubtrees(index, size).map(hashesOf(size))));
    c.header('content-disposition', `attachment; filename="event-${id}.tlog-proof"`);
    return text(c, writeProof({ secrets: sealed.secrets, index, path, note }));
  });

  app.get('/api/log/proof/consistency', mayRead, async (c) => {
    const query = queryOf(c);
    for (const key of query.keys()) {
      if (key !== 'from' && key !== 'to') throw badField(key, 'is not a parameter of this request');
      if (query.getAll(key).length > 1) throw badField(key, 'must be given once');
    }
    const size = (await parts.store.tiles.sealed()).newest?.size ?? 0;
    const to = sizeOf('to', query.get('to') ?? String(size), size);
    const from = sizeOf('from', query.get('from') ?? '', to);
    const path = await proven(Promise.all(consistencySubtrees(from, to).map(hashesOf(to))));
    return text(c, path.map((hash) => `${toBase64(hash)}\n`).join(''));
  });

  for (const path of [
    '/checkpoint',
    '/tile/:path{.+}',
    '/api/logs/:id{[0-9]{1,15}}/proof',
    '/api/log/proof/consistency',
  ])
    allowMethods(app, path, 'GET');
}

function sizeOf(name: string, digits: string, max: number): number {
  const size = /^[1-9]\d{0,15}$/.test(digits) ? Number(digits) : Number.NaN;
  if (!(size <= max)) throw badField(name, `must be a number of sealed events, from 1 to ${max}`);
  return size;
}

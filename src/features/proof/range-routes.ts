/** GET /api/logs/export/proof: the proof of all events of an export, to be verified without this service. */
import { wantsGzip } from '../../http/accept-encoding.ts';
import { byteStream } from '../../http/byte-stream.ts';
import { Problem } from '../../http/problem.ts';
import { queryOf } from '../../http/request.ts';
import { requestIdsOf } from '../../http/request-id.ts';
import { type Filter, readFilter } from '../../log/filter.ts';
import { type App, allowMethods, type Parts, requireRight } from '../../parts.ts';
import { type Sha256, utf8 } from '../../proof/bytes.ts';
import { readTileOf, secretsOfIds, type Tiles } from '../../proof/leaves.ts';
import { type ProofSource, writeRangeProof } from '../../proof/range-proof.ts';
import { type IdRange, rangesOf } from '../../proof/ranges.ts';
import { hashesOfTile, subtreeHashes, tile_hashes } from '../../proof/subtree.ts';
import { newestCheckpoint } from './checkpoint.ts';

/** Ids that one statement looks through, and events that a proof with a filter is about: their ids are kept in memory. */
const [ids_per_read, ids_max] = [20_000, 2_000_000];

export function rangeProofRoutes(app: App, parts: Parts): void {
  app.get('/api/logs/export/proof', requireRight(parts, 'export'), async (c) => {
    const { store, sha256 } = parts;
    const filter = readFilter(queryOf(c));
    const { size, note } = await newestCheckpoint(parts);
    const ranges = await idsOf(store.tiles, filter, size);
    if (ranges.length === 0) throw new Problem(404, 'No sealed event matches.');
    const lines = writeRangeProof(ranges, size, note, sourceOf(store.tiles, sha256, size));
    const body = byteStream(encoded(lines), {
      cut: '\nTRUNCATED: THIS FILE IS INCOMPLETE\n',
      errors_visible: parts.body_errors_visible,
      report: (error) => parts.report('a proof was cut off', error, requestIdsOf(c)),
    });
    const gzip = parts.gzip && wantsGzip(c.req.header('accept-encoding')) ? parts.gzip : null;
    c.header('vary', 'Accept-Encoding', { append: true });
    return c.body(gzip ? gzip(body) : body, 200, {
      'content-type': 'text/plain; charset=utf-8',
      'content-disposition': `attachment; filename="edgetrail-upto-${size}.proof"`,
      ...(gzip && { 'content-encoding': 'gzip' }),
    });
  });
  allowMethods(app, '/api/logs/export/proof', 'GET');
}

/** The ids of sealed events that match. */
async function idsOf(tiles: Tiles, filter: Filter, size: number): Promise<IdRange[]> {
  if (filter.terms.length === 0) return [{ first: 1, last: size }];
  const ids: number[] = [];
  for (let after = 0; after < size; after += ids_per_read) {
    for (const id of await tiles.idsBetween(after, Math.min(size, after + ids_per_read), filter)) ids.push(id);
    if (ids.length > ids_max)
      throw new Problem(
        422,
        `A proof is about at most ${ids_max} events of a filter: narrow it, such as by first_id and last_id.`,
      );
  }
  return rangesOf(ids);
}

export function sourceOf(tiles: Tiles, sha256: Sha256, size: number): ProofSource {
  const readTile = readTileOf(tiles, sha256);
  const hashOf = subtreeHashes(sha256, readTile, size);
  return {
    hashOf,
    eventsOf: async (n, ids) => {
      const [hashes, known] = await Promise.all([
        readTile(0, n, hashesOfTile(0, n, size)),
        secretsOfIds(tiles, sha256, n, ids),
      ]);
      const before = n * tile_hashes + 1;
      const leaves = new Map<number, Uint8Array>();
      for (const { first, last } of ids)
        for (let id = first; id <= last; id += 1) {
          const hash = hashes[id - before];
          if (!hash) throw new Error(`the tree has no leaf of event ${id}`);
          leaves.set(id, hash);
        }
      return { ...known, leaves };
    },
  };
}

/** Lines as bytes, a few of them at a time. */
async function* encoded(lines: AsyncIterable<string>): AsyncGenerator<Uint8Array> {
  let text = '';
  for await (const line of lines) {
    text += line;
    if (text.length < chunk_chars) continue;
    yield utf8(text);
    text = '';
  }
  yield utf8(text);
}
const chunk_chars = 16_384;

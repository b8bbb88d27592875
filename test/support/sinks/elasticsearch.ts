/** A strict Elasticsearch: `_bulk` with `create` alone, a document once for each index and id, and faults on a seed. */
import { type Asked, type FarSide, farSide, type Reply } from './far-side.ts';

export type Faults = {
  /** Shares of requests, of items, and of answers that are cut after everything was stored. */
  busy?: number;
  busyItems?: number;
  cut?: number;
  bytes_max?: number;
  /** Documents that a mapping refuses for good. */
  isPoison?(source: { id: number }): boolean;
  random?(): number;
  /** Answers instead, when it returns something. */
  instead?(asked: Asked): Reply | null;
};

export type Elasticsearch = FarSide & {
  /** The documents, by `<index>/<id>`. */
  documents: Map<string, { id: number }>;
  /** Items that were there already. */
  conflicts: number;
  items: number;
  /** The ids of each request. */
  requests: number[][];
  faulty: Faults;
};

const json = (text: string): unknown => JSON.parse(text);

export async function elasticsearch(faults: Faults = {}): Promise<Elasticsearch> {
  const side: Elasticsearch = Object.assign(await farSide(reply), {
    documents: new Map(),
    conflicts: 0,
    items: 0,
    requests: [],
    faulty: faults,
  });

  function reply(asked: Asked): Reply {
    const {
      random = Math.random,
      busy = 0,
      busyItems = 0,
      cut = 0,
      bytes_max = Number.POSITIVE_INFINITY,
      isPoison,
      instead,
    } = side.faulty;
    const other = instead?.(asked);
    if (other) return other;
    if (asked.method !== 'POST' || asked.path !== '/_bulk') throw new Error(`${asked.method} ${asked.path}`);
    if (asked.headers['content-type'] !== 'application/x-ndjson')
      throw new Error(`type ${asked.headers['content-type']}`);
    if (asked.body.length > bytes_max) return { status: 413 };
    if (random() < busy)
      return {
        status: 429,
        headers: { 'retry-after': '0' },
        body: { error: { type: 'es_rejected_execution_exception' } },
      };
    const text = new TextDecoder('utf-8', { fatal: true }).decode(asked.body);
    if (!text.endsWith('\n')) throw new Error('the last line has no end');
    const lines = text.slice(0, -1).split('\n');
    if (lines.length % 2 !== 0) throw new Error('an action without a document');
    const ids: number[] = [];
    const items = [];
    for (let i = 0; i < lines.length; i += 2) {
      const action = json(lines[i] ?? '') as { create: { _index: string; _id: string } };
      const source = json(lines[i + 1] ?? '') as { id: number };
      const { _index, _id } = action.create;
      if (JSON.stringify(action) !== JSON.stringify({ create: { _index, _id } })) throw new Error(`action ${lines[i]}`);
      if (_id !== String(source.id)) throw new Error(`_id ${_id} of event ${source.id}`);
      const key = `${_index}/${_id}`;
      ids.push(source.id);
      side.items += 1;
      const item = { _index, _id };
      if (random() < busyItems)
        items.push({
          create: { ...item, status: 429, error: { type: 'es_rejected_execution_exception', reason: 'queue' } },
        });
      else if (isPoison?.(source))
        items.push({
          create: {
            ...item,
            status: 400,
            error: { type: 'document_parsing_exception', reason: `poison ${source.id}` },
          },
        });
      else if (side.documents.has(key)) {
        side.conflicts += 1;
        if (JSON.stringify(side.documents.get(key)) !== JSON.stringify(source))
          throw new Error(`another document for ${key}`);
        items.push({
          create: { ...item, status: 409, error: { type: 'version_conflict_engine_exception', reason: 'exists' } },
        });
      } else {
        side.documents.set(key, source);
        items.push({ create: { ...item, _version: 1, result: 'created', status: 201 } });
      }
    }
    side.requests.push(ids);
    return { body: { took: 1, errors: items.some(({ create }) => create.status >= 300), items }, cut: random() < cut };
  }
  return side;
}

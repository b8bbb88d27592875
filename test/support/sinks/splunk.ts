/** A strict Splunk HEC with two indexers behind a load balancer: an ack is known to one of them, is told once, and may be forgotten. */
import { type FarSide, farSide, type Reply } from './far-side.ts';

export type Splunk = FarSide & {
  /** The ids of the indexed events, in the order they came, and by request. */
  indexed: number[];
  batches: number[][];
  /** Whether an indexer has indexed a batch yet. */
  isIndexed: boolean;
  /** Events that are refused with code 6. */
  isPoison?: (id: number) => boolean;
  /** Batches whose acks are forgotten, by their numbers: they are indexed, and nobody is ever told. */
  forgets?: (batch: number) => boolean;
  acksAsked: number;
};

type Event = {
  time: string;
  source: string;
  sourcetype: string;
  event: { id: number };
  fields: Record<string, string>;
};

/** Objects one after the other, as the collector takes them. */
function eventsOf(text: string): Event[] {
  const events: Event[] = [];
  for (let from = 0, depth = 0, quoted = false, i = 0; i < text.length; i += 1) {
    const char = text[i];
    if (quoted && char === '\\') i += 1;
    else if (char === '"') quoted = !quoted;
    else if (!quoted && char === '{') depth += 1;
    else if (!quoted && char === '}') {
      depth -= 1;
      if (depth > 0) continue;
      events.push(JSON.parse(text.slice(from, i + 1)) as Event);
      from = i + 1;
    }
  }
  return events;
}

export async function splunk(token: string, ack: boolean): Promise<Splunk> {
  const waiting = [new Map<number, true>(), new Map<number, true>()];
  const given = [0, 0];
  let turn = 0;
  const side: Splunk = Object.assign(await farSide(reply), {
    indexed: [],
    batches: [],
    isIndexed: true,
    acksAsked: 0,
  });

  function reply({ method, path, headers, body }: Parameters<Parameters<typeof farSide>[0]>[0]): Reply {
    if (method !== 'POST') throw new Error(method);
    if (headers.authorization !== `Splunk ${token}`) return { status: 403, body: { text: 'Invalid token', code: 4 } };
    if (ack && !/^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/.test(String(headers['x-splunk-request-channel'])))
      return { status: 400, body: { text: 'Data channel is missing', code: 10 } };
    const [, named] = /indexer=(\d)/.exec(headers.cookie ?? '') ?? [];
    const indexer = named === undefined ? turn++ % 2 : Number(named);
    const acks = waiting[indexer] as Map<number, true>;
    if (path === '/services/collector/ack') {
      side.acksAsked += 1;
      const { acks: asked } = JSON.parse(`${body}`) as { acks: number[] };
      const told = asked.map((id) => [id, side.isIndexed && acks.delete(id)]);
      return { body: { acks: Object.fromEntries(told) } };
    }
    if (path !== '/services/collector/event') throw new Error(path);
    const events = eventsOf(`${body}`);
    for (const { time, fields, event } of events) {
      if (!/^\d+\.\d{3}$/.test(time)) throw new Error(`time ${time}`);
      if (Object.values(fields).some((value) => typeof value !== 'string')) throw new Error('a field is not text');
      if (fields.edgetrail_id !== String(event.id)) throw new Error('edgetrail_id');
    }
    const bad = events.findIndex(({ event }) => side.isPoison?.(event.id));
    if (bad >= 0) return { status: 400, body: { text: 'Invalid data format', code: 6, 'invalid-event-number': bad } };
    const ids = events.map(({ event }) => event.id);
    for (const id of ids) side.indexed.push(id);
    const n_batch = side.batches.push(ids);
    if (!ack) return { body: { text: 'Success', code: 0 } };
    const ackId = (given[indexer] ?? 0) as number;
    given[indexer] = ackId + 1;
    if (!side.forgets?.(n_batch)) acks.set(ackId, true);
    return { headers: { 'set-cookie': `indexer=${indexer}; Path=/` }, body: { text: 'Success', code: 0, ackId } };
  }
  return side;
}

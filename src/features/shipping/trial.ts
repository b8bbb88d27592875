/** Requests at a person's word: a test event, and refused events once more. Both go the way that every event goes. */
import { pause } from '../../http/pause.ts';
import { Problem } from '../../http/problem.ts';
import type { Reached } from '../../http/reach.ts';
import type { DeliveryState } from '../../log/delivery-rows.ts';
import { type Judged, type Sink, type SinkBatch, SinkFault } from '../../log/delivery-sink.ts';
import { own_service } from '../../log/entry.ts';
import type { Entry } from '../../log/schema.ts';
import type { Parts } from '../../parts.ts';
import { noSuchSink } from './kind.ts';
import { openSinks, readerName, redacted, resolve } from './spec.ts';

const trialLimits = {
  retried_events_max: 500,
  retry_ms_max: 10_000,
  /** How often a far side that says later whether it keeps events is asked. */
  later_ms: 1_000,
} as const;

export type TestResult = {
  outcome: string;
  reason: string | null;
  status: number | null;
  ms: number;
  answer: string | null;
};

async function deliveryOf({ store }: Parts, name: string): Promise<DeliveryState> {
  const delivery = await store.deliveries.one(readerName(name));
  if (!delivery) throw noSuchSink();
  return delivery;
}

/** A SinkFault is for the person who asked. */
function opened<T>(open: () => T): T {
  try {
    return open();
  } catch (error) {
    throw error instanceof SinkFault ? new Problem(400, error.message) : error;
  }
}

type Reader = Pick<DeliveryState, 'name' | 'revision'>;

const testEvent = (name: string, at: string): Entry => ({
  id: 0,
  timestamp: at,
  event_type: 'TEST',
  entity_type: 'sink',
  entity_id: name,
  user_id: null,
  description: 'A test of a sink: this event is not in the log.',
  metadata: { test: true },
  ip_address: null,
  user_agent: null,
  service: own_service,
  trace_id: null,
  session_id: null,
  span_id: null,
  parent_span_id: null,
  caused_by: null,
  event_uid: null,
  created_at: at,
});

/** Sends one marked event, and says what came back. */
export async function testSink(parts: Parts, name: string): Promise<TestResult> {
  const delivery = await deliveryOf(parts, name);
  let reached: Reached | null = null;
  const outbound: Parts['outbound'] = {
    ...parts.outbound,
    reach: async (url, init) => {
      reached = null;
      reached = await parts.outbound.reach(url, init);
      return reached;
    },
  };
  const { kind, spec, opened: way, redact } = opened(() => resolve(delivery, outbound));
  const sink = opened(() => kind.open(spec, way));
  const entry = testEvent(name, new Date().toISOString());
  const batch = batchOf({ ...delivery, name: `${delivery.name}~test-${Date.now()}` }, sink, [entry]);
  const started = performance.now();
  const sent = redacted(await sink.send(batch), redact);
  const ms = Math.round(performance.now() - started);
  const { status = null, text = null } = (reached as Reached | null) ?? {};
  const judged: Judged = sent.items?.[0] ?? sent;
  if (judged.verdict === 'kept') await kind.forget?.(spec, way, batch);
  return {
    outcome: judged.verdict,
    reason: judged.reason ?? null,
    status,
    ms,
    answer: text === null ? null : redact(text).slice(0, 200),
  };
}

function batchOf({ name, revision }: Reader, sink: Sink, entries: Entry[]): SinkBatch {
  const ids = entries.map(({ id }) => id);
  return {
    name,
    revision,
    from: Math.max(0, (ids[0] ?? 0) - 1),
    to: ids.at(-1) ?? 0,
    entries,
    lines: entries.map((entry) => sink.line(entry)),
    note: null,
    signal: new AbortController().signal,
  };
}

export type RetryResult = { kept: number; refused: number; not_now: number; reason: string | null };

/** Sends refused events once more, oldest first, and forgets that those were refused which are kept now. */
export async function retryRefused(parts: Parts, name: string): Promise<RetryResult> {
  const delivery = await deliveryOf(parts, name);
  const sink = opened(() => openSinks(parts.outbound)(delivery)) as Sink;
  const until = performance.now() + trialLimits.retry_ms_max;
  const result: RetryResult = { kept: 0, refused: 0, not_now: 0, reason: null };
  for (let after = 0; performance.now() < until; ) {
    const refused = await parts.store.deliveries.refused(delivery.name, after, trialLimits.retried_events_max);
    const last = refused.at(-1);
    if (!last) break;
    after = last.id;
    // Of a range whose refused events the far side did not name, nobody knows which to send.
    const named = refused.filter(({ upto }) => upto === null).map(({ id }) => id);
    const entries = [...(await parts.store.byIds(named)).values()].sort((a, b) => a.id - b.id);
    const kept: number[] = [];
    const reader = { ...delivery, name: `${delivery.name}~retry-${last.id}` };
    await sendAll(sink, reader, entries, until, ({ id }, { verdict, reason = null }) => {
      if (verdict === 'kept') kept.push(id);
      else result.reason ??= reason;
      if (verdict === 'kept') result.kept += 1;
      else if (verdict === 'refused') result.refused += 1;
      else result.not_now += 1;
    });
    await parts.store.deliveries.settle(delivery.name, kept);
    if (result.not_now > 0) break;
  }
  return result;
}

/** Sends events in as few requests as the far side takes; calls `judge` for each. */
async function sendAll(
  sink: Sink,
  reader: Reader,
  entries: Entry[],
  until: number,
  judge: (entry: Entry, judged: Judged) => void,
): Promise<void> {
  const open = [entries];
  for (let next = open.pop(); next; next = open.pop()) {
    if (next.length === 0) continue;
    if (performance.now() > until) {
      for (const entry of next) judge(entry, { verdict: 'again', reason: 'there was no time left' });
      continue;
    }
    // The number belongs to the name: the next retry may have fewer events of the same range.
    const batch = batchOf({ ...reader, name: `${reader.name}-${next.length}` }, sink, next);
    let sent = await sink.send(batch);
    while (sent.verdict === 'later' && performance.now() + trialLimits.later_ms < until) {
      await pause(trialLimits.later_ms, batch.signal);
      sent = await sink.send({ ...batch, note: sent.note ?? null });
    }
    const half = Math.ceil(next.length / 2);
    const tooMuch = next.length > Math.min(sink.limits.events_max, 500);
    if (!sent.items && next.length > 1 && (tooMuch || sent.verdict === 'refused' || sent.verdict === 'smaller'))
      open.push(next.slice(half), next.slice(0, half));
    else for (const [i, entry] of next.entries()) judge(entry, sent.items?.[i] ?? sent);
  }
}

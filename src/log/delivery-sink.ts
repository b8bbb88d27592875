/** What a delivery needs of its far side: how an event is written for it, how a batch is sent, and five words for the outcome. */

import type { Finder } from './delivery-finder.ts';
import type { Delivery } from './delivery-rows.ts';
import type { Json } from './entry.ts';
import type { Entry } from './schema.ts';

/**
 * What became of an event or a request.
 * - `kept`: the far side has it.
 * - `again`: not now; the same may be kept later.
 * - `smaller`: the request was too large.
 * - `refused`: never, whoever sends it and when.
 * - `wrong`: the address, the credentials or the far side are wrong: a person must do something.
 * - `later`: the far side has taken it and says later whether it keeps it; the `note` is what to ask with.
 */
export type Verdict = 'kept' | 'again' | 'smaller' | 'refused' | 'wrong' | 'later';

export type Judged = { verdict: Verdict; reason?: string };

/** The outcome of a request. */
export type Sent = Judged & {
  /** The outcome of each event, in the order sent, where the far side names them. */
  items?: Judged[];
  /** How long the far side asks to be left alone. */
  retry_after_ms?: number;
  /** Whether nothing more may be sent until a person says so. */
  hold?: boolean;
  /** With `later`: what to ask with, and when. */
  note?: Json;
  /** Events that were refused without being named; the others are kept. */
  refused_n?: number;
};

export type SinkBatch = {
  /** The reader's name, and what names what it delivers: with the range they name the batch. */
  name: string;
  revision: number;
  /** The batch is what matches of the ids above `from` up to `to`. */
  from: number;
  to: number;
  entries: Entry[];
  /** The entries as `line` wrote them. */
  lines: string[];
  /** What a `later` of this batch has left. */
  note: Json;
  /** Fires when this process must not go on: it was stopped, or has lost the lease. */
  signal: AbortSignal;
};

export type Sink = {
  /** Of one request. With `linger_ms`, fewer events than a full batch wait until the first of them is that old. */
  limits: { events_max: number; bytes_max: number; linger_ms?: number };
  /** Whether the far side knows a batch by its range of ids, which is then stored before it is sent and never changes. */
  by_range: boolean;
  /** An event as a part of a request. */
  line(entry: Entry): string;
  /** Sends a batch. What it throws is logged, and counts as `again`. */
  send(batch: SinkBatch): Promise<Sent>;
};

/** Opens the sink of a delivery, with its secrets as they are now; throws a SinkFault when it cannot be opened. */
export type OpenSink = (delivery: Delivery) => Promise<Sink> | Sink;

/** The same of a reader of any kind: a sink sends, a finder appends. */
export type OpenReader = (delivery: Delivery) => Promise<Sink> | Sink | Finder;

/** Why a sink cannot be opened, for the person who can change it. */
export class SinkFault extends Error {
  override name = 'SinkFault';
}

/** The spec of a sink: read from a request, stored with references to secrets, and opened with what they refer to. */
import * as v from 'valibot';
import type { Network } from '../../http/addresses.ts';
import { dialToOf } from '../../http/dial.ts';
import { type Fault, Problem } from '../../http/problem.ts';
import { checkHost, ReachFault } from '../../http/reach.ts';
import { deliveryLimits } from '../../log/delivery-outcome.ts';
import type { Delivery } from '../../log/delivery-rows.ts';
import { type OpenSink, type Sent, type Sink, SinkFault } from '../../log/delivery-sink.ts';
import type { Metadata } from '../../log/entry.ts';
import { readFilterText, refusal } from '../../log/filter-text.ts';
import type { Outbound } from '../../parts.ts';
import { settingRows } from '../../settings.ts';
import { addressFault, base64, bytesOf, count, type Kind, type Opened } from './kind.ts';
import { kindNamed, kinds } from './kinds.ts';

/** The kind of the rows in log_readers, and the prefix of their names. */
export const readerKind = 'sink' as const;
export const readerName = (name: string) => `${readerKind}/${name}`;
/** The sink's name in that of a reader, which may be one of its replays. */
export const sinkName = (reader: string) => reader.slice(readerKind.length + 1).replace(/~.*/, '');

export type SinkSpec = { spec: Metadata; filter: string; after: number };

const shared = {
  kind: v.string(),
  filter: v.optional(v.string('must be text'), ''),
  /** Where a new sink begins: at the event after this id. */
  after: v.optional(count(0, Number.MAX_SAFE_INTEGER), 0),
};

/** Reads the body of a PUT. Throws a 400 that names each field and its fault. */
export function readSpec(body: unknown, allowed: readonly Network[]): SinkSpec {
  if (typeof body !== 'object' || body === null || Array.isArray(body))
    throw new Problem(400, 'The body must be a JSON object.');
  const kind = kindNamed((body as { kind?: unknown }).kind);
  if (!kind) throw refusal([{ field: 'kind', reason: `must be one of ${kinds.map((one) => one.kind).join(', ')}` }]);
  const result = v.safeParse(v.strictObject({ ...shared, ...kind.fields }), body);
  if (!result.success)
    throw refusal(
      result.issues.map(({ path, expected, received, message }) => ({
        field: (path ?? []).map((step) => String(step.key)).join('.'),
        reason:
          expected === 'never'
            ? 'is not a field of this kind of sink'
            : received === 'undefined'
              ? 'is required'
              : message,
      })),
    );
  const { filter, after, ...spec } = result.output as Metadata & { filter: string; after: number };
  const faults = [...eachText(spec)].flatMap(([field, text]) => textFaults(field, text, allowed));
  if (faults.length > 0) throw refusal(faults);
  return { spec: { ...spec, ...(after > 0 && { after }) }, filter: readFilterText(filter), after };
}

/** The variables that the service itself, its database client and its own client read hold passwords: no sink may send them. */
const isOwnVariable = (name: string): boolean => name in settingRows || /^(PG|EDGETRAIL_)/.test(name);

function textFaults(field: string, text: string, allowed: readonly Network[]): Fault[] {
  const [, name] = /^env:(.+)$/.exec(text) ?? [];
  if (name && isOwnVariable(name)) return [{ field, reason: `${name} is a setting of the service itself` }];
  const hostname = /^https?:\/\//.test(text) ? new URL(text).hostname : dialToOf(text)?.hostname;
  if (hostname === undefined) return [];
  try {
    checkHost(hostname, allowed);
    return [];
  } catch (error) {
    if (error instanceof ReachFault) return [{ field, reason: error.message }];
    throw error;
  }
}

function* eachText(value: unknown, path = ''): Generator<[string, string]> {
  if (typeof value === 'string') yield [path, value];
  else if (typeof value === 'object' && value !== null)
    for (const [key, inner] of Object.entries(value)) yield* eachText(inner, path ? `${path}.${key}` : key);
}

/** Opens sinks: each step reads the secrets anew. What the far side says is never passed on with a secret in it. */
export const openSinks =
  (outbound: Outbound): OpenSink =>
  (delivery: Delivery): Sink => {
    const { kind, spec, opened, redact } = resolve(delivery, outbound);
    const sink = kind.open(spec, opened);
    return { ...sink, send: async (batch) => redacted(await sink.send(batch), redact) };
  };

const { reason_chars_max } = deliveryLimits;

export function redacted(sent: Sent, redact: (text: string) => string): Sent {
  const one = <T extends { reason?: string }>(judged: T): T =>
    judged.reason === undefined ? judged : { ...judged, reason: redact(judged.reason).slice(0, reason_chars_max) };
  return { ...one(sent), ...(sent.items && { items: sent.items.map(one) }) };
}

export type ResolvedSink = { kind: Kind; spec: never; opened: Opened; redact(text: string): string };

/** A stored spec with its secrets. Throws a SinkFault that says which is missing. */
export function resolve(
  { name, spec }: Pick<Delivery, 'name' | 'spec'>,
  { reach, dial, secretOf }: Outbound,
): ResolvedSink {
  const kind = kindNamed(spec?.kind);
  if (!kind) throw new SinkFault(`This version has no sinks of the kind ${spec?.kind}.`);
  const secrets: string[] = [];
  const fill = (value: unknown): unknown => {
    if (typeof value === 'string') {
      const [, variable] = /^env:([A-Za-z_][A-Za-z0-9_]*)$/.exec(value) ?? [];
      if (!variable) return value;
      // Also of a spec that an older version stored.
      if (isOwnVariable(variable)) throw new SinkFault(`${variable} is a setting of the service itself.`);
      const known = secretOf(variable);
      if (!known) throw new SinkFault(`The environment of the service has no ${variable}.`);
      secrets.push(known);
      return known;
    }
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
    return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, fill(inner)]));
  };
  const filled = fill(spec) as { url?: string; user?: string; password?: string };
  if (filled.url !== undefined && addressFault(filled.url))
    throw new SinkFault(`The address ${addressFault(filled.url)}.`);
  // As a header for HTTP Basic has them.
  if (filled.user) secrets.push(base64(bytesOf(`${filled.user}:${filled.password ?? ''}`)));
  const hidden = secrets.flatMap(formsOf).sort((a, b) => b.length - a.length);
  return {
    kind,
    spec: filled as never,
    opened: { name: sinkName(name), reach, dial },
    redact: (text) => hidden.reduce((left, known) => left.replaceAll(known, '•••'), text),
  };
}

/** A secret, and of an address what a far side may repeat without the host: the path and the query. */
function formsOf(known: string): string[] {
  if (!URL.canParse(known)) return [known];
  const { pathname, search } = new URL(known);
  const path = pathname.replace(/\/+$/, '');
  return [known, ...[path + search, path, search].filter((part) => part.length > 1)];
}

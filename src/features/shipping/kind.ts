/** The form of a kind of sink, and what all kinds share: checks of their fields, and what the status of an answer means. */
import * as v from 'valibot';
import { type Dial, dialToOf } from '../../http/dial.ts';
import { Problem } from '../../http/problem.ts';
import { type Reach, type Reached, ReachFault, type ReachInit } from '../../http/reach.ts';
import type { Judged, Sent, Sink, SinkBatch } from '../../log/delivery-sink.ts';

/** What a kind is opened with: a spec whose references are resolved, and the way out. */
export type Opened = {
  /** The sink's name. */
  name: string;
  reach: Reach;
  dial: Dial;
};

/** A kind of sink: what its spec has, and how it sends. All kinds have this form. What arrives there is in docs/shipping.md. */
export type Kind<Fields extends v.ObjectEntries = v.ObjectEntries> = {
  kind: string;
  fields: Fields;
  open(spec: v.InferOutput<v.StrictObjectSchema<Fields, undefined>>, opened: Opened): Sink;
  /** Removes the event of a test, where the far side can. */
  forget?(
    spec: v.InferOutput<v.StrictObjectSchema<Fields, undefined>>,
    opened: Opened,
    batch: SinkBatch,
  ): Promise<void>;
};

/** Keeps the types of a kind's fields together. The list of kinds has them without. */
export const kindOf = <Fields extends v.ObjectEntries>(kind: Kind<Fields>): Kind => kind as unknown as Kind;

const reference = /^env:[A-Za-z_][A-Za-z0-9_]*$/;

/** A secret is never stored: it is named, and read from the environment when it is needed. */
export const secret = v.pipe(
  v.string('must be text'),
  v.regex(reference, 'must name a variable of the service’s environment, as env:NAME: a secret is not stored'),
);

/** Where to send to. An address that is itself a secret is a reference, too. */
export const address = v.pipe(
  v.string('must be text'),
  v.check(
    (text) => reference.test(text) || (/^http/.test(text) && addressFault(text) === null),
    'must be an http:// or https:// address without user and password',
  ),
);

/** The address of a TLS connection. */
export const tlsAddress = v.pipe(
  v.string('must be text'),
  v.check(
    (text) => reference.test(text) || dialToOf(text) !== null,
    'must be tls:// with a host, and a port unless that is 6514',
  ),
);

/** A certificate is no secret: as PEM, or by a reference. */
export const certificate = v.pipe(
  v.string('must be text'),
  v.check(
    (text) => reference.test(text) || /^-----BEGIN CERTIFICATE-----\s/.test(text),
    'must be a certificate as PEM, or a reference as env:NAME',
  ),
);

/** Why a text is no address to send to, or null. */
export function addressFault(text: string): string | null {
  if (dialToOf(text)) return null;
  const url = URL.canParse(text) ? new URL(text) : null;
  if (!url || !/^https?:$/.test(url.protocol)) return 'is no http:// or https:// address';
  return url.username || url.password ? 'has a user or a password in it' : null;
}

export const text = (chars_max = 200) =>
  v.pipe(v.string('must be text'), v.regex(/^[\x20-\x7e]*$/, 'must be printable ASCII'), v.maxLength(chars_max));

export const count = (min: number, max: number) =>
  v.pipe(v.number('must be a number'), v.integer('must be a whole number'), v.minValue(min), v.maxValue(max));

/** The address of a path below a base address, whether or not it ends in a slash or in the path itself. */
export function below(base: string, path: string): string {
  const url = new URL(base);
  const bare = url.pathname.replace(/\/+$/, '');
  url.pathname = bare.endsWith(path) ? bare : bare + path;
  return url.href;
}

/** Sends a request; no answer is an outcome, too. */
export async function ask(reach: Reach, url: string, init: ReachInit): Promise<Reached | Sent> {
  try {
    return await reach(url, init);
  } catch (error) {
    if (error instanceof ReachFault) return { verdict: error.lasting ? 'wrong' : 'again', reason: error.message };
    throw error;
  }
}

export const isAnswer = (answer: Reached | Sent): answer is Reached => 'status' in answer;

/** What the status of an answer means, for a far side that says nothing more. */
export function verdictOf({ status, headers, text }: Reached): Sent {
  // Not cut: a part of a secret would not be found in it any more.
  const said = text.replace(/\s+/g, ' ').trim();
  const reason = said === '' ? `answered ${status}` : `answered ${status}: ${said}`;
  const retry_after_ms = retryAfter_ms(headers.get('retry-after'));
  if (status >= 200 && status < 300) return { verdict: 'kept' };
  if (status === 413) return { verdict: 'smaller', reason };
  if (status === 400 || status === 422) return { verdict: 'refused', reason };
  if (status === 410) return { verdict: 'wrong', reason, hold: true };
  if ([408, 425, 429].includes(status) || (status >= 500 && status !== 501))
    return { verdict: 'again', reason, ...(retry_after_ms !== null && { retry_after_ms }) };
  return { verdict: 'wrong', reason };
}

/** An event's outcome from a status of its own. */
export const itemOf = (status: number, reason: string): Judged =>
  (status >= 200 && status < 300) || status === 409
    ? { verdict: 'kept' }
    : { verdict: status === 429 || status >= 500 ? 'again' : 'refused', reason };

/** Retry-After in seconds or as a date (RFC 9110 §10.2.3), in ms from now. */
function retryAfter_ms(text: string | null): number | null {
  if (text === null) return null;
  const ms = /^\d{1,7}$/.test(text.trim()) ? Number(text) * 1_000 : Date.parse(text) - Date.now();
  return Number.isNaN(ms) ? null : Math.max(0, ms);
}

const encoder = new TextEncoder();
export const bytesOf = (text: string) => new Uint8Array(encoder.encode(text));
export const base64 = (bytes: Uint8Array): string => btoa(String.fromCharCode(...bytes));

export const hmacSha256 = async (key: Uint8Array<ArrayBuffer>, message: string): Promise<Uint8Array> => {
  const imported = await crypto.subtle.importKey('raw', key, { name: 'HMAC', hash: 'SHA-256' }, false, ['sign']);
  return new Uint8Array(await crypto.subtle.sign('HMAC', imported, bytesOf(message)));
};

export const noSuchSink = () => new Problem(404, 'There is no sink of this name.');

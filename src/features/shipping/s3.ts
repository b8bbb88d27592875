/** Objects in an S3-compatible bucket: NDJSON, named by the range of ids they hold, signed with AWS Signature Version 4. */
import * as v from 'valibot';
import type { Sent, SinkBatch } from '../../log/delivery-sink.ts';
import { address, ask, bytesOf, count, hmacSha256, isAnswer, kindOf, secret, text, verdictOf } from './kind.ts';
import { mapped, mapping } from './mapping.ts';

const hex = (bytes: Uint8Array) => [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('');
const sha256Hex = async (bytes: Uint8Array<ArrayBuffer>) =>
  hex(new Uint8Array(await crypto.subtle.digest('SHA-256', bytes)));
/** RFC 3986, with the slash kept: what S3 calls the canonical URI. */
export const encodePath = (path: string) =>
  encodeURIComponent(path)
    .replace(/%2F/g, '/')
    .replace(/[!'()*]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`);

export type Credentials = { access_key_id: string; secret_access_key: string; region: string };

/** The headers of a signed request for S3 (AWS, "Authenticating Requests: Using the Authorization Header"). */
export async function signed(
  method: string,
  { host, pathname }: { host: string; pathname: string },
  body: Uint8Array<ArrayBuffer>,
  more: Record<string, string>,
  { access_key_id, secret_access_key, region }: Credentials,
  now: Date,
): Promise<Record<string, string>> {
  const at = now.toISOString().replace(/[-:]|\.\d{3}/g, '');
  const day = at.slice(0, 8);
  const headers: Record<string, string> = {
    ...more,
    host,
    'x-amz-content-sha256': await sha256Hex(body),
    'x-amz-date': at,
  };
  const names = Object.keys(headers).sort();
  const canonical = [
    method,
    pathname,
    '',
    ...names.map((name) => `${name}:${headers[name]}`),
    '',
    names.join(';'),
    headers['x-amz-content-sha256'],
  ];
  const scope = `${day}/${region}/s3/aws4_request`;
  const toSign = ['AWS4-HMAC-SHA256', at, scope, await sha256Hex(bytesOf(canonical.join('\n')))].join('\n');
  let key = bytesOf(`AWS4${secret_access_key}`);
  for (const part of [day, region, 's3', 'aws4_request']) key = new Uint8Array(await hmacSha256(key, part));
  const signature = hex(await hmacSha256(key, toSign));
  const { host: _host, ...sent } = headers;
  return {
    ...sent,
    authorization: `AWS4-HMAC-SHA256 Credential=${access_key_id}/${scope}, SignedHeaders=${names.join(';')}, Signature=${signature}`,
  };
}

const padded = (id: number) => String(id).padStart(20, '0');

/**
 * The name of a batch's object. The revision belongs to it: after a change the same range may have other bytes, and with
 * conditions they would not be written. A replay and a test (`<reader>~…`) have folders of their own.
 */
function keyOf(prefix: string, { name, revision, from, to, entries: [first] }: SinkBatch): string {
  const beside = /~(.*)$/.exec(name)?.[1];
  const day = (first?.created_at ?? '').slice(0, 10).replaceAll('-', '/');
  return [
    ...(prefix === '' ? [] : [prefix]),
    ...(beside === undefined ? [] : beside.startsWith('test') ? ['test', beside] : ['replay', `r${revision}`]),
    `${day}/${padded(from + 1)}-${padded(to)}-r${revision}.ndjson`,
  ].join('/');
}

function placeOf({ url, bucket }: { url: string; bucket: string }, key: string) {
  const { host, origin, pathname } = new URL(url);
  return { host, origin, pathname: `${pathname.replace(/\/+$/, '')}/${bucket}/${encodePath(key)}` };
}

export const s3 = kindOf({
  kind: 's3',
  fields: {
    url: address,
    bucket: v.pipe(text(63), v.regex(/^[a-z0-9][a-z0-9.-]*$/, 'must be a name of a bucket')),
    prefix: v.optional(v.pipe(text(), v.regex(/^[^/].*[^/]$|^$/, 'must not begin or end with a slash')), 'edgetrail'),
    region: v.optional(text(), 'auto'),
    access_key_id: secret,
    secret_access_key: secret,
    /** Whether an object that is there is left as it is, by `If-None-Match: *`. */
    conditional: v.optional(v.boolean('must be true or false'), false),
    linger_s: v.optional(count(0, 86_400), 300),
    mapping,
  },
  open(spec, { reach }) {
    const put = async (
      key: string,
      body: Uint8Array<ArrayBuffer>,
      isConditional: boolean,
      signal: AbortSignal,
    ): Promise<Sent> => {
      const { host, origin, pathname } = placeOf(spec, key);
      const more = { 'content-type': 'application/x-ndjson', ...(isConditional && { 'if-none-match': '*' }) };
      const headers = await signed('PUT', { host, pathname }, body, more, spec, new Date());
      const answer = await ask(reach, origin + pathname, { method: 'PUT', headers, body, signal });
      if (!isAnswer(answer)) return answer;
      // It is there already: with the same name, so with the same events.
      if (isConditional && answer.status === 412) return { verdict: 'kept' };
      // Two writers at the same moment.
      if (isConditional && answer.status === 409) return { ...verdictOf(answer), verdict: 'again' };
      // This store has no conditions. The same object is written again.
      if (isConditional && answer.status === 501) return put(key, body, false, signal);
      const sent = verdictOf(answer);
      // Nothing in an object can be wrong for the store: what it does not take is the request.
      return sent.verdict === 'refused' ? { ...sent, verdict: 'wrong' } : sent;
    };
    return {
      limits: { events_max: 10_000, bytes_max: 8 * 1024 * 1024, linger_ms: spec.linger_s * 1_000 },
      by_range: true,
      line: (entry) => `${mapped(spec.mapping, entry)}\n`,
      send: (batch) => put(keyOf(spec.prefix, batch), bytesOf(batch.lines.join('')), spec.conditional, batch.signal),
    };
  },
  async forget(spec, { reach }, batch) {
    const { host, origin, pathname } = placeOf(spec, keyOf(spec.prefix, batch));
    const headers = await signed('DELETE', { host, pathname }, bytesOf(''), {}, spec, new Date());
    await ask(reach, origin + pathname, { method: 'DELETE', headers, signal: batch.signal });
  },
});

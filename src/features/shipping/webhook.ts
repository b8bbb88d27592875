/** A webhook signed as Standard Webhooks 1.0 says. A range of the log has one id and always the same bytes. */
import * as v from 'valibot';
import { SinkFault } from '../../log/delivery-sink.ts';
import { address, ask, base64, count, hmacSha256, isAnswer, kindOf, secret, verdictOf } from './kind.ts';
import { mapped, mapping } from './mapping.ts';

/** The key of `whsec_` and base64 of 24 to 64 bytes. */
function keyOf(written: string): Uint8Array<ArrayBuffer> {
  try {
    const key = Uint8Array.from(atob(written.replace(/^whsec_/, '')), (char) => char.charCodeAt(0));
    if (key.length >= 24 && key.length <= 64) return key;
  } catch {
    // Not base64.
  }
  throw new SinkFault('The secret of the webhook must be whsec_ and base64 of 24 to 64 bytes.');
}

export const webhook = kindOf({
  kind: 'webhook',
  fields: {
    url: address,
    secret,
    /** During a rotation: signed with both. */
    old_secret: v.optional(secret),
    events_max: v.optional(count(1, 500), 500),
    mapping,
  },
  open(spec, { reach, name }) {
    const keys = [spec.secret, ...(spec.old_secret ? [spec.old_secret] : [])].map(keyOf);
    return {
      limits: { events_max: spec.events_max, bytes_max: 1_000_000 },
      by_range: true,
      line: (entry) => mapped(spec.mapping, entry),
      async send({ name: reader, revision, from, to, entries, lines, signal }) {
        const [first] = entries;
        const replay = /~(.+)$/.exec(reader)?.[1];
        const id = [
          'edgetrail',
          name,
          `r${revision}`,
          ...(replay ? [`replay-${replay}`] : []),
          ...(spec.events_max === 1 && first ? [first.id] : [from + 1, to]),
        ].join('_');
        // Of the events, not of the clock: the same bytes at every attempt.
        const happened = JSON.stringify(entries.at(-1)?.created_at);
        const body = `{"type":"edgetrail.events","timestamp":${happened},"data":{"from":${from + 1},"to":${to},"events":[${lines.join(',')}]}}`;
        const timestamp = String(Math.floor(Date.now() / 1_000));
        const signed = await Promise.all(keys.map((key) => hmacSha256(key, `${id}.${timestamp}.${body}`)));
        const headers = {
          'content-type': 'application/json',
          'webhook-id': id,
          'webhook-timestamp': timestamp,
          'webhook-signature': signed.map((bytes) => `v1,${base64(bytes)}`).join(' '),
        };
        const answer = await ask(reach, spec.url, { method: 'POST', headers, body, signal });
        return isAnswer(answer) ? verdictOf(answer) : answer;
      },
    };
  },
});

/** Splunk's HTTP Event Collector, with indexer acknowledgement where that is on: then only what is indexed counts as kept. */
import * as v from 'valibot';
import { jsonOf } from '../../http/request.ts';
import type { Sent } from '../../log/delivery-sink.ts';
import type { Json } from '../../log/entry.ts';
import type { Entry } from '../../log/schema.ts';
import { address, ask, below, isAnswer, kindOf, secret, text, verdictOf } from './kind.ts';
import { mapped, mapping } from './mapping.ts';

/** How often the indexer is asked whether it has indexed a batch, and after how long the batch is sent again. */
const [poll_ms, forgotten_ms] = [10_000, 300_000];

type Answer = { text?: string; code?: number; ackId?: number; acks?: Record<string, boolean> };
/** What asks about a batch: the cookie leads to the indexer that gave the id, which means nothing to the others. */
type Note = { ack: number; cookie: string; sent_ms: number };

/** The time as text: as a number it may be written with an exponent, which the collector refuses. */
const seconds = (iso: string) => (Date.parse(iso) / 1_000).toFixed(3);

/** Indexed fields, flat and of text: `edgetrail_id` tells a reader of the index what came twice. */
const fieldsOf = ({ id, event_type, entity_type, entity_id, user_id, service }: Entry) =>
  Object.fromEntries(
    Object.entries({ edgetrail_id: String(id), event_type, entity_type, entity_id, user_id, service }).filter(
      ([, value]) => value !== null,
    ),
  );

/** The codes of the collector that the status does not say: https://docs.splunk.com, "Troubleshoot HTTP Event Collector". */
function verdictOfCode(code: number | undefined, sent: Sent): Sent {
  if (code === 6 || code === 12 || code === 13 || code === 15 || code === 5) return { ...sent, verdict: 'refused' };
  if (code === 8 || code === 9 || code === 18) return { ...sent, verdict: 'again' };
  if (code !== undefined && [1, 2, 3, 4, 7, 10, 11, 14].includes(code)) return { ...sent, verdict: 'wrong' };
  return sent;
}

export const splunk = kindOf({
  kind: 'splunk',
  fields: {
    url: address,
    token: secret,
    ack: v.optional(v.boolean('must be true or false'), false),
    index: v.optional(text()),
    source: v.optional(text(), 'edgetrail'),
    sourcetype: v.optional(text(), 'edgetrail'),
    host: v.optional(text()),
    mapping,
  },
  open(spec, { reach, name }) {
    const headers = {
      authorization: `Splunk ${spec.token}`,
      'content-type': 'application/json',
      ...(spec.ack && { 'x-splunk-request-channel': channelOf(name) }),
    };
    const url = below(spec.url, '/services/collector/event');
    const ackUrl = url.replace(/\/event$/, '/ack');

    async function isIndexed({ ack, cookie, sent_ms }: Note, signal: AbortSignal): Promise<Sent> {
      const body = JSON.stringify({ acks: [ack] });
      const answer = await ask(reach, ackUrl, {
        method: 'POST',
        headers: { ...headers, ...(cookie && { cookie }) },
        body,
        signal,
      });
      // That the question fails says nothing of the events: it is asked again.
      if (!isAnswer(answer)) return answer;
      const told = jsonOf<Answer>(answer.text)?.acks?.[String(ack)];
      if (answer.status === 200 && told === true) return { verdict: 'kept' };
      if (Date.now() - sent_ms > forgotten_ms)
        return {
          verdict: 'again',
          reason: 'the indexer has not acknowledged the batch within 5 minutes: it is sent again',
          note: null,
        };
      if (answer.status === 200 && told === false)
        return { verdict: 'later', note: { ack, cookie, sent_ms } satisfies Note, retry_after_ms: poll_ms };
      const sent = verdictOfCode(jsonOf<Answer>(answer.text)?.code, verdictOf(answer));
      return sent.verdict === 'wrong'
        ? sent
        : { ...sent, verdict: 'again', reason: sent.reason ?? 'the answer to ack cannot be read' };
    }

    return {
      limits: { events_max: 1_000, bytes_max: 900_000 },
      by_range: spec.ack,
      line: (entry) =>
        JSON.stringify({
          time: seconds(entry.created_at),
          ...(spec.host && { host: spec.host }),
          source: spec.source,
          sourcetype: spec.sourcetype,
          ...(spec.index && { index: spec.index }),
          event: 0,
          fields: fieldsOf(entry),
        }).replace('"event":0', () => `"event":${mapped(spec.mapping, entry)}`),
      async send({ lines, note, signal }) {
        if (note) return isIndexed(note as Note, signal);
        const answer = await ask(reach, url, { method: 'POST', headers, body: lines.join(''), signal });
        if (!isAnswer(answer)) return answer;
        const said = jsonOf<Answer>(answer.text);
        const sent = verdictOfCode(said?.code === 0 ? undefined : said?.code, verdictOf(answer));
        if (sent.verdict !== 'kept') return sent;
        if (said?.code !== 0)
          return { verdict: 'again', reason: `answered ${answer.status}, and not with the code 0 of the collector` };
        if (!spec.ack) return sent;
        if (typeof said?.ackId !== 'number')
          return { verdict: 'wrong', reason: 'the collector gives no ackId: acknowledgement is not on for this token' };
        const cookie = answer.headers
          .getSetCookie()
          .map((one) => one.split(';')[0])
          .join('; ');
        const asked: Json = { ack: said.ackId, cookie, sent_ms: Date.now() } satisfies Note;
        return { verdict: 'later', note: asked, retry_after_ms: 1_000 };
      },
    };
  },
});

/** A channel is a GUID; the same for a sink at every start, so that an ack can be asked for after a restart. */
function channelOf(name: string): string {
  const hex = [...name]
    .reduce((text, char) => text + char.charCodeAt(0).toString(16).padStart(2, '0'), '')
    .padEnd(32, '0');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20, 32)}`;
}

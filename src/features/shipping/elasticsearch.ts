/** Elasticsearch and OpenSearch, by `_bulk`: an event is created under its id, so that sending it again changes nothing. */
import * as v from 'valibot';
import { jsonOf } from '../../http/request.ts';
import { type Judged, SinkFault } from '../../log/delivery-sink.ts';
import type { Entry } from '../../log/schema.ts';
import { address, ask, base64, below, bytesOf, isAnswer, itemOf, kindOf, secret, text, verdictOf } from './kind.ts';
import { mapped, mapping } from './mapping.ts';

/** `{yyyy}`, `{mm}` and `{dd}` of `created_at`: it never changes, so a resend finds the same index and the same `_id`. */
const indexOf = (pattern: string, { created_at }: Entry) =>
  pattern
    .replace('{yyyy}', created_at.slice(0, 4))
    .replace('{mm}', created_at.slice(5, 7))
    .replace('{dd}', created_at.slice(8, 10));

/** An answer has some hundred bytes for each event, and more for each that is refused. */
const answer_bytes_max = 1024 * 1024;

type Item = { create?: { status?: number; error?: { type?: string; reason?: string } } };
type BulkAnswer = { items?: (Item | null)[] };

function judgedOf(item: Item | null): Judged {
  const { status, error } = item?.create ?? {};
  if (typeof status !== 'number') return { verdict: 'again', reason: 'an item of the answer to _bulk has no status' };
  return itemOf(status, `${status} ${error?.type ?? ''}: ${error?.reason ?? ''}`);
}

const authorizationOf = ({
  api_key,
  user,
  password,
}: {
  api_key?: string | undefined;
  user?: string | undefined;
  password?: string | undefined;
}) => {
  if (api_key) return { authorization: `ApiKey ${api_key}` };
  if (user && password) return { authorization: `Basic ${base64(bytesOf(`${user}:${password}`))}` };
  if (user || password) throw new SinkFault('A user and a password belong together.');
  return {};
};

export const elasticsearch = kindOf({
  kind: 'elasticsearch',
  fields: {
    url: address,
    index: v.optional(
      v.pipe(text(), v.regex(/^[a-z0-9][a-z0-9_.+{}-]*$/, 'must be a name of an index in small letters')),
      'edgetrail-{yyyy}.{mm}',
    ),
    api_key: v.optional(secret),
    user: v.optional(secret),
    password: v.optional(secret),
    mapping,
  },
  open(spec, { reach, name }) {
    const url = below(spec.url, '/_bulk');
    const headers = { 'content-type': 'application/x-ndjson', ...authorizationOf(spec) };
    return {
      limits: { events_max: 500, bytes_max: 1_000_000 },
      by_range: false,
      line(entry) {
        // The event of a test has no id of its own.
        const _id = entry.id === 0 ? `test-${name}` : String(entry.id);
        return `${JSON.stringify({ create: { _index: indexOf(spec.index, entry), _id } })}\n${mapped(spec.mapping, entry)}\n`;
      },
      async send({ lines, signal }) {
        const answer = await ask(reach, url, {
          method: 'POST',
          headers,
          body: lines.join(''),
          signal,
          answer_bytes_max,
        });
        if (!isAnswer(answer)) return answer;
        const said = verdictOf(answer);
        if (said.verdict !== 'kept') return said;
        const read = jsonOf<BulkAnswer>(answer.text);
        if (!Array.isArray(read?.items) || read.items.length !== lines.length) {
          // A character of the text has at most four bytes: an answer of this length may have been longer than what is read.
          const isCut = read === null && answer.text.length >= answer_bytes_max / 4;
          const verdict = isCut && lines.length > 1 ? 'smaller' : 'again';
          return { verdict, reason: `answered ${answer.status}, and not with the items of _bulk` };
        }
        return { verdict: 'kept', items: read.items.map(judgedOf) };
      },
    };
  },
  async forget(spec, { reach, name }, { entries: [entry], signal }) {
    if (!entry) return;
    const action = { delete: { _index: indexOf(spec.index, entry), _id: `test-${name}` } };
    const headers = { 'content-type': 'application/x-ndjson', ...authorizationOf(spec) };
    await ask(reach, below(spec.url, '/_bulk'), {
      method: 'POST',
      headers,
      body: `${JSON.stringify(action)}\n`,
      signal,
    });
  },
});

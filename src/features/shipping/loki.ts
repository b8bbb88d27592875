/** Grafana Loki: two labels of few values, the rest as structured metadata, and the event as a line of JSON. */
import * as v from 'valibot';
import { address, ask, base64, below, bytesOf, isAnswer, kindOf, secret, text, verdictOf } from './kind.ts';
import { mapped, mapping } from './mapping.ts';

export const loki = kindOf({
  kind: 'loki',
  fields: {
    url: address,
    /** `X-Scope-OrgID`, where Loki has several tenants. */
    tenant: v.optional(text()),
    token: v.optional(secret),
    user: v.optional(secret),
    password: v.optional(secret),
    mapping,
  },
  open(spec, { reach }) {
    const url = below(spec.url, '/loki/api/v1/push');
    const headers: Record<string, string> = {
      'content-type': 'application/json',
      ...(spec.tenant && { 'x-scope-orgid': spec.tenant }),
      ...(spec.token && { authorization: `Bearer ${spec.token}` }),
      ...(spec.user && { authorization: `Basic ${base64(bytesOf(`${spec.user}:${spec.password ?? ''}`))}` }),
    };
    return {
      limits: { events_max: 500, bytes_max: 1_000_000 },
      by_range: false,
      line: (entry) => {
        const { id, event_type, entity_type, entity_id, user_id, trace_id, span_id } = entry;
        const labels = Object.entries({
          id: String(id),
          event_type,
          entity_type,
          entity_id,
          user_id,
          trace_id,
          span_id,
        });
        // The id as nanoseconds: lines of one millisecond keep their order, and are not taken for the same one.
        const nanos = `${Date.parse(entry.created_at)}${String(id % 1_000_000).padStart(6, '0')}`;
        const known = Object.fromEntries(labels.filter(([, value]) => value !== null));
        return JSON.stringify([nanos, mapped(spec.mapping, entry), known]);
      },
      async send({ entries, lines, signal }) {
        const streams = new Map<string, string[]>();
        for (const [i, { service }] of entries.entries()) {
          const name = service ?? 'edgetrail';
          streams.set(name, [...(streams.get(name) ?? []), lines[i] ?? '']);
        }
        const written = [...streams].map(
          ([service, values]) =>
            `{"stream":${JSON.stringify({ job: 'edgetrail', service })},"values":[${values.join(',')}]}`,
        );
        const answer = await ask(reach, url, {
          method: 'POST',
          headers,
          body: `{"streams":[${written.join(',')}]}`,
          signal,
        });
        return isAnswer(answer) ? verdictOf(answer) : answer;
      },
    };
  },
});

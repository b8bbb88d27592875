/** Prometheus Alertmanager: an event as an alert, which it groups, silences and delivers. Meant for a narrow filter. */
import * as v from 'valibot';
import type { Entry } from '../../log/schema.ts';
import { address, ask, base64, below, bytesOf, count, isAnswer, kindOf, secret, verdictOf } from './kind.ts';

/** What a rule of this log appends (docs/alerts.md). The last one ends what the others began. */
const resolved = 'ALERT_RESOLVED';
const ofRule = ['ALERT', 'ALERT_REMINDER', resolved];

/**
 * What makes two alerts the same one. Those of a rule are told by the rule and its group, so that a reminder prolongs the alert and
 * the end is its end; the others by what was done to what.
 */
function labelsOf(entry: Entry): Record<string, string> {
  const { event_type, entity_type, entity_id, service } = entry;
  return entity_type === 'rule' && ofRule.includes(event_type)
    ? present({ alertname: entity_id, group: ofMetadata(entry, 'group'), service })
    : present({ alertname: event_type, entity_type, entity_id, service });
}

function ofMetadata({ metadata }: Entry, key: string): string | null {
  if (metadata === null || typeof metadata !== 'object' || Array.isArray(metadata)) return null;
  const { [key]: value = null } = metadata;
  return value === null || typeof value === 'string' ? value : JSON.stringify(value);
}

/** Alertmanager takes an empty label for none. */
const present = (values: Record<string, unknown>): Record<string, string> =>
  Object.fromEntries(
    Object.entries(values).flatMap(([key, value]) => (value === null || value === '' ? [] : [[key, String(value)]])),
  );

export const alertmanager = kindOf({
  kind: 'alertmanager',
  fields: {
    url: address,
    token: v.optional(secret),
    user: v.optional(secret),
    password: v.optional(secret),
    open_s: v.optional(count(60, 31_536_000), 86_400),
  },
  open(spec, { reach }) {
    const headers: Record<string, string> = {
      'content-type': 'application/json',
      ...(spec.token && { authorization: `Bearer ${spec.token}` }),
      ...(spec.user && { authorization: `Basic ${base64(bytesOf(`${spec.user}:${spec.password ?? ''}`))}` }),
    };
    return {
      limits: { events_max: 100, bytes_max: 500_000 },
      by_range: false,
      line: (entry) => {
        const { id, event_type, entity_type, entity_id, user_id, description, created_at } = entry;
        const at_ms = Date.parse(created_at);
        const end_ms = event_type === resolved ? at_ms : at_ms + spec.open_s * 1_000;
        return JSON.stringify({
          labels: labelsOf(entry),
          annotations: present({
            summary: description ?? `${event_type} ${entity_type} ${entity_id ?? ''}`.trim(),
            event_id: id,
            link: ofMetadata(entry, 'link'),
            user_id,
          }),
          // The start of what a resolution ends is that of the alert which it is merged with.
          ...(event_type !== resolved && { startsAt: created_at }),
          endsAt: new Date(end_ms).toISOString(),
        });
      },
      async send({ lines, signal }) {
        const answer = await ask(reach, below(spec.url, '/api/v2/alerts'), {
          method: 'POST',
          headers,
          body: `[${lines.join(',')}]`,
          signal,
        });
        return isAnswer(answer) ? verdictOf(answer) : answer;
      },
    };
  },
});

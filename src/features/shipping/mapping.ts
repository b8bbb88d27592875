/** How an event is written for another system: in our fields, in those of ECS, or as an OCSF event of the class Entity Management. */
import * as v from 'valibot';
import type { Entry } from '../../log/schema.ts';

export const mappings = ['ours', 'ecs', 'ocsf'] as const;
export type Mapping = (typeof mappings)[number];

export const mapping = v.optional(v.picklist(mappings, `must be one of ${mappings.join(', ')}`), 'ours');

/** An event as JSON, in the fields of a mapping. */
export const mapped = (mapping: Mapping, entry: Entry): string => JSON.stringify(mappers[mapping](entry));

/** Without the members that have no value: indexes and schemas tell "absent" from "null". */
function present(object: Record<string, unknown>): Record<string, unknown> | undefined {
  const entries = Object.entries(object).filter(([, value]) => value !== null && value !== undefined);
  return entries.length === 0 ? undefined : Object.fromEntries(entries);
}

/** A span id as W3C Trace Context and OpenTelemetry write it. Ours may be any text. */
export const isSpanId = (value: string | null): value is string => /^(?!0{16})[\da-f]{16}$/i.test(value ?? '');

/** The verbs that the schemas have words for, by the first part of our event types: `CREATE`, `order.created`, `USER_DELETED`. */
const verbs = [
  { form: /(^|[^a-z])(create|created|insert|inserted|add|added)([^a-z]|$)/i, ecs: 'creation', ocsf: 1 },
  { form: /(^|[^a-z])(update|updated|change|changed|edit|edited|modify|modified)([^a-z]|$)/i, ecs: 'change', ocsf: 3 },
  { form: /(^|[^a-z])(delete|deleted|remove|removed)([^a-z]|$)/i, ecs: 'deletion', ocsf: 4 },
] as const;
const verbOf = (event_type: string) => verbs.find(({ form }) => form.test(event_type));

/** Elastic Common Schema 8. `edgetrail.metadata` should be mapped as `flattened`. */
const ecs = (entry: Entry) =>
  present({
    '@timestamp': entry.timestamp,
    ecs: { version: '8.11.0' },
    message: entry.description,
    event: present({
      id: String(entry.id),
      sequence: entry.id,
      kind: 'event',
      action: entry.event_type,
      type: [verbOf(entry.event_type)?.ecs ?? 'info'],
      created: entry.timestamp,
      ingested: entry.created_at,
    }),
    user: present({ id: entry.user_id }),
    source: present({ ip: entry.ip_address }),
    user_agent: present({ original: entry.user_agent }),
    service: present({ name: entry.service }),
    trace: present({ id: entry.trace_id }),
    span: present({ id: isSpanId(entry.span_id) ? entry.span_id.toLowerCase() : null }),
    session: present({ id: entry.session_id }),
    edgetrail: present({
      entity: present({ type: entry.entity_type, id: entry.entity_id }),
      event_uid: entry.event_uid,
      span_id: isSpanId(entry.span_id) ? null : entry.span_id,
      parent_span_id: entry.parent_span_id,
      caused_by: entry.caused_by,
      metadata: entry.metadata,
    }),
  });

const [entity_management, other_activity, informational] = [3004, 99, 1];

/** OCSF 1.x, class Entity Management. Times are epoch milliseconds. */
const ocsf = (entry: Entry) => {
  const activity_id = verbOf(entry.event_type)?.ocsf ?? other_activity;
  return present({
    class_uid: entity_management,
    category_uid: 3,
    activity_id,
    activity_name: entry.event_type,
    type_uid: entity_management * 100 + activity_id,
    severity_id: informational,
    time: Date.parse(entry.timestamp),
    message: entry.description,
    metadata: present({
      version: '1.1.0',
      uid: String(entry.id),
      sequence: entry.id,
      logged_time: Date.parse(entry.created_at),
      correlation_uid: entry.trace_id,
      product: present({ name: entry.service ?? 'Edgetrail', vendor_name: 'Edgetrail' }),
    }),
    entity: present({ type: entry.entity_type, uid: entry.entity_id }),
    actor: present({ user: present({ uid: entry.user_id }), session: present({ uid: entry.session_id }) }),
    src_endpoint: present({ ip: entry.ip_address }),
    http_request: present({ user_agent: entry.user_agent }),
    unmapped: present({
      event_uid: entry.event_uid,
      span_id: entry.span_id,
      parent_span_id: entry.parent_span_id,
      caused_by: entry.caused_by,
      metadata: entry.metadata,
    }),
  });
};

const mappers: Record<Mapping, (entry: Entry) => unknown> = { ours: (entry) => entry, ecs, ocsf };

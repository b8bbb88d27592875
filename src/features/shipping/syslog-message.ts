/** An event as a message of syslog (RFC 5424), with its fields as structured data or as CEF. */
import { version } from '../../http/version.ts';
import type { Entry } from '../../log/schema.ts';
import { bytesOf } from './kind.ts';

export type MessageOptions = {
  format: 'rfc5424' | 'cef';
  facility: number;
  host: string;
  sd_id: string;
  message_bytes_max: number;
};

/** A field of the header: printable ASCII without spaces (RFC 5424 §6), "-" where there is nothing. */
const headerField = (text: string | null, chars_max: number): string =>
  (text ?? '').replace(/[^\x21-\x7e]/g, '_').slice(0, chars_max) || '-';

const informational = 6;
const byte_order_mark = '\ufeff';

/** How the fields of an event are written, and what stands around them. */
type Form = { open: string; field(name: string, value: string): string; close(description: string | null): string };

/** RFC 5424 §6.3.3: these three are escaped in a value, and nothing else may be. */
const structuredData = ({ sd_id }: MessageOptions): Form => ({
  open: `[${sd_id}`,
  field: (name, value) => ` ${name}="${value.replace(/["\\\]]/g, '\\$&')}"`,
  close: (description) => (description === null ? ']' : `] ${byte_order_mark}${description}`),
});

/** The keys of CEF's dictionary. A custom key has a label. The last three are ours: the dictionary has no more custom keys. */
const cefKeys: Record<string, string> = {
  id: 'externalId',
  event_type: 'act',
  user_id: 'suser',
  user_agent: 'requestClientApplication',
  service: 'deviceProcessName',
  entity_type: 'cs1',
  entity_id: 'cs2',
  trace_id: 'cs3',
  session_id: 'cs4',
  metadata: 'cs5',
  event_uid: 'cs6',
  truncated: 'flexString1',
  span_id: 'spanId',
  parent_span_id: 'parentSpanId',
  caused_by: 'causedBy',
};

const cefHeader = (text: string): string => text.replace(/[\r\n]+/g, ' ').replace(/[\\|]/g, '\\$&');
const cefValue = (text: string): string => text.replace(/[\\=]/g, '\\$&').replace(/\r/g, '\\r').replace(/\n/g, '\\n');
const severity = 3;

const cef = ({ event_type, entity_type }: Entry): Form => ({
  open: `- CEF:0|Edgetrail|Edgetrail|${cefHeader(version)}|${cefHeader(event_type)}|${cefHeader(`${event_type} ${entity_type}`)}|${severity}|`,
  field: (name, value) => {
    if (name === 'timestamp') return `rt=${Date.parse(value)} `;
    if (name === 'ip_address')
      return value.includes(':') ? `c6a2Label=Source IPv6 Address c6a2=${cefValue(value)} ` : `src=${cefValue(value)} `;
    const key = cefKeys[name] ?? name;
    const label = /^(cs|flex)/.test(key) ? `${key}Label=${name} ` : '';
    return `${label}${key}=${cefValue(value)} `;
  },
  close: (description) => (description === null ? '' : `msg=${cefValue(description)}`),
});

/**
 * The fields of an event, from the one that a reader can spare last. Receivers drop a line break at the end of a message: a
 * description that ends in one is a field, too, unless CEF has escaped it.
 */
function fieldsOf(entry: Entry, { format }: MessageOptions): [name: string, value: string][] {
  const { id, event_type, timestamp, entity_type, entity_id, user_id, service, metadata, description } = entry;
  const { ip_address, trace_id, session_id, event_uid, span_id, parent_span_id, caused_by, user_agent } = entry;
  const fields: Record<string, string | null> = {
    id: String(id),
    event_type,
    timestamp,
    entity_type,
    entity_id,
    user_id,
    service,
    ip_address,
    trace_id,
    session_id,
    event_uid,
    span_id,
    parent_span_id,
    caused_by,
    user_agent,
    description: format === 'rfc5424' && description?.endsWith('\n') ? description : null,
    metadata: metadata === null ? null : JSON.stringify(metadata),
  };
  return Object.entries(fields).filter((field): field is [string, string] => field[1] !== null);
}

/** The fields that may be of any length: a message that is too long is written without them. */
const long = ['user_agent', 'description', 'metadata'];

/**
 * The message. One that is longer than `message_bytes_max` has no user agent and no metadata, then none of the fields that do
 * not fit, then less of the description; it says so as `truncated`, and the id finds the rest.
 */
export function messageOf(entry: Entry, options: MessageOptions): string {
  const { description } = entry;
  const pri = options.facility * 8 + informational;
  const app = headerField(entry.service ?? 'edgetrail', 48);
  const head = `<${pri}>1 ${entry.created_at} ${headerField(options.host, 255)} ${app} - ${headerField(entry.event_type, 32)} `;
  const form = options.format === 'cef' ? cef(entry) : structuredData(options);
  const fields = fieldsOf(entry, options);
  const written = (some: string[], text: string | null) => `${head}${form.open}${some.join('')}${form.close(text)}`;
  const whole = written(
    fields.map((field) => form.field(...field)),
    description,
  );
  if (bytesOf(whole).length <= options.message_bytes_max) return whole;
  const kept = [form.field('truncated', 'true')];
  const fits = (some: string[], text: string | null) =>
    bytesOf(written(some, text)).length <= options.message_bytes_max;
  for (const [name, value] of fields) {
    const field = form.field(name, value);
    if (!long.includes(name) && fits([...kept, field], description === null ? null : '')) kept.push(field);
  }
  return written(kept, description === null ? null : longest(description, (text) => fits(kept, text)));
}

/** The longest beginning of a text that fits, without half of a character. */
function longest(text: string, fits: (start: string) => boolean): string {
  let [fitting, tooLong] = [0, text.length + 1];
  while (tooLong - fitting > 1) {
    const middle = (fitting + tooLong) >> 1;
    if (fits(text.slice(0, middle))) fitting = middle;
    else tooLong = middle;
  }
  return text.slice(0, fitting).replace(/[\ud800-\udbff]$/, '');
}

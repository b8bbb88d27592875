/** Events to send, and values that break what reads them. */

export const event = { event_type: 'CREATE', entity_type: 'order' };
export const emoji = '🧾';
export const deep = (depth: number) => `${'{"a":'.repeat(depth)}1${'}'.repeat(depth)}`;
export const keys = (n: number) => `{${Array.from({ length: n }, (_, i) => `"${i}":1`).join()}}`;

/** The event with one more field. */
export const with_ = (field: string, value: unknown) => ({ ...event, [field]: value });

/** The same as JSON, for a value that JSON.stringify would not write. */
export function withField(field: string, raw: string): string {
  return `{"event_type":"CREATE","entity_type":"order",${JSON.stringify(field)}:${raw}}`;
}
export const withMetadata = (raw: string) => withField('metadata', raw);

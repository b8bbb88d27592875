/** Shared by the input tests: events to send, and a service whose log has one event and must get no other. */
import { expect } from 'vitest';
import type { Entry } from '../../src/log/schema.ts';
import { startService } from '../support/harness.ts';

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

type Listing = { logs: Entry[]; total: number };

/** A service whose log holds one event. */
export async function startWithOneEvent() {
  const service = await startService();
  const [kept] = await service.write({ ...event, description: 'the only event' });
  const list = async (query = '') => (await (await service.request(`/api/logs${query}`)).json()) as Listing;
  return {
    service,
    list,
    kept,
    /** Claims that no event was added, and that the service still responds. */
    unchanged: async () => expect((await list()).total).toBe(1),
  };
}

/** Claims that the response is a problem with this status; returns its text. */
export async function refused(answer: Response, status: number | number[]): Promise<string> {
  const text = await answer.text();
  expect([status].flat(), text).toContain(answer.status);
  expect(answer.headers.get('content-type')).toBe('application/problem+json');
  return text;
}

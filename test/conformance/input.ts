/** Shared by the input tests: a service whose log has one event and must get no other. */
import { expect } from 'vitest';
import type { Entry } from '../../src/log/schema.ts';
import { startService } from '../support/harness.ts';
import { event } from './input-values.ts';

export { deep, emoji, event, keys, with_, withField, withMetadata } from './input-values.ts';

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

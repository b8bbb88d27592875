/** Numbers and duplicate keys that JSON.parse changes without an error are refused with their path. */
import { describe, expect, it } from 'vitest';
import { json, startService } from '../support/harness.ts';

const withMetadata = (metadata: string) => `{"event_type":"CREATE","entity_type":"order","metadata":${metadata}}`;
const good = withMetadata('{"a":1.0,"b":1e2,"c":1.50,"d":0.1,"e":"1e400"}');

describe('an event with JSON that JSON.parse changes', async () => {
  const service = await startService();
  const post = async (body: string, type = 'application/json') => {
    const response = await service.request('/api/logs', { ...json(body), headers: { 'content-type': type } });
    return { status: response.status, body: (await response.json()) as Record<string, unknown> };
  };
  const total = async () => ((await (await service.request('/api/logs')).json()) as { total: number }).total;

  it.each([
    ['{"a":{"b":0.1234567890123456789}}', 'a.b: a number with more digits than a double holds'],
    ['{"b":12345678901234.123456}', 'b: a number with more digits than a double holds'],
    ['{"c":[0,1e-400]}', 'c.1: a number with more digits than a double holds'],
    ['{"c":1e400}', 'c: a number is out of range'],
    ['{"c":9007199254740993}', 'c: a whole number beyond 2^53'],
    ['{"c":-0}', 'c: a negative zero'],
    ['{"a":1,"a":2}', 'a: the key is there twice'],
    ['{"a":1,"\\u0061":1}', 'a: the key is there twice'],
  ])('metadata %s is refused: %s', async (metadata, reason) => {
    const before = await total();
    const { status, body } = await post(withMetadata(metadata));
    expect(status).toBe(422);
    expect(body.errors).toEqual([{ index: 0, field: 'metadata', reason: expect.stringContaining(reason) }]);
    const batch = await post(`[${good},${withMetadata(metadata)}]`);
    expect(batch.body.errors).toEqual([{ index: 1, field: 'metadata', reason: expect.stringContaining(reason) }]);
    const lines = await post(`${good}\n\n${withMetadata(metadata)}\n`, 'application/x-ndjson');
    expect(lines.body.errors).toEqual([{ index: 1, field: 'metadata', reason: expect.stringContaining(reason) }]);
    expect(await total()).toBe(before);
  });

  it.each([
    ['a duplicate field', '{"event_type":"A","event_type":"B","entity_type":"order"}', 'event_type'],
    ['a rounded identifier', '{"event_type":"A","entity_type":"order","entity_id":4503599627370496.3}', 'entity_id'],
    ['a rounded identifier beyond 2^53', '{"event_type":"A","entity_type":"o","user_id":9007199254740993}', 'user_id'],
  ])('%s is refused with the name of the field', async (_what, event, field) => {
    const { status, body } = await post(event);
    expect(status).toBe(422);
    expect(body.errors).toEqual([{ index: 0, field, reason: expect.any(String) }]);
  });

  it('numbers in another notation are stored with the same value', async () => {
    const { status, body } = await post(good);
    expect(status).toBe(201);
    expect(body.metadata).toEqual({ a: 1, b: 100, c: 1.5, d: 0.1, e: '1e400' });
  });
});

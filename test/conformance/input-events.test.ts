/** Invalid events are refused with the name of the field and not stored. Unusual valid events are stored unchanged. */
import { isDeepStrictEqual } from 'node:util';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Entry } from '../../src/log/schema.ts';
import { json } from '../support/harness.ts';
import { deep, emoji, event, refused, startWithOneEvent, with_, withMetadata } from './input.ts';
import { badEvents } from './input-bad-events.ts';

const now = Date.now();
const { service, list, kept, unchanged } = await startWithOneEvent();

describe('an event with', () => {
  it.each(badEvents)('%s is refused, alone and in a batch', async (_what, body, field) => {
    const text = typeof body === 'string' ? body : JSON.stringify(body);
    const batch = `[${JSON.stringify(event)},${text}]`;
    for (const [sent, index] of [
      [text, 0],
      [batch, 1],
    ] as const) {
      const answer = await refused(await service.request('/api/logs', json(sent)), 422);
      const { errors } = JSON.parse(answer) as { errors: { index: number; field: string; reason: string }[] };
      expect(errors).toContainEqual({ index, field: expect.any(String), reason: expect.stringMatching(/\S/) });
      expect(errors.map((fault) => fault.field.split('.')[0])).toContain(field.split('.')[0]);
    }
  });

  it('none of them is stored', () => unchanged());
});

it('the log still holds the one event that it held before', async () => {
  expect(await list()).toMatchObject({ total: 1, logs: [kept] });
});

describe('an unusual valid value is stored:', () => {
  it.each<[what: string, body: object, kept?: object]>([
    ['255 emoji', with_('event_type', emoji.repeat(255))],
    ['white space around a label', with_('event_type', ' CREATE ')],
    ['white space alone', with_('description', '  ')],
    ['a blank identifier as null', with_('entity_id', ''), { entity_id: null }],
    ['a blank time as the current time', with_('timestamp', ''), { timestamp: expect.stringMatching(/Z$/) }],
    ['null metadata as null', with_('metadata', null), { metadata: null }],
    ['a number as identifier', with_('entity_id', 55), { entity_id: '55' }],
    ['zero as identifier', with_('entity_id', 0), { entity_id: '0' }],
    ['markup', with_('description', '<img src=x onerror=alert(1)>')],
    ['SQL', with_('description', "'; drop table activity_logs; --")],
    ['control characters', with_('description', '\u0001\u001f\u007f\u0085\u2028\ufeff')],
    ['line breaks', with_('description', 'a\r\nb\rc\nd')],
    ['the last code point', with_('description', '\u{10ffff}\uffff\ufffe')],
    ['an empty object as metadata', with_('metadata', {})],
    ['metadata 20 deep', with_('metadata', JSON.parse(deep(20)))],
    ['numbers', with_('metadata', { a: [0.1, 1e-7, 5e-324, 9007199254740991, -9007199254740991, 1.7e-308] })],
    ['an IPv4 address', with_('ip_address', '10.0.0.1')],
    ['an IPv6 address', with_('ip_address', '2001:db8::1')],
  ])('%s', async (_what, body, changed = {}) => {
    const answer = await service.request('/api/logs', json(body));
    expect(answer.status, await answer.clone().text()).toBe(201);
    const { id } = (await answer.json()) as Entry;
    expect(await (await service.request(`/api/logs/${id}`)).json()).toMatchObject({ ...body, ...changed });
  });

  it.each(['__proto__', 'constructor', 'toString', 'hasOwnProperty', '', '.', 'a.b', ' '])(
    'the key %j in metadata',
    async (key) => {
      const answer = await service.request('/api/logs', json(withMetadata(`{${JSON.stringify(key)}:{"x":1}}`)));
      expect(answer.status).toBe(201);
      const { id } = (await answer.json()) as Entry;
      const { metadata } = (await (await service.request(`/api/logs/${id}`)).json()) as Entry;
      expect(Object.entries(metadata ?? {})).toEqual([[key, { x: 1 }]]);
    },
  );
});

describe('generated JSON', () => {
  const wide = fc.string({ unit: fc.nat(0xffff).map((unit) => String.fromCharCode(unit)) });
  const words = fc.oneof(fc.string(), fc.string({ unit: 'binary', maxLength: 60 }), wide, fc.constant(''));
  const identifiers = fc.oneof(words, fc.maxSafeInteger(), fc.double());
  const times = fc.oneof(
    fc.date({ min: new Date('0001-01-01'), max: new Date(now), noInvalidDate: true }).map((date) => date.toISOString()),
    words,
  );
  const metadata = fc.oneof(
    fc.dictionary(words, fc.jsonValue({ stringUnit: 'binary' }), { maxKeys: 4 }),
    fc.jsonValue(),
  );
  const addresses = fc.oneof(fc.ipV4(), fc.ipV6(), fc.ipV4Extended(), words);
  const labels = fc.oneof(fc.constantFrom('CREATE', 'ÄNDERN', emoji.repeat(255)), words);
  const event = fc.record(
    {
      event_type: labels,
      entity_type: labels,
      entity_id: identifiers,
      user_id: identifiers,
      description: words,
      metadata,
      ip_address: addresses,
      user_agent: words,
      timestamp: times,
      service: words,
      trace_id: identifiers,
      session_id: identifiers,
      span_id: identifiers,
      caused_by: identifiers,
    },
    { requiredKeys: ['event_type', 'entity_type'] },
  );

  /** The normalisation of docs/api.md: a blank value is null, a whole number becomes its digits. */
  function normalised(field: string, value: unknown): unknown {
    if (value === '' || value === undefined) return null;
    if (field === 'timestamp') return new Date(String(value)).toISOString();
    return typeof value === 'number' && field !== 'metadata' ? String(value) : value;
  }

  async function check(body: unknown): Promise<void> {
    const sent = JSON.stringify(body);
    const answer = await service.request('/api/logs', json(sent));
    const text = await answer.text();
    expect([201, 400, 413, 422], text).toContain(answer.status);
    if (answer.status !== 201) return;
    const stored = JSON.parse(text) as Entry | { logs: Entry[] };
    const events = [JSON.parse(sent)].flat() as Record<string, unknown>[];
    for (const [i, entry] of ('logs' in stored ? stored.logs : [stored]).entries()) {
      const got = (await (await service.request(`/api/logs/${entry.id}`)).json()) as Record<string, unknown>;
      expect(got).toEqual(entry);
      for (const [field, value] of Object.entries(events[i] ?? {})) {
        if (field === 'ip_address' && value !== '') expect(canonical(got[field])).toBe(canonical(value));
        else if (field === 'timestamp' && value === '') expect(got.timestamp).toMatch(/Z$/);
        else if (!isDeepStrictEqual(got[field], normalised(field, value))) expect(got[field]).toEqual(value);
      }
    }
  }

  /** The canonical form of an address: PostgreSQL writes 2001:DB8:0::1 as in RFC 5952. */
  const canonical = (address: unknown) =>
    String(address).includes(':') ? new URL(`http://[${address}]`).hostname : String(address);

  it('is stored or refused, and a stored event is returned unchanged', async () => {
    await fc.assert(fc.asyncProperty(event, check), { numRuns: 150 });
    await fc.assert(fc.asyncProperty(fc.array(event, { minLength: 1, maxLength: 5 }), check), { numRuns: 50 });
    await fc.assert(fc.asyncProperty(fc.jsonValue({ stringUnit: 'binary' }), check), { numRuns: 100 });
  });
});

it('the service is ready after all requests', async () => {
  expect((await service.request('/readyz')).status).toBe(200);
  expect(await service.write(event)).toHaveLength(1);
});

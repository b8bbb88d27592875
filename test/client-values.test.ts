/** The SDK sends every value as it is or refuses it: JSON.stringify must not change an event unseen. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createClient, LogError } from '../src/client.ts';
import type { EntryInput } from '../src/log/entry.ts';
import { startService } from './support/harness.ts';

const service = await startService('postgres');
let requests = 0;
const log = createClient({
  ...{ url: service.url, user: 'admin', password: 'admin-password' },
  fetch: (input, init) => {
    requests += 1;
    return fetch(input, init);
  },
});
/** As JavaScript calls it, without types. */
const eventWith = (fields: object) => ({ event_type: 'A', entity_type: 'b', ...fields }) as EntryInput;

async function refusalOf(given: unknown): Promise<{ error: LogError; sent: boolean }> {
  const before = requests;
  const error = await log(given as EntryInput).catch((thrown: unknown) => thrown);
  if (!(error instanceof LogError)) throw new Error('the event was not refused', { cause: error });
  return { error, sent: requests > before };
}

class Money {
  toJSON() {
    return '5 EUR';
  }
}
const itself: { a?: unknown } = {};
itself.a = itself;
// biome-ignore lint/suspicious/noSparseArray: a hole is what this is about.
const sparse = [1, , 2];

describe('a value that JSON.stringify would change is refused before it is sent', () => {
  it.each([
    ['NaN', Number.NaN, 'NaN is not a number of JSON'],
    ['Infinity', Number.POSITIVE_INFINITY, 'Infinity is not a number of JSON'],
    ['-Infinity', Number.NEGATIVE_INFINITY, '-Infinity is not a number of JSON'],
    ['-0', -0, 'a negative zero cannot be kept'],
    ['undefined', undefined, 'is undefined'],
    ['a hole of an array', sparse, '1: is undefined'],
    ['a BigInt', 5n, 'a bigint is not a value of JSON'],
    ['a function', () => 1, 'a function is not a value of JSON'],
    ['a symbol', Symbol('x'), 'a symbol is not a value of JSON'],
    ['a Date', new Date(0), 'a Date has a method toJSON'],
    ['a URL', new URL('http://log.test'), 'a URL has a method toJSON'],
    ['a Buffer', Buffer.from('x'), 'a Buffer has a method toJSON'],
    ['an object with toJSON', new Money(), 'a Money has a method toJSON'],
    ['a Map', new Map([[1, 2]]), 'a Map is not a value of JSON'],
    ['a Set', new Set([1]), 'a Set is not a value of JSON'],
    ['a RegExp', /x/, 'a RegExp is not a value of JSON'],
    ['an Error', new Error('x'), 'a Error is not a value of JSON'],
    ['a typed array', new Uint8Array(2), 'a Uint8Array is not a value of JSON'],
    ['a boxed number', Object(5), 'a Number is not a value of JSON'],
    ['a Promise', Promise.resolve(1), 'a Promise is not a value of JSON'],
    ['an object that contains itself', itself, 'is nested too deeply or contains itself'],
  ])('%s', async (_what, value, reason) => {
    const { error, sent } = await refusalOf(eventWith({ metadata: { deep: [{ value }] } }));
    expect(error).toMatchObject({ status: 422, stored: 'nothing', errors: [{ index: 0, field: 'metadata' }] });
    expect(error.errors[0]?.reason).toContain(reason);
    expect(sent).toBe(false);
  });

  it.each([
    ['user_id', Number.NaN],
    ['user_id', -0],
    ['timestamp', new Date(0)],
    ['description', new String('x')],
    ['metadata', new Map()],
    ['metadata', new Money()],
  ])('in the field %s', async (field, value) => {
    const { error, sent } = await refusalOf(eventWith({ [field]: value }));
    expect(error.errors).toMatchObject([{ index: 0, field }]);
    expect(sent).toBe(false);
  });

  it.each([[null], [undefined], ['text'], [7], [new Map()], [new Money()]])('as an event: %s', async (event) => {
    const { error, sent } = await refusalOf([eventWith({}), event]);
    expect(error.errors).toMatchObject([{ index: 1, field: '' }]);
    expect(sent).toBe(false);
  });

  it('names every event and field', async () => {
    const { error } = await refusalOf([
      eventWith({ metadata: { a: 1n }, user_id: -0 }),
      eventWith({}),
      eventWith({ user_id: Number.NaN }),
    ]);
    expect(error.errors.map(({ index, field }) => [index, field])).toEqual([
      [0, 'metadata'],
      [0, 'user_id'],
      [2, 'user_id'],
    ]);
    expect(error.detail).toBe(
      'Nothing was sent: event 0, metadata: a: a bigint is not a value of JSON: send it as text.',
    );
  });
});

describe('a value that JSON can carry is left to the service', () => {
  it.each([
    ['a whole number beyond 2^53', { metadata: { n: 2 ** 60 } }, 'metadata', 'beyond 2^53'],
    ['a lone surrogate', { metadata: { a: '\ud800' } }, 'metadata', 'surrogate'],
    ['a lone surrogate in a key', { metadata: { '\udfff': 1 } }, 'metadata', 'surrogate'],
    ['a lone surrogate in a field', { user_id: 'a\ud800b' }, 'user_id', 'surrogate'],
    ['an identifier beyond 2^53', { user_id: 2 ** 60 }, 'user_id', ''],
    ['a NUL character', { description: '\0' }, 'description', 'NUL'],
    ['an array as metadata', { metadata: [] }, 'metadata', 'object'],
    ['30 levels', { metadata: JSON.parse(`${'{"a":'.repeat(30)}1${'}'.repeat(30)}`) }, 'metadata', 'levels deep'],
  ])('and refused there: %s', async (_what, fields, field, reason) => {
    const { error, sent } = await refusalOf(eventWith(fields));
    expect(error).toMatchObject({ status: 422, errors: [{ index: 0, field }] });
    expect(error.errors[0]?.reason).toContain(reason);
    expect(sent).toBe(true);
  });

  it('and an undefined field of an event is an absent one', async () => {
    expect(await log(eventWith({ user_id: undefined, metadata: undefined }))).toMatchObject({
      user_id: null,
      metadata: null,
    });
  });

  it('and an object without a prototype or of a class with fields is sent as its fields', async () => {
    class Order {
      n = 1;
    }
    const metadata = { order: new Order(), bare: Object.assign(Object.create(null), { a: [1, null, ''] }) };
    expect((await log(eventWith({ metadata }))).metadata).toEqual({ order: { n: 1 }, bare: { a: [1, null, ''] } });
  });

  it('and any metadata comes back as it was, or is refused', async () => {
    const json = fc.jsonValue({ maxDepth: 4, noUnicodeString: false }).map((value) => ({ value }));
    const events = fc.sample(json, { numRuns: 80, seed: 5 }).map((metadata) => eventWith({ metadata }));
    let n_stored = 0;
    for (const event of events) {
      const entry = await log(event).catch((error: unknown) => error);
      if (entry instanceof LogError) expect(entry.errors[0]?.field).toBe('metadata');
      else {
        expect(entry).toMatchObject({ metadata: event.metadata });
        n_stored += 1;
      }
    }
    expect(n_stored).toBeGreaterThan(30);
  });
});

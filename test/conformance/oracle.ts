/** The oracle for the filter: random events, random queries, and which events a query matches, in plain JavaScript. */
import fc from 'fast-check';
import type { Entry } from '../../src/log/schema.ts';
import type { TestService } from '../support/harness.ts';

export type Listing = { logs: Entry[]; total: number; total_is_exact: boolean; limit: number; offset: number };
type Scalar = string | number | boolean | null;

const characters = ['a', 'A', 'b', 'B', '%', '_', '\\', "'", '"', ' ', '中', '🧾', '*', '.', '(', '0'];
const snippet = (maxLength: number) =>
  fc.array(fc.constantFrom(...characters), { maxLength }).map((chars) => chars.join(''));

/** Times around midnight and around a full second, so that every kind of bound has events on both sides. */
const moments = [
  '2024-02-28T12:00:00.000Z',
  '2024-02-28T23:59:59.999Z',
  '2024-02-29T00:00:00.000Z',
  '2024-02-29T00:00:00.001Z',
  '2024-02-29T12:30:14.999Z',
  '2024-02-29T12:30:15.000Z',
  '2024-02-29T12:30:15.001Z',
  '2024-02-29T23:59:59.999Z',
  '2024-03-01T00:00:00.000Z',
  '2024-03-01T00:30:00.000Z',
  '2024-03-02T00:00:00.000Z',
  '1969-12-31T23:59:59.999Z',
];

const values = {
  event_type: ['A', 'a', 'B', '%', 'A%', '中🧾', "'"],
  entity_type: ['x', 'y', '_', 'null'],
  entity_id: ['1', '01', '1 ', 'a_b', 'a\\b', '%'],
  user_id: ['u', 'U', '"', 'null', '🧾'],
  service: ['s', 't%'],
  trace_id: ['4bf92f', 'T'],
  session_id: ['s', '\\'],
  ip_address: ['10.0.0.1', '2001:db8::1'],
} as const;
type Column = keyof typeof values;
const columns = Object.keys(values) as Column[];

const scalars: Scalar[] = ['x', 'X', '1', 1, 1.5, -2, 0, 'true', true, false, null, 'null', '%', "'", '"', '\\', '中'];
const scalar = fc.constantFrom(...scalars);
const keys = ['a', 'b', "k'", 'q"', 'back\\slash', '中', '__proto__', '%'];
const key = fc.constantFrom(...keys);
const metadata = fc.option(
  fc.dictionary(
    key,
    fc.oneof(
      { weight: 4, arbitrary: scalar },
      {
        weight: 2,
        arbitrary: fc.dictionary(key, fc.oneof(scalar, fc.dictionary(key, scalar, { maxKeys: 1 })), { maxKeys: 2 }),
      },
      { weight: 1, arbitrary: fc.array(scalar, { maxLength: 2 }) },
    ),
    { maxKeys: 3 },
  ),
);

const nullable = (column: Column) => fc.option(fc.constantFrom(...values[column]));
const event = fc.record({
  event_type: fc.constantFrom(...values.event_type),
  entity_type: fc.constantFrom(...values.entity_type),
  entity_id: nullable('entity_id'),
  user_id: nullable('user_id'),
  service: nullable('service'),
  trace_id: nullable('trace_id'),
  session_id: nullable('session_id'),
  ip_address: nullable('ip_address'),
  description: fc.option(snippet(6)),
  metadata,
  timestamp: fc.constantFrom(...moments),
});

/** A time as a query writes it, and the first and the last millisecond that it covers. */
const times: [text: string, first: string, last: string][] = [
  ['2024-02-28', '2024-02-28T00:00:00.000Z', '2024-02-28T23:59:59.999Z'],
  ['2024-02-29', '2024-02-29T00:00:00.000Z', '2024-02-29T23:59:59.999Z'],
  ['2024-03-01', '2024-03-01T00:00:00.000Z', '2024-03-01T23:59:59.999Z'],
  ['2024-02-29T00:00', '2024-02-29T00:00:00.000Z', '2024-02-29T00:00:59.999Z'],
  ['2024-02-29T12:30:15', '2024-02-29T12:30:15.000Z', '2024-02-29T12:30:15.999Z'],
  ['2024-02-29 12:30:15.001', '2024-02-29T12:30:15.001Z', '2024-02-29T12:30:15.001Z'],
  ['2024-02-29T12:30:15Z', '2024-02-29T12:30:15.000Z', '2024-02-29T12:30:15.999Z'],
  ['2024-03-01T01:30:00+01:00', '2024-03-01T00:30:00.000Z', '2024-03-01T00:30:00.999Z'],
  ['2024-02-29T19:00:00-0500', '2024-03-01T00:00:00.000Z', '2024-03-01T00:00:00.999Z'],
  ['1969-12-31', '1969-12-31T00:00:00.000Z', '1969-12-31T23:59:59.999Z'],
  ['0001-01-01', '0001-01-01T00:00:00.000Z', '0001-01-01T23:59:59.999Z'],
  ['2024-12-31', '2024-12-31T00:00:00.000Z', '2024-12-31T23:59:59.999Z'],
];
const timeOf = new Map(times.map(([text, first, last]) => [text, { first, last }]));

/** One parameter with its values, and whether it matches an entry. */
type Parameter = { name: string; values: string[]; holds(entry: Entry): boolean };

const some = <T>(arbitrary: fc.Arbitrary<T>) => fc.array(arbitrary, { minLength: 1, maxLength: 3 });

/** `name=a&name=b` matches any of the values, `name!=a&name!=b` none of them: an entry without a value also matches. */
const anyOrNone = (
  name: string,
  values: string[],
  negated: boolean,
  is: (entry: Entry, value: string) => boolean,
): Parameter => ({
  name: negated ? `${name}!` : name,
  values,
  holds: (entry) => values.some((value) => is(entry, value)) !== negated,
});

/** A text filter: every text must match, or none when it is negated. */
const allOrNone: typeof anyOrNone = (name, values, negated, is) => ({
  ...anyOrNone(name, values, negated, is),
  holds: (entry) => (negated ? !values.some((value) => is(entry, value)) : values.every((value) => is(entry, value))),
});

const exactly = fc
  .constantFrom(...columns)
  .chain((column) =>
    fc
      .tuple(
        some(fc.constantFrom<string>(...values[column], column === 'ip_address' ? '10.0.0.2' : 'nobody')),
        fc.boolean(),
      )
      .map(([texts, negated]) => anyOrNone(column, texts, negated, (entry, value) => entry[column] === value)),
  );

const optional = ['entity_id', 'ip_address', 'service', 'session_id', 'trace_id', 'user_id'] as const;
const without = fc.tuple(some(fc.constantFrom(...optional)), fc.boolean()).map(
  ([keys, negated]): Parameter => ({
    name: negated ? 'without!' : 'without',
    values: keys,
    // Without all of them, or with each of them.
    holds: (entry) => keys.every((key) => (entry[key] === null) !== negated),
  }),
);

const inHours = some(fc.integer({ min: 0, max: 167 })).map(
  (hours): Parameter => ({
    name: 'hour_of_week',
    values: hours.map(String),
    holds: ({ timestamp }) => {
      const date = new Date(timestamp);
      return hours.includes(((date.getUTCDay() + 6) % 7) * 24 + date.getUTCHours());
    },
  }),
);

const searching = fc
  .tuple(some(snippet(3).filter((text) => text !== '')), fc.boolean())
  .map(([texts, negated]) =>
    allOrNone('search', texts, negated, ({ description }, text) =>
      (description ?? '').toLowerCase().includes(text.toLowerCase()),
    ),
  );

function at(value: unknown, [step, ...rest]: string[]): unknown {
  if (step === undefined) return value;
  if (typeof value !== 'object' || value === null || Array.isArray(value) || !Object.hasOwn(value, step))
    return undefined;
  return at((value as Record<string, unknown>)[step], rest);
}

const inMetadata = fc
  .tuple(fc.array(key, { minLength: 1, maxLength: 3 }), some(scalar.map(String)), fc.boolean())
  .map(([path, texts, negated]) =>
    anyOrNone(`metadata.${path.join('.')}`, texts, negated, (entry, text) => {
      const found = at(entry.metadata, path);
      const meant = /^(true|false|null|-?\d+(\.\d+)?)$/.test(text) ? JSON.parse(text) : text;
      return found === text || found === meant;
    }),
  );

const between = fc
  .tuple(some(fc.constantFrom(...timeOf.keys())), fc.constantFrom('start_date', 'end_date'))
  .map(([texts, name]): Parameter => {
    const meant = texts.map((text) => timeOf.get(text) ?? { first: '', last: '' });
    return {
      name,
      values: texts,
      // The widest of several bounds applies.
      holds: ({ timestamp }) =>
        name === 'start_date'
          ? meant.some(({ first }) => timestamp >= first)
          : meant.some(({ last }) => timestamp <= last),
    };
  });

const inIds = fc.tuple(some(fc.integer({ min: 0, max: 450 })), fc.constantFrom('first_id', 'last_id')).map(
  ([bounds, name]): Parameter => ({
    name,
    values: bounds.map(String),
    // The widest of several bounds applies.
    holds: ({ id }) =>
      name === 'first_id' ? bounds.some((bound) => id >= bound) : bounds.some((bound) => id <= bound),
  }),
);

/** A query of different parameters: all of them must match. */
export const question = fc.uniqueArray(
  fc.oneof(exactly, exactly, searching, inMetadata, between, inIds, without, inHours),
  {
    maxLength: 3,
    selector: ({ name }) => name,
  },
);

export const queryOf = (parameters: Parameter[]) =>
  new URLSearchParams(parameters.flatMap(({ name, values }) => values.map((value) => [name, value])));

export const newestFirst = (a: Entry, b: Entry) =>
  a.timestamp === b.timestamp ? b.id - a.id : a.timestamp < b.timestamp ? 1 : -1;

export async function get<T>(service: TestService, path: string): Promise<T> {
  const answer = await service.request(path);
  if (answer.status !== 200) throw new Error(`${path}: ${answer.status} ${await answer.text()}`);
  return (await answer.json()) as T;
}

export const list = (service: TestService, query: URLSearchParams | string) =>
  get<Listing>(service, `/api/logs?${query}`);

/** The seed of this run. It is in the test titles, so that a failure can be reproduced. */
export const seed = Math.floor(Math.random() * 2 ** 31);

/** Writes random events; returns them in the order of the list. */
export async function writeSample(service: TestService): Promise<Entry[]> {
  return (await service.write(fc.sample(event, { numRuns: 400, seed }))).sort(newestFirst);
}

/** The entries that match every parameter. */
export const matching = (entries: Entry[], parameters: Parameter[]) =>
  entries.filter((entry) => parameters.every(({ holds }) => holds(entry)));

export const ids = (entries: Entry[]) => entries.map(({ id }) => id);

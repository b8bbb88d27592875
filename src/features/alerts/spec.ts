/** The spec of a rule: read from a request, and stored in the one form that means the same. */
import * as v from 'valibot';
import { checked, whole } from '../../api/changes.ts';
import type { Fault } from '../../http/problem.ts';
import type { Metadata } from '../../log/entry.ts';
import { valueSql } from '../../log/filter.ts';
import { orderedColumns } from '../../log/filter-indexes.ts';
import { readFilterText, refusal } from '../../log/filter-text.ts';
import { isZone } from '../../page/time-zone.ts';
import { type RuleType, ruleTypes } from './rule.ts';

/** The kind of the rows in log_readers, and the prefix of their names. */
export const readerKind = 'rule' as const;
export const readerName = (name: string) => `${readerKind}/${name}`;
export const ruleName = (reader: string) => reader.slice(readerKind.length + 1);

/** `after` is null where the rule begins at the newest event. */
export type RuleSpec = { spec: Metadata; filter: string; after: number | null };

const text = v.string('must be text');
const day_s = 86_400;
const window_s = whole(1, 30 * day_s);
const n = whole(1, 1_000);

/** A field whose values make groups. */
const field = v.pipe(
  text,
  v.check((key) => valueSql(key) !== undefined, 'must be a field of an event that has values, or metadata.<path>'),
);
/** One whose earlier values an index finds: the whole log is asked for them. */
const indexed = v.pipe(
  text,
  v.check(
    (key) => orderedColumns[key] !== undefined,
    `must be one of ${Object.keys(orderedColumns).join(', ')}: the others have no index`,
  ),
);

const shared = {
  type: text,
  filter: v.optional(text, ''),
  after: v.optional(whole(0, Number.MAX_SAFE_INTEGER)),
  group_by: v.optional(field),
  quiet_s: v.optional(whole(0, 30 * day_s)),
  again_after_s: v.optional(whole(60, 30 * day_s)),
  alerts_per_hour_max: v.optional(whole(1, 1_000)),
  hours: v.optional(v.pipe(text, v.regex(/^([01]?\d|2[0-3])-([01]?\d|2[0-4])$/, 'must be two hours, such as 20-6'))),
  zone: v.optional(v.pipe(text, v.check(isZone, 'must be a time zone such as Europe/Berlin'))),
};

/** What each type has beside. */
export const ruleFields: Record<RuleType, v.ObjectEntries> = {
  every: {},
  count: { n, window_s },
  distinct: { n, window_s, field },
  sequence: {
    window_s,
    followed_by: v.optional(
      v.union([text, v.pipe(v.array(text), v.minLength(1), v.maxLength(3))], 'must be one to three filters'),
    ),
    not_followed_by: v.optional(text),
  },
  silence: { window_s, forget_s: v.optional(whole(1, 365 * day_s)) },
  first_seen: { group_by: indexed },
  ratio: {
    n,
    window_s: whole(60, 30 * day_s),
    of: text,
    ratio: v.pipe(
      v.number('must be a number above 0 and at most 1'),
      v.check((r) => r > 0 && r <= 1, 'must be a number above 0 and at most 1'),
    ),
  },
};
export const sharedFields = Object.keys(shared);

/** Reads the body of a PUT. Throws a 400 that names each field and its fault. */
export function readRule(body: unknown): RuleSpec {
  const type = ruleTypes.find((known) => known === (body as { type?: unknown } | null)?.type);
  if (!type) throw refusal([{ field: 'type', reason: `must be one of ${ruleTypes.join(', ')}` }]);
  const schema = v.strictObject({ ...shared, ...ruleFields[type] });
  const {
    filter,
    after = null,
    ...given
  } = checked(schema, body, `a rule of type ${type}`) as Metadata & { filter: string; after?: number };
  const spec = { ...given };
  const faults = faultsOf(spec);
  if (faults.length > 0) throw refusal(faults);
  if (spec.followed_by !== undefined)
    spec.followed_by = [spec.followed_by].flat().map((each, i) => readFilterText(String(each), `followed_by.${i}`));
  for (const key of ['not_followed_by', 'of'])
    if (spec[key] !== undefined) spec[key] = readFilterText(String(spec[key]), key);
  return { spec, filter: readFilterText(filter), after };
}

/** Faults between fields. */
function faultsOf({
  type,
  followed_by,
  not_followed_by,
  quiet_s,
  forget_s,
  window_s,
  hours,
  zone,
  group_by,
}: Metadata): Fault[] {
  const faults: Fault[] = [];
  const add = (isFault: boolean, field: string, reason: string) => {
    if (isFault) faults.push({ field, reason });
  };
  add(
    type === 'sequence' && (followed_by === undefined) === (not_followed_by === undefined),
    'followed_by',
    'either followed_by or not_followed_by is required',
  );
  add(type === 'silence' && quiet_s !== undefined, 'quiet_s', 'a silence ends with the next event');
  add(typeof forget_s === 'number' && forget_s <= Number(window_s), 'forget_s', 'must be larger than window_s');
  add(forget_s !== undefined && group_by === undefined, 'forget_s', 'is about groups: give group_by');
  const [from, to] = String(hours ?? '0-24')
    .split('-')
    .map(Number);
  add(from === to, 'hours', 'must be two different hours');
  add(zone !== undefined && hours === undefined, 'zone', 'is about hours: give hours');
  return faults;
}

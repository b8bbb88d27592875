/** Finds old and new values in metadata, as services commonly write them, for the table "What changed". */
import type { Json, Metadata } from './entry.ts';

/** One field's old and new value; undefined when a side is missing. */
export type Change = { field: string; from: Json | undefined; to: Json | undefined };

/** Above this number of changes the plain tree of the metadata is shown instead. */
const changes_max = 200;

/**
 * Reads `old_x/new_x` (also `previous_x`, `x_before/x_after`, `oldX/newX`), `before/after` objects, and `changes` as an
 * object of pairs or a list of them. Returns the changes and the metadata without them.
 */
export function readChanges(metadata: Metadata): { changes: Change[]; rest: Metadata } {
  const changes: Change[] = [];
  const rest: Metadata = { ...metadata };
  const take = (keys: string[], found: Change[] | null) => {
    if (!found || changes.length + found.length > changes_max) return;
    changes.push(...found);
    for (const key of keys) delete rest[key];
  };
  for (const [before, after] of wholes)
    if (has(rest, before) && has(rest, after)) take([before, after], compared(rest[before], rest[after]));
  for (const key of ['changes', 'changed', 'diff']) if (has(rest, key)) take([key], listed(rest[key]));
  for (const key of Object.keys(rest)) {
    const pair = pairOf(key);
    if (pair && has(rest, pair.other) && has(rest, key))
      take([key, pair.other], [{ field: pair.field, from: rest[key], to: rest[pair.other] }]);
  }
  return { changes, rest };
}

const has = (object: Metadata, key: string) => Object.hasOwn(object, key);
const isObject = (value: Json | undefined): value is Metadata =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const wholes = [
  ['before', 'after'],
  ['old', 'new'],
  ['from', 'to'],
  ['previous', 'current'],
] as const;

/** Patterns of the old value's key, each with the key of the new value. */
const pairs: [RegExp, (field: string) => string][] = [
  [/^(?:old|previous|prev)_(.+)$/, (field) => `new_${field}`],
  [/^(.+)_(?:old|before)$/, (field) => `${field}_new`],
  [/^(.+)_before$/, (field) => `${field}_after`],
  [/^old([A-Z].*)$/, (field) => `new${field}`],
];

function pairOf(key: string): { field: string; other: string } | null {
  for (const [form, other] of pairs) {
    const field = form.exec(key)?.[1];
    if (field) return { field: field.replace(/^[A-Z]/, (letter) => letter.toLowerCase()), other: other(field) };
  }
  return null;
}

/** Compares two states: for objects the keys that differ, for other values the pair itself. */
function compared(from: Json | undefined, to: Json | undefined): Change[] | null {
  if (isObject(from) && isObject(to)) {
    const keys = [...new Set([...Object.keys(from), ...Object.keys(to)])];
    return keys
      .map((field) => ({
        field,
        from: Object.hasOwn(from, field) ? from[field] : undefined,
        to: Object.hasOwn(to, field) ? to[field] : undefined,
      }))
      .filter((change) => JSON.stringify(change.from) !== JSON.stringify(change.to));
  }
  if (isObject(from) || isObject(to)) return null;
  return [{ field: 'value', from, to }];
}

/** `{price: {old: 1, new: 2}}`, `{price: [1, 2]}`, or `[{field: 'price', old: 1, new: 2}]`; null for any other form. */
function listed(value: Json | undefined): Change[] | null {
  const named: [string, Json | undefined][] = Array.isArray(value)
    ? value.map((item) => (isObject(item) ? [nameOf(item), item] : ['', item]))
    : isObject(value)
      ? Object.entries(value)
      : [];
  const found = named.map(([field, pair]) => (field === '' ? null : onePair(field, pair)));
  return found.length === 0 || found.includes(null) ? null : found.filter((change) => change !== null);
}

const nameOf = (item: Metadata): string => {
  const name = item.field ?? item.key ?? item.name ?? item.path ?? item.attribute;
  return typeof name === 'string' ? name : '';
};

function onePair(field: string, pair: Json | undefined): Change | null {
  if (Array.isArray(pair)) return pair.length === 2 ? { field, from: pair[0], to: pair[1] } : null;
  if (!isObject(pair)) return null;
  const keys = Object.keys(pair);
  const from = keys.find((key) => /^(old|from|before|previous)(_?value)?$/i.test(key));
  const to = keys.find((key) => /^(new|to|after|current)(_?value)?$/i.test(key));
  if (!from && !to) return null;
  return { field, from: from ? pair[from] : undefined, to: to ? pair[to] : undefined };
}

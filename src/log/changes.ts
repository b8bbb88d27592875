/** Finds old and new values in metadata, as services commonly write them, for the table "What changed". */
import type { Json, Metadata } from './entry.ts';

/** One field's old and new value; undefined when a side is missing. */
export type Change = { field: string; from: Json | undefined; to: Json | undefined };

/** Above this number of changes the plain tree of the metadata is shown instead. */
const changes_max = 200;

/**
 * Reads the forms that audit libraries write: `before/after` (and the like) as objects, `old_x/new_x` and `x_before/
 * x_after`, `changes` as an object of pairs or a list of them, and `field` with `old/new`. A pair of plain values under
 * names that also mean something else, such as the `from` and `to` of a transfer, is not a change. Returns the changes
 * and the metadata without them.
 */
export function readChanges(metadata: Metadata): { changes: Change[]; rest: Metadata } {
  const changes: Change[] = [];
  const rest: Metadata = { ...metadata };
  const take = (keys: string[], found: Change[] | null) => {
    // Without a difference there is nothing to show, and the values must stay visible.
    if (!found || found.length === 0 || changes.length + found.length > changes_max) return;
    changes.push(...found);
    for (const key of keys) delete rest[key];
  };
  const named = namedPair(rest);
  if (named) take(named.keys, [named.change]);
  for (const [before, after] of statePairs)
    if (has(rest, before) && has(rest, after)) take([before, after], comparedStates(rest[before], rest[after]));
  for (const key of changeKeys) if (has(rest, key)) take([key], listed(rest[key]));
  for (const key of Object.keys(rest)) {
    const pair = pairOf(key);
    if (pair && has(rest, pair.other) && has(rest, key) && !isPeriod(rest[key], rest[pair.other]))
      take([key, pair.other], [{ field: pair.field, from: rest[key], to: rest[pair.other] }]);
  }
  return { changes, rest };
}

const has = (object: Metadata, key: string) => Object.hasOwn(object, key);
const isObject = (value: Json | undefined): value is Metadata =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Keys of two whole states. Their values must be objects: `from` and `to`, `old` and `new` alone name many things. */
const statePairs = [
  ['before', 'after'],
  ['old', 'new'],
  ['old', 'attributes'],
  ['previous', 'current'],
  ['old_values', 'new_values'],
  ['old_data', 'new_data'],
  ['old_record', 'record'],
  ['oldValues', 'newValues'],
] as const;

const changeKeys = ['changes', 'changed', 'diff', 'audited_changes', 'object_changes', 'changed_fields'];

/** Patterns of the old value's key, each with the key of the new value. */
const pairs: [RegExp, (field: string) => string][] = [
  [/^(?:old|previous|prev)_(.+)$/, (field) => `new_${field}`],
  [/^(.+)_old$/, (field) => `${field}_new`],
  [/^((?!(?:not|valid|.*ed)_before$).+)_before$/, (field) => `${field}_after`],
  [/^old([A-Z].*)$/, (field) => `new${field}`],
];

function pairOf(key: string): { field: string; other: string } | null {
  for (const [form, other] of pairs) {
    const field = form.exec(key)?.[1];
    if (field) return { field: field.replace(/^[A-Z]/, (letter) => letter.toLowerCase()), other: other(field) };
  }
  return null;
}

/** Two dates under `x_before` and `x_after` may be the bounds of a search; nothing tells them from a changed date. */
function isPeriod(from: Json | undefined, to: Json | undefined): boolean {
  const isDate = (value: Json | undefined) => typeof value === 'string' && /^\d{4}-\d\d-\d\d/.test(value);
  return isDate(from) && isDate(to) && String(from) > String(to);
}

/** The keys that differ between two objects; null when a side is something else. */
function comparedStates(from: Json | undefined, to: Json | undefined): Change[] | null {
  if (!isObject(from) || !isObject(to)) return null;
  const keys = [...new Set([...Object.keys(from), ...Object.keys(to)])];
  return keys
    .map((field) => ({
      field,
      from: Object.hasOwn(from, field) ? from[field] : undefined,
      to: Object.hasOwn(to, field) ? to[field] : undefined,
    }))
    .filter((change) => JSON.stringify(change.from) !== JSON.stringify(change.to));
}

const nameKeys = ['field', 'property', 'propertyName', 'attribute', 'column', 'key', 'name', 'displayName', 'path'];
const oldKey = /^(?:(?:old|from|before|previous)(?:_?value)?|left|lhs)$/i;
const newKey = /^(?:(?:new|to|after|current)(?:_?value)?|right|rhs)$/i;
/** Further keys that the entries of change lists carry; a pair with any other key is shown as it was sent. */
const kindKey = /^(?:type|kind|op|changeType|.*Key)$/;

/** `{field: 'price', old: 1, new: 2}` as the metadata itself. Only `old` and `new`: `from` and `to` are ambiguous. */
function namedPair(metadata: Metadata): { keys: string[]; change: Change } | null {
  const nameKey = ['field', 'property', 'attribute', 'column'].find((key) => typeof metadata[key] === 'string');
  const values = [
    ['old', 'new'],
    ['old_value', 'new_value'],
    ['oldValue', 'newValue'],
  ].find((keys) => keys.every((key) => has(metadata, key)));
  if (!nameKey || !values) return null;
  const [before = '', after = ''] = values;
  const change = { field: String(metadata[nameKey]), from: metadata[before], to: metadata[after] };
  return { keys: [nameKey, before, after], change };
}

/** Names of members that came and went: `{added: ['a', 'b'], removed: ['c', 'd']}` has no old and new values. */
const memberLists = /^(?:added|removed|deleted|inserted|created|updated|modified|changed|renamed)$/i;

/** `{price: {old: 1, new: 2}}`, `{price: [1, 2]}`, or `[{field: 'price', old: 1, new: 2}]`; null for any other form. */
function listed(value: Json | undefined): Change[] | null {
  const named: [string, Json | undefined][] = Array.isArray(value)
    ? value.map((item) => (isObject(item) ? [nameOf(item), item] : ['', item]))
    : isObject(value)
      ? Object.entries(value)
      : [];
  const isList = Array.isArray(value);
  const found = named.map(([field, pair]) =>
    field === '' || memberLists.test(field) ? null : onePair(field, pair, isList),
  );
  return found.length === 0 || found.includes(null) ? null : found.filter((change) => change !== null);
}

const nameOf = (item: Metadata): string => {
  const name = nameKeys.map((key) => item[key]).find((value) => typeof value === 'string');
  return typeof name === 'string' ? name : '';
};

function onePair(field: string, pair: Json | undefined, isListed: boolean): Change | null {
  if (Array.isArray(pair)) return pair.length === 2 && !isListed ? { field, from: pair[0], to: pair[1] } : null;
  if (!isObject(pair)) return null;
  const keys = Object.keys(pair);
  const from = keys.find((key) => oldKey.test(key));
  const to = keys.find((key) => newKey.test(key));
  const isKnown = (key: string) =>
    key === from || key === to || (isListed && (nameKeys.includes(key) || kindKey.test(key)));
  if ((!from && !to) || !keys.every(isKnown)) return null;
  return { field, from: from ? pair[from] : undefined, to: to ? pair[to] : undefined };
}

/** The JSON Canonicalization Scheme (RFC 8785). */
import type { Json } from '../log/entry.ts';

/**
 * The canonical JSON of a value: no white space, keys in the order of their UTF-16 code units, numbers and texts as ECMAScript
 * writes them. Neither a number that is not finite nor half of a surrogate pair has one: the log stores neither.
 */
export function canonical(value: Json): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  const members = Object.keys(value)
    .sort()
    .map((key) => `${JSON.stringify(key)}:${canonical(value[key] as Json)}`);
  return `{${members.join(',')}}`;
}

/** Paging parameters: limit, offset, the cursors before and after, and how the matching entries are counted. */

import { badField } from '../http/problem.ts';
import type { Paging } from './filter.ts';
import { latest_ms } from './instant.ts';
import { foreignPosition, type Position, positionOf, readPosition, writePosition } from './position.ts';
import { timeOf } from './stored-row.ts';

/** A place in the order of the list (timestamp, id). */
export type Cursor = { ms: number; id: number };
type CheckableCursor = Cursor & { position?: Position };

/** A cursor is written as `<timestamp in epoch ms>-<id>-<mark>`; position.ts says what the mark is. */
export const writeCursor = (entry: { timestamp: string; id: number; created_at: string }) =>
  `${timeOf(entry)}-${writePosition(positionOf(entry))}`.replace('Infinity', 'infinity');

function readCursor(key: 'before' | 'after', text: string): CheckableCursor {
  const [, time = '', place = ''] = /^(-?(?:\d{1,15}|infinity))-(.+)$/.exec(text) ?? [];
  const position = readPosition(place);
  const ms = Number(time.replace('infinity', 'Infinity'));
  if (!position || position.at_ms === null || !isDatabaseTime(ms))
    throw badField(key, 'is not a cursor that this log gave out');
  return { ms, id: position.id, position };
}

/** PostgreSQL's timestamptz begins in 4713 BC; the year 9999 is the last that is written with four digits. */
const isDatabaseTime = (ms: number) => !Number.isFinite(ms) || (ms >= -210_866_803_200_000 && ms <= latest_ms);

export const pageLimits = { limit_default: 100, limit_max: 1000, offset_max: 10_000 } as const;

/** How the total of a list is counted: without a deadline of its own, within a short one, or not at all. */
export const countModes = ['fast', 'exact', 'none'] as const;
export type CountMode = (typeof countModes)[number];

/** Reads `count`; throws a 400 for an unknown value. */
export function readCountMode(query: URLSearchParams): CountMode {
  const text = last(query, 'count') ?? 'fast';
  const mode = countModes.find((name) => name === text);
  if (!mode) throw badField('count', `must be one of ${countModes.join(', ')}`);
  return mode;
}

/** The requested page. */
export type Page = { limit: number; offset: number; before: CheckableCursor | null; after: CheckableCursor | null };

/** Reads limit, offset, before and after; throws a 400 that names the invalid one. */
export function readPage(query: URLSearchParams): Page {
  const before = last(query, 'before');
  const after = last(query, 'after');
  if (before && after) throw badField('after', 'cannot be combined with before');
  const offset = wholeNumber('offset', last(query, 'offset'), 0, 0, pageLimits.offset_max, offsetAdvice);
  if (offset > 0 && (before || after)) throw badField('offset', 'cannot be combined with a cursor');
  return {
    limit: wholeNumber('limit', last(query, 'limit'), pageLimits.limit_default, 1, pageLimits.limit_max),
    offset,
    before: before ? readCursor('before', before) : null,
    after: after ? readCursor('after', after) : null,
  };
}

/** Throws a 400 when the page's cursor is not of this log. */
export async function checkCursor({ before, after }: Page, isOwn: (position: Position) => Promise<boolean>) {
  for (const [key, cursor] of Object.entries({ before, after }))
    if (cursor?.position && !(await isOwn(cursor.position))) throw badField(key, foreignPosition);
}

const last = (query: URLSearchParams, key: Paging) => query.getAll(key).at(-1) || null;

const offsetAdvice = '; beyond that, follow the cursors of the Link header';

/** Reads a whole number within bounds, or returns the fallback for null; throws a 400 that names the field. */
export function wholeNumber(
  field: string,
  text: string | null,
  fallback: number,
  min: number,
  max: number,
  advice = '',
): number {
  if (text === null) return fallback;
  const value = /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN;
  if (!(value >= min && value <= max)) throw badField(field, `must be a whole number from ${min} to ${max}${advice}`);
  return value;
}

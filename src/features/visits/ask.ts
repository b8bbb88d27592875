/** What is asked of the visits: the filter and the paging of a list, and its addresses. */
import { badField } from '../../http/problem.ts';
import { periodOf, readFilter } from '../../log/filter.ts';
import { latest_ms } from '../../log/instant.ts';
import { type CountMode, readCountMode, readPage } from '../../log/paging.ts';
import type { Visit, VisitCursor, VisitFilter, VisitPage } from './tables.ts';

const keys = ['user_id', 'session_id', 'start_date', 'end_date'];

/** Everything that a list is asked for. `query` is its address without the place. */
export type Asked = { filter: VisitFilter; page: VisitPage; count: CountMode; query: URLSearchParams };

/** Reads a query in the grammar of the log's filter, of which visits have four keys; throws a 400 that names the parameter. */
export function readAsked(query: URLSearchParams): Asked {
  const { terms } = readFilter(query, ['limit', 'offset', 'before', 'after', 'count']);
  const other = terms.find(({ key, negated }) => negated || !keys.includes(key));
  if (other) throw badField(other.negated ? `${other.key}!` : other.key, 'is not a parameter of this request');
  const values = (wanted: string) => terms.find(({ key }) => key === wanted)?.values ?? [];
  const { first_ms, last_ms } = periodOf(terms);
  const placeless = new URLSearchParams(query);
  for (const key of ['before', 'after']) placeless.delete(key);
  const { limit, offset } = readPage(placeless);
  const [before, after] = [cursorOf(query, 'before'), cursorOf(query, 'after')];
  if (before && after) throw badField('after', 'cannot be combined with before');
  if (offset > 0 && (before || after)) throw badField('offset', 'cannot be combined with a cursor');
  placeless.delete('offset');
  return {
    filter: {
      users: values('user_id'),
      sessions: values('session_id'),
      from_ms: Number.isFinite(first_ms) ? first_ms : null,
      to_ms: Number.isFinite(last_ms) ? last_ms : null,
    },
    page: { limit, offset, before, after },
    count: readCountMode(query),
    query: placeless,
  };
}

/** A place in the list as text: `<end in epoch ms>-<visit>`. */
const writeCursor = ({ ended, visit }: Visit) => `${Date.parse(ended)}-${visit}`;

function cursorOf(query: URLSearchParams, key: 'before' | 'after'): VisitCursor | null {
  const text = query.getAll(key).at(-1) || null;
  if (text === null) return null;
  const [, ms, visit] = /^(-?\d{1,15})-(\d{1,15})$/.exec(text) ?? [];
  if (visit === undefined || Math.abs(Number(ms)) > latest_ms) throw badField(key, 'is not a cursor of this list');
  return { ms: Number(ms), visit: Number(visit) };
}

/** The addresses of the list's beginning and of the pages beside one: of earlier and of later visits. */
export function pageLinks(
  { query, page }: Asked,
  { visits, hasMore }: { visits: Visit[]; hasMore: boolean },
): Partial<Record<'first' | 'prev' | 'next', string>> {
  const at = (place: 'before' | 'after', visit: Visit | undefined) => {
    if (!visit) return undefined;
    const to = new URLSearchParams(query);
    to.set(place, writeCursor(visit));
    return String(to);
  };
  const [hasLater, hasEarlier] = page.after ? [hasMore, true] : [page.before !== null || page.offset > 0, hasMore];
  const [prev, next] = [hasLater && at('after', visits[0]), hasEarlier && at('before', visits.at(-1))];
  return { first: String(query), ...(prev && { prev }), ...(next && { next }) };
}

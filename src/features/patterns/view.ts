/** The patterns of the log as the API and the page show them: in groups, each with the filter of exactly its events. */
import { writeFilter } from '../../log/filter.ts';
import type { Entry } from '../../log/schema.ts';
import type { Store } from '../../log/store.ts';
import { logHref } from '../../page/links.ts';
import { type Counted, countsByPattern, other } from './tables.ts';
import { type Group, groupPatterns } from './tree.ts';

/** A group is new if its first event was stored within this time, and the log is older. */
const new_ms = 24 * 3_600_000;

export type PatternGroup = {
  pattern: string;
  service: string | null;
  /** Its events, and how many patterns it joins. */
  n: number;
  patterns: number;
  first_id: number;
  last_id: number;
  /** When its first and its last event happened. */
  first_at: string | null;
  last_at: string | null;
  is_new: boolean;
  /** The description of its last event. */
  example: string | null;
  /** As a query string, and as an address of the list. */
  filter: string;
  link: string;
};

/**
 * `n` events with ids up to `upto`: those of the groups, and those of `other`, which are of no group. `head` is the newest
 * id. `n_groups`: how many groups there are, of which the most frequent are listed.
 */
export type PatternsView = {
  upto: number;
  head: number;
  n: number;
  other: number;
  n_groups: number;
  groups: PatternGroup[];
};

/** Events of a group are found by its keys; they belong to one service. */
const filterOf = (patterns: Counted[]) =>
  writeFilter([{ key: 'pattern', negated: false, values: patterns.map(({ key }) => key) }]);

function viewOf(
  { words, patterns }: Group<Counted>,
  entries: Map<number, Entry>,
  isNew: (first?: Entry) => boolean,
): PatternGroup {
  const [first_id, last_id] = [firstOf(patterns), lastOf(patterns)];
  const [first, last] = [entries.get(first_id), entries.get(last_id)];
  const filter = filterOf(patterns);
  return {
    pattern: patterns.length === 1 ? (patterns[0]?.text ?? '') : words.join(' '),
    service: patterns[0]?.service || null,
    n: sumOf(patterns),
    patterns: patterns.length,
    first_id,
    last_id,
    first_at: first?.timestamp ?? null,
    last_at: last?.timestamp ?? null,
    is_new: isNew(first),
    example: last?.description ?? null,
    filter: filter.toString(),
    link: logHref(filter),
  };
}

const firstOf = (patterns: readonly Counted[]) => Math.min(...patterns.map(({ first_id }) => first_id));
const lastOf = (patterns: readonly Counted[]) => Math.max(...patterns.map(({ last_id }) => last_id));
const sumOf = (patterns: readonly Counted[]) => patterns.reduce((sum, { n }) => sum + n, 0);

/** The patterns of one service or of all, the most frequent groups first, at most `groups_max` of them. */
export async function patternsOf(store: Store, service: string | null, groups_max: number): Promise<PatternsView> {
  const { rows, upto, head, n } = await countsByPattern(store, service);
  const counted = rows.filter(({ key }) => key !== other);
  const groups = groupPatterns(counted)
    .map((group) => ({ group, n: sumOf(group.patterns), first_id: firstOf(group.patterns) }))
    .toSorted((a, b) => b.n - a.n || a.first_id - b.first_id);
  const listed = groups.slice(0, groups_max).map(({ group }) => group);
  const ends = listed.flatMap(({ patterns }) => [firstOf(patterns), lastOf(patterns)]);
  const entries = await store.byIds([...new Set([1, ...ends])]);
  const new_from = Date.now() - new_ms;
  const storedBefore = (entry?: Entry) => entry !== undefined && Date.parse(entry.created_at) < new_from;
  const hasPast = storedBefore(entries.get(1));
  return {
    upto,
    head,
    n,
    other: n - sumOf(counted),
    n_groups: groups.length,
    groups: listed.map((group) => viewOf(group, entries, (first) => hasPast && !storedBefore(first))),
  };
}

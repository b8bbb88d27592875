/** The tree of a trace, where its events say in which spans they happened or which event led to them. */
import type { Entry } from '../../log/schema.ts';
import { timeOf } from '../../log/stored-row.ts';

/** A child may be so much earlier than its parent: clocks of two machines are seldom exact. */
const skew_ms_max = 1_000;

export type Node = {
  id: number;
  /** The event above it; null for a root. */
  parent: number | null;
  depth: number;
  /** It names a parent that is not among the events: it stands as a root. */
  orphan: boolean;
  /** It is more than a second before its parent. */
  clocks_differ: boolean;
};

/**
 * The nodes in the order of the tree: parents before children, which are in the order of their time as the events are.
 * Null where no event says anything of a tree. Events that name each other in a circle are roots, and orphans.
 */
export function treeOf(events: Entry[]): Node[] | null {
  if (!events.some(({ span_id, parent_span_id, caused_by }) => span_id ?? parent_span_id ?? caused_by)) return null;
  // The first event of a span stands for it.
  const ofSpan = new Map<string, Entry>();
  const ofName = new Map<string, Entry>();
  for (const entry of events) {
    if (entry.span_id !== null && !ofSpan.has(entry.span_id)) ofSpan.set(entry.span_id, entry);
    ofName.set(String(entry.id), entry);
  }
  for (const entry of events) if (entry.event_uid !== null) ofName.set(entry.event_uid, entry);
  const children = new Map<Entry | null, Entry[]>([[null, []]]);
  const orphans = new Set<Entry>();
  const parents = new Map<Entry, Entry>();
  for (const entry of events) {
    const { parent, isNamed } = parentOf(entry, ofSpan, ofName);
    if (parent) parents.set(entry, parent);
    else if (isNamed) orphans.add(entry);
    const siblings = children.get(parent);
    if (siblings) siblings.push(entry);
    else children.set(parent, [entry]);
  }
  const nodes: Node[] = [];
  const seen = new Set<Entry>();
  /** A stack, because a trace may be as deep as it has events. */
  const walk = (roots: Entry[]) => {
    const open = roots.toReversed().map((entry) => ({ entry, depth: 0 }));
    for (let next = open.pop(); next; next = open.pop()) {
      const { entry, depth } = next;
      if (seen.has(entry)) continue;
      seen.add(entry);
      const parent = depth === 0 ? undefined : parents.get(entry);
      const clocks_differ = parent !== undefined && timeOf(parent) - timeOf(entry) > skew_ms_max;
      const orphan = depth === 0 && (orphans.has(entry) || parents.has(entry));
      nodes.push({ id: entry.id, parent: parent?.id ?? null, depth, orphan, clocks_differ });
      for (const child of (children.get(entry) ?? []).toReversed()) open.push({ entry: child, depth: depth + 1 });
    }
  };
  walk(children.get(null) ?? []);
  // What is left hangs on a circle, or is on it.
  for (const entry of events) if (!seen.has(entry)) walk([circleAbove(entry, parents)]);
  return nodes;
}

/** The first event above another that comes again. */
function circleAbove(entry: Entry, parents: Map<Entry, Entry>): Entry {
  const passed = new Set<Entry>();
  let at = entry;
  while (!passed.has(at)) {
    passed.add(at);
    at = parents.get(at) ?? at;
  }
  return at;
}

/** The event above another: that of its parent span, the first one of its own span, or the one that led to it. */
function parentOf(
  entry: Entry,
  ofSpan: Map<string, Entry>,
  ofName: Map<string, Entry>,
): { parent: Entry | null; isNamed: boolean } {
  const { span_id, parent_span_id, caused_by } = entry;
  const first = span_id === null ? undefined : ofSpan.get(span_id);
  const named = [
    parent_span_id === null ? undefined : ofSpan.get(parent_span_id),
    first,
    caused_by === null ? undefined : ofName.get(caused_by),
  ];
  const parent = named.find((other) => other !== undefined && other !== entry) ?? null;
  return { parent, isNamed: parent_span_id !== null || caused_by !== null };
}

/**
 * Groups patterns that differ in a few words: a tree of fixed depth (Drain: He et al., ICWS 2017), over patterns instead of
 * lines. They are put in by the order of their texts: the same patterns make the same groups, whichever came first.
 */
import { filterLimits } from '../../log/filter.ts';

export const treeLimits = {
  /** Patterns of one length that begin with the same words are one leaf of the tree. */
  leading_words: 2,
  /** Two patterns of a leaf are of one group if this share of their words is the same. */
  similarity_min: 0.5,
  /** A filter takes as many keys: the next pattern begins another group. */
  group_patterns_max: filterLimits.values_max,
  /** A leaf compares a pattern with at most this many groups. */
  leaf_groups_max: 100,
} as const;

export const varies = '<*>';

/** Words, in which `varies` stands where those of its patterns differ. */
export type Group<T> = { words: string[]; patterns: T[] };

const wordsOf = (text: string) => text.split(/\s+/);
const isVariable = (word: string) => word.includes(varies);

/** How many words are the same, and how many of the group's vary. */
function agreement(group: string[], words: string[]): { same: number; vary: number } {
  let [same, vary] = [0, 0];
  for (const [i, word] of group.entries()) {
    if (word === varies) vary += 1;
    else if (word === words[i]) same += 1;
  }
  return { same, vary };
}

/** The group of a leaf with the most words in common, and of those the one in which most vary. */
function nearest<T>(leaf: Group<T>[], words: string[]): Group<T> | null {
  let found: Group<T> | null = null;
  let best = { same: treeLimits.similarity_min * words.length, vary: -1 };
  for (const group of leaf) {
    const { same, vary } = agreement(group.words, words);
    if (same < best.same || (same === best.same && vary <= best.vary)) continue;
    found = group;
    best = { same, vary };
  }
  return found;
}

export function groupPatterns<T extends { service: string; text: string }>(patterns: readonly T[]): Group<T>[] {
  const leaves = new Map<string, Group<T>[]>();
  const groups: Group<T>[] = [];
  const ordered = patterns.toSorted((a, b) => (a.text < b.text ? -1 : a.text > b.text ? 1 : 0));
  for (const pattern of ordered) {
    const words = wordsOf(pattern.text);
    const leading = words.slice(0, treeLimits.leading_words).map((word) => (isVariable(word) ? varies : word));
    const path = JSON.stringify([pattern.service, words.length, ...leading]);
    const leaf = leaves.get(path) ?? [];
    leaves.set(path, leaf);
    const group = nearest(leaf, words);
    if (group) {
      group.patterns.push(pattern);
      for (const [i, word] of words.entries()) if (group.words[i] !== word) group.words[i] = varies;
      if (group.patterns.length >= treeLimits.group_patterns_max) leaf.splice(leaf.indexOf(group), 1);
    } else {
      const alone = { words, patterns: [pattern] };
      groups.push(alone);
      if (leaf.length < treeLimits.leaf_groups_max) leaf.push(alone);
    }
  }
  return groups;
}

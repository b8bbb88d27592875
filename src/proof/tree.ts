/** The Merkle tree of RFC 6962 §2.1: hashes, proofs, and their verification. */
import { concat, isEqual, type Sha256 } from './bytes.ts';

const leafPrefix = Uint8Array.of(0);
const nodePrefix = Uint8Array.of(1);

export const leafHash = (sha256: Sha256, entry: Uint8Array): Uint8Array => sha256(concat(leafPrefix, entry));
export const nodeHash = (sha256: Sha256, left: Uint8Array, right: Uint8Array): Uint8Array =>
  sha256(concat(nodePrefix, left, right));

/** The root of a tree whose leaves are these, at least one. */
export function rootOf(sha256: Sha256, hashes: readonly Uint8Array[]): Uint8Array {
  let row = hashes;
  while (row.length > 1) {
    const next: Uint8Array[] = [];
    for (let i = 0; i + 1 < row.length; i += 2)
      next.push(nodeHash(sha256, row[i] as Uint8Array, row[i + 1] as Uint8Array));
    if (row.length % 2 === 1) next.push(row[row.length - 1] as Uint8Array);
    row = next;
  }
  const [root] = row;
  if (!root) throw new Error('a tree has at least one leaf');
  return root;
}

/** A range of leaves, `from` inclusive, `to` exclusive: a subtree of a tree of `to` or more leaves. */
export type Subtree = { from: number; to: number };

/** The largest power of two below n, which is 2 or more: where a tree of n leaves has its middle. */
export function splitOf(n: number): number {
  let k = 1;
  while (k * 2 < n) k *= 2;
  return k;
}

/** The subtrees whose hashes prove that the leaf `index` is in a tree of `size` leaves, from the leaf upward. */
export function inclusionSubtrees(index: number, size: number, from = 0): Subtree[] {
  if (size <= 1) return [];
  const k = splitOf(size);
  return index < k
    ? [...inclusionSubtrees(index, k, from), { from: from + k, to: from + size }]
    : [...inclusionSubtrees(index - k, size - k, from + k), { from, to: from + k }];
}

/** The subtrees whose hashes prove that a tree of `old` leaves, at least one, is the beginning of one of `size`. */
export function consistencySubtrees(old: number, size: number): Subtree[] {
  const walk = (m: number, n: number, from: number, isWhole: boolean): Subtree[] => {
    if (m === n) return isWhole ? [] : [{ from, to: from + n }];
    const k = splitOf(n);
    return m <= k
      ? [...walk(m, k, from, isWhole), { from: from + k, to: from + n }]
      : [...walk(m - k, n - k, from + k, false), { from, to: from + k }];
  };
  return walk(old, size, 0, true);
}

/** Whether the path proves that the leaf is in the tree (RFC 9162 §2.1.3.2). */
export function isIncluded(
  sha256: Sha256,
  {
    index,
    size,
    leaf,
    path,
    root,
  }: { index: number; size: number; leaf: Uint8Array; path: readonly Uint8Array[]; root: Uint8Array },
): boolean {
  if (!isCount(index) || !isCount(size) || index >= size || ![leaf, root, ...path].every(isHash)) return false;
  let [fn, sn, hash] = [index, size - 1, leaf];
  for (const node of path) {
    if (sn === 0) return false;
    if (fn % 2 === 1 || fn === sn) {
      hash = nodeHash(sha256, node, hash);
      while (fn % 2 === 0 && fn !== 0) [fn, sn] = [half(fn), half(sn)];
    } else hash = nodeHash(sha256, hash, node);
    [fn, sn] = [half(fn), half(sn)];
  }
  return sn === 0 && isEqual(hash, root);
}

/** Whether the path proves that the old tree, of at least one leaf, is the beginning of the new one (RFC 9162 §2.1.4.2). */
export function isConsistent(
  sha256: Sha256,
  {
    old,
    oldRoot,
    size,
    root,
    path,
  }: { old: number; oldRoot: Uint8Array; size: number; root: Uint8Array; path: readonly Uint8Array[] },
): boolean {
  if (!isCount(old) || !isCount(size) || old < 1 || old > size) return false;
  if (![oldRoot, root, ...path].every(isHash)) return false;
  if (old === size) return path.length === 0 && isEqual(oldRoot, root);
  const nodes = isPowerOfTwo(old) ? [oldRoot, ...path] : [...path];
  const first = nodes.shift();
  if (!first) return false;
  let [fn, sn] = [old - 1, size - 1];
  while (fn % 2 === 1) [fn, sn] = [half(fn), half(sn)];
  let [was, is] = [first, first];
  for (const node of nodes) {
    if (sn === 0) return false;
    if (fn % 2 === 1 || fn === sn) {
      [was, is] = [nodeHash(sha256, node, was), nodeHash(sha256, node, is)];
      while (fn % 2 === 0 && fn !== 0) [fn, sn] = [half(fn), half(sn)];
    } else is = nodeHash(sha256, is, node);
    [fn, sn] = [half(fn), half(sn)];
  }
  return sn === 0 && isEqual(was, oldRoot) && isEqual(is, root);
}

/** Not `>> 1`: an index may have more than 32 bits. */
const half = (n: number): number => Math.floor(n / 2);
/** Hashes of other lengths could be cut at another place and have the same node above them. */
const isHash = ({ length }: Uint8Array): boolean => length === 32;
const isCount = (n: number): boolean => Number.isSafeInteger(n) && n >= 0;
const isPowerOfTwo = (n: number): boolean => 2 ** Math.round(Math.log2(n)) === n;

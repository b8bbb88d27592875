/** Verifies events against a proof of them, and the proof against what is known of the log. It needs no service and no database. */
import { isEqual, type Sha256 } from './bytes.ts';
import { type EventSecrets, eventDigest, type ProvenEntry } from './leaf.ts';
import { type Checkpoint, isSignedBy, type Note, readCheckpoint, readNote, type VerifierKey } from './note.ts';
import { hasPrefix, isPrefix, type RangeProof, rootOfProof } from './range-proof.ts';
import { countOf, hasAny } from './ranges.ts';
import { tile_hashes } from './subtree.ts';
import { keysOfTile } from './tile-keys.ts';
import type { TlogProof } from './tlog-proof.ts';
import { isConsistent, isIncluded, leafHash } from './tree.ts';

/** What is known of the log from before, or from elsewhere. */
export type Trust = {
  /** Who must have signed the checkpoint: the log, and witnesses. */
  keys: readonly VerifierKey[];
  /** Checkpoints that were kept. */
  kept: readonly Note[];
  /** The proof of consistency with the kept checkpoint, where the events are not all of those. */
  consistency: readonly Uint8Array[] | null;
};

/** What is wrong: the content of an event, an event that is not there, or the history as a whole. */
export type Finding =
  | { kind: 'content differs' | 'missing' | 'not in the proof' | 'out of order' | 'twice'; id: number }
  | { kind: 'history replaced' | 'proof is wrong'; reason: string };

/** `unchecked` says what could not be checked, and for that reason is not verified. */
export type Report = { checkpoint: Checkpoint | null; n_checked: number; findings: Finding[]; unchecked: string[] };

/** Findings that are told one by one; the rest is counted. */
export const findings_max = 1_000;

function isLeaf(sha256: Sha256, entry: ProvenEntry, secrets: EventSecrets, leaf: Uint8Array): boolean {
  const digest = eventDigest(sha256, entry, secrets);
  return digest !== null && isEqual(leafHash(sha256, digest), leaf);
}

/** Checks who has signed a checkpoint, and that it goes on from those that were kept. */
async function checkCheckpoint(
  sha256: Sha256,
  text: string,
  trust: Trust,
  prefixOf: (size: number, root: Uint8Array) => boolean | null,
): Promise<Report> {
  const note = readNote(text);
  const checkpoint = note && readCheckpoint(note.text);
  const report: Report = { checkpoint, n_checked: 0, findings: [], unchecked: [] };
  if (!note || !checkpoint) {
    report.findings.push({ kind: 'proof is wrong', reason: 'it has no checkpoint' });
    return report;
  }
  for (const key of trust.keys)
    if (!(await isSignedBy(note, key)))
      report.findings.push({ kind: 'proof is wrong', reason: `its checkpoint has no valid signature of ${key.name}` });
  for (const kept of trust.kept) {
    const known = readCheckpoint(kept.text);
    if (!known) report.unchecked.push('a kept checkpoint cannot be read');
    else checkKept(sha256, known, checkpoint, trust.consistency, prefixOf, report);
  }
  if (trust.keys.length === 0 && trust.kept.length === 0)
    report.unchecked.push(
      'whose checkpoint this is: give the key of the log (--key) or a checkpoint that you have kept (--checkpoint)',
    );
  return report;
}

function checkKept(
  sha256: Sha256,
  known: Checkpoint,
  checkpoint: Checkpoint,
  consistency: readonly Uint8Array[] | null,
  prefixOf: (size: number, root: Uint8Array) => boolean | null,
  { findings, unchecked }: Report,
): void {
  const { size, root } = checkpoint;
  const replaced = (reason: string) => {
    findings.push({ kind: 'history replaced', reason });
  };
  if (known.origin !== checkpoint.origin) {
    replaced(`the kept checkpoint is of ${known.origin}, this one of ${checkpoint.origin}`);
    return;
  }
  if (known.size === 0) return;
  const [older, newer] = known.size < size ? [known, checkpoint] : [checkpoint, known];
  const goesOn =
    known.size === size
      ? isEqual(known.root, root)
      : ((known.size < size ? prefixOf(known.size, known.root) : null) ??
        (consistency &&
          isConsistent(sha256, {
            old: older.size,
            oldRoot: older.root,
            size: newer.size,
            root: newer.root,
            path: consistency,
          })));
  if (goesOn === null)
    unchecked.push(
      known.size < size
        ? `whether the log goes on from the kept checkpoint of ${known.size} events: give a proof of consistency (--consistency)`
        : `events ${size + 1} to ${known.size} of the kept checkpoint: this proof is an older one, or the log was cut`,
    );
  else if (!goesOn) replaced(`the first ${older.size} events are not those of the kept checkpoint`);
}

/** Verifies one event with its `.tlog-proof`. */
export async function verifyEvent(sha256: Sha256, entry: ProvenEntry, proof: TlogProof, trust: Trust): Promise<Report> {
  const report = await checkCheckpoint(sha256, proof.note, trust, () => null);
  const { checkpoint, findings } = report;
  if (!checkpoint) return report;
  report.n_checked = 1;
  if (entry.id !== proof.index + 1) findings.push({ kind: 'not in the proof', id: entry.id });
  else {
    const digest = eventDigest(sha256, entry, proof.secrets);
    const leaf = digest && leafHash(sha256, digest);
    const { size, root } = checkpoint;
    if (!leaf || !isIncluded(sha256, { index: proof.index, size, leaf, path: proof.path, root }))
      findings.push({ kind: 'content differs', id: entry.id });
  }
  return report;
}

/** Verifies events, in the order of an export, with the proof of them. */
export async function verifyEvents(
  sha256: Sha256,
  entries: AsyncIterable<ProvenEntry>,
  proof: RangeProof,
  trust: Trust,
): Promise<Report> {
  const prefixOf = (size: number, root: Uint8Array) =>
    hasPrefix(proof, size) ? isPrefix(sha256, proof, size, root) : null;
  const report = await checkCheckpoint(sha256, proof.note, trust, prefixOf);
  const { checkpoint, findings } = report;
  if (!checkpoint) return report;
  const root = rootOfProof(sha256, proof, checkpoint.size);
  if (!root || !isEqual(root, checkpoint.root))
    findings.push({ kind: 'proof is wrong', reason: 'it does not lead to its checkpoint' });
  const seen = await checkEntries(sha256, entries, proof, report);
  report.n_checked = seen.size;
  // Not added up as ids: what is missing may be millions.
  if (seen.size < countOf(proof.ranges))
    for (const { first, last } of proof.ranges)
      for (let id = first; id <= last && findings.length < findings_max; id += 1)
        if (!seen.has(id)) findings.push({ kind: 'missing', id });
  return report;
}

async function checkEntries(
  sha256: Sha256,
  entries: AsyncIterable<ProvenEntry>,
  { ranges, tiles }: RangeProof,
  { findings }: Report,
): Promise<Set<number>> {
  const seen = new Set<number>();
  const keys = keyCache(sha256, tiles);
  let before: ProvenEntry | null = null;
  const found = (kind: 'content differs' | 'not in the proof' | 'out of order' | 'twice', id: number) => {
    if (findings.length < findings_max) findings.push({ kind, id });
  };
  for await (const entry of entries) {
    const { id } = entry;
    if (before && !isAfter(before, entry)) found('out of order', id);
    before = entry;
    if (seen.has(id)) found('twice', id);
    else if (!hasAny(ranges, id, id)) found('not in the proof', id);
    else {
      seen.add(id);
      const tile = tiles.get(Math.floor((id - 1) / tile_hashes));
      const key = keys(id);
      const secrets = tile?.secrets.get(id) ?? (key && { key });
      const leaf = tile?.leaves.get(id);
      if (!secrets || !leaf || !isLeaf(sha256, entry, secrets, leaf)) found('content differs', id);
    }
  }
  return seen;
}

/** An export is in the order of the times, and of the ids where these are equal. */
const isAfter = (a: ProvenEntry, b: ProvenEntry): boolean => {
  const [x, y] = [Date.parse(a.timestamp), Date.parse(b.timestamp)];
  return x < y || (x === y && a.id < b.id);
};

/** Tiles whose keys are kept: events that follow each other in time are mostly of the same ones. */
const cached_tiles_max = 64;

function keyCache(sha256: Sha256, tiles: RangeProof['tiles']) {
  const cache = new Map<number, (Uint8Array | undefined)[]>();
  return (id: number): Uint8Array | undefined => {
    const n = Math.floor((id - 1) / tile_hashes);
    const known = cache.get(n) ?? keysOfTile(sha256, tiles.get(n)?.nodes ?? []);
    cache.delete(n);
    cache.set(n, known);
    const [oldest] = cache.keys();
    if (cache.size > cached_tiles_max && oldest !== undefined) cache.delete(oldest);
    return known[id - 1 - n * tile_hashes];
  };
}

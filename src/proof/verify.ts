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
  /** Proofs of consistency with kept checkpoints, in any order, where the events are not all of those. */
  consistency: readonly (readonly Uint8Array[])[];
};

/** What is wrong: the content of an event, an event that is not there, or the history as a whole. */
export type Finding =
  | { kind: 'content differs' | 'missing' | 'not in the proof' | 'out of order' | 'twice'; id: number }
  | { kind: 'history replaced' | 'proof is wrong'; reason: string };

/**
 * `unchecked` says what could not be checked, and for that reason is not verified. `erased` are the events that are proven
 * without some of their values: a proof does not tell who has left these out.
 */
export type Report = {
  checkpoint: Checkpoint | null;
  n_checked: number;
  findings: Finding[];
  unchecked: string[];
  erased: { id: number; fields: string[] }[];
  /** Events with a value that the service could not give out: "unreadable" itself is in no proof. */
  n_unreadable: number;
};

/** Findings that are told one by one; the rest is counted. */
export const findings_max = 1_000;

/** Keeps what is to be said of an event that is as it was sealed. */
function note(report: Report, entry: ProvenEntry, secrets: EventSecrets): void {
  if ('erased' in secrets) report.erased.push({ id: entry.id, fields: Object.keys(secrets.erased) });
  if (entry.unreadable !== undefined) report.n_unreadable += 1;
}

function withUnreadable(report: Report): Report {
  const { n_unreadable, unchecked } = report;
  if (n_unreadable > 0)
    unchecked.push(`what ${n_unreadable} events say of values that could not be read ("unreadable")`);
  return report;
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
  const report: Report = { checkpoint, n_checked: 0, findings: [], unchecked: [], erased: [], n_unreadable: 0 };
  if (!note || !checkpoint) {
    report.findings.push({ kind: 'proof is wrong', reason: 'it has no checkpoint' });
    return report;
  }
  for (const key of trust.keys)
    if (!(await isSignedBy(note, key)))
      report.findings.push({ kind: 'proof is wrong', reason: `its checkpoint has no valid signature of ${key.name}` });
  checkKept(sha256, checkpoint, trust, prefixOf, report);
  if (trust.keys.length === 0 && trust.kept.length === 0)
    report.unchecked.push(
      'whose checkpoint this is: give the key of the log (--key) or a checkpoint that you have kept (--checkpoint)',
    );
  return report;
}

/** Checks that the log goes on from each checkpoint that was kept. */
function checkKept(
  sha256: Sha256,
  checkpoint: Checkpoint,
  { kept, consistency }: Trust,
  prefixOf: (size: number, root: Uint8Array) => boolean | null,
  { findings, unchecked }: Report,
): void {
  const { size, root, origin } = checkpoint;
  const unproven: Checkpoint[] = [];
  const unused = new Set(consistency);
  const replaced = (reason: string) => void findings.push({ kind: 'history replaced', reason });
  const differs = (n: number) => replaced(`the first ${n} events are not those of the kept checkpoint`);
  for (const { text } of kept) {
    const known = readCheckpoint(text);
    if (!known) unchecked.push('a kept checkpoint cannot be read');
    else if (known.size === 0) unchecked.push('a kept checkpoint is of no events, and says nothing');
    else if (known.origin !== origin) replaced(`the kept checkpoint is of ${known.origin}, this one of ${origin}`);
    else if (known.size === size) {
      if (!isEqual(known.root, root)) differs(size);
    } else {
      const isPrefix = known.size < size ? prefixOf(known.size, known.root) : null;
      if (isPrefix === false) differs(known.size);
      else if (isPrefix === null) {
        const path = consistency.find((one) => goesOn(sha256, known, checkpoint, one));
        if (path) unused.delete(path);
        else unproven.push(known);
      }
    }
  }
  for (const known of unproven) {
    // A proof of another pair of checkpoints does not fit either: only where there is one for each does it say something.
    if (unused.size >= unproven.length) differs(Math.min(known.size, size));
    else if (known.size < size)
      unchecked.push(
        `whether the log goes on from the kept checkpoint of ${known.size} events: give a proof of consistency (--consistency)`,
      );
    else
      unchecked.push(
        `events ${size + 1} to ${known.size} of the kept checkpoint: this proof is an older one, or the log was cut`,
      );
  }
}

function goesOn(sha256: Sha256, a: Checkpoint, b: Checkpoint, path: readonly Uint8Array[]): boolean {
  const [older, newer] = a.size < b.size ? [a, b] : [b, a];
  return isConsistent(sha256, { old: older.size, oldRoot: older.root, size: newer.size, root: newer.root, path });
}

/** Verifies one event with its `.tlog-proof`. It proves no other event that is there. */
export async function verifyEvent(
  sha256: Sha256,
  entries: AsyncIterable<ProvenEntry>,
  proof: TlogProof,
  trust: Trust,
): Promise<Report> {
  const report = await checkCheckpoint(sha256, proof.note, trust, () => null);
  const { checkpoint, findings } = report;
  if (!checkpoint) return report;
  const { size, root } = checkpoint;
  for await (const entry of entries) {
    const digest = eventDigest(sha256, entry, proof.secrets);
    const leaf = digest && leafHash(sha256, digest);
    if (entry.id !== proof.index + 1) findings.push({ kind: 'not in the proof', id: entry.id });
    else if (report.n_checked > 0) findings.push({ kind: 'twice', id: entry.id });
    else {
      report.n_checked = 1;
      if (!leaf || !isIncluded(sha256, { index: proof.index, size, leaf, path: proof.path, root }))
        findings.push({ kind: 'content differs', id: entry.id });
      else note(report, entry, proof.secrets);
    }
    if (findings.length >= findings_max) break;
  }
  if (report.n_checked === 0) findings.push({ kind: 'missing', id: proof.index + 1 });
  return withUnreadable(report);
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
  return withUnreadable(report);
}

async function checkEntries(
  sha256: Sha256,
  entries: AsyncIterable<ProvenEntry>,
  { ranges, tiles }: RangeProof,
  report: Report,
): Promise<Set<number>> {
  const { findings } = report;
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
      const digest = secrets ? eventDigest(sha256, entry, secrets) : null;
      if (!secrets || !leaf || !digest || !isEqual(leafHash(sha256, digest), leaf)) found('content differs', id);
      else note(report, entry, secrets);
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

/** Verifies a log over HTTP as a stranger does: it imports nothing of the product, and knows RFC 6962 and C2SP's formats alone. */
import { createHash, createPublicKey, verify } from 'node:crypto';

type Get = (path: string) => Promise<Response>;
export type Head = { origin: string; size: number; root: Buffer };

const sha = (...parts: Buffer[]) => createHash('sha256').update(Buffer.concat(parts)).digest();
const node = (left: Buffer, right: Buffer) => sha(Buffer.of(1), left, right);
export const leafOf = (entry: Buffer) => sha(Buffer.of(0), entry);
/** The largest power of two below n. */
const split = (n: number): number => 2 ** (Math.ceil(Math.log2(n)) - 1);
const popped = (path: Buffer[]): Buffer => path.pop() ?? Buffer.from('the proof is too short');

/** MTH of RFC 6962 §2.1, over hashes of leaves. */
export function rootOf(hashes: Buffer[]): Buffer {
  const k = split(hashes.length);
  return hashes.length > 1 ? node(rootOf(hashes.slice(0, k)), rootOf(hashes.slice(k))) : (hashes[0] ?? sha());
}

/** The root to which PATH of RFC 6962 §2.1.1 leads from a leaf. */
export function included(index: number, size: number, leaf: Buffer, path: Buffer[]): Buffer {
  if (size === 1) return path.length === 0 ? leaf : Buffer.from('the proof is too long');
  const [k, rest, last] = [split(size), path.slice(0, -1), popped([...path])];
  return index < k ? node(included(index, k, leaf, rest), last) : node(last, included(index - k, size - k, leaf, rest));
}

/** The old and the new root to which PROOF of RFC 6962 §2.1.2 leads. */
export function consistent(old: number, size: number, oldRoot: Buffer, path: Buffer[]): [Buffer, Buffer] {
  const left = [...path];
  const walk = (m: number, n: number, isWhole: boolean): [Buffer, Buffer] => {
    const k = split(n);
    const hash = m === n && isWhole ? oldRoot : popped(left);
    if (m === n) return [hash, hash];
    const [was, is] = m <= k ? walk(m, k, isWhole) : walk(m - k, n - k, false);
    return m <= k ? [was, node(is, hash)] : [node(hash, was), node(hash, is)];
  };
  const roots = walk(old, size, true);
  return left.length === 0 ? roots : [Buffer.from('the proof is too long'), oldRoot];
}

/** Opens a checkpoint (C2SP tlog-checkpoint) that this key has signed (C2SP signed-note). */
export function openCheckpoint(note: string, verifier: string): Head {
  const at = note.lastIndexOf('\n\n');
  const text = note.slice(0, at + 1);
  const [, name, id, data = ''] = /^(.+?)\+(.{8})\+(.+)$/.exec(verifier) ?? [];
  const x = Buffer.from(data, 'base64').subarray(1).toString('base64url');
  const key = createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x }, format: 'jwk' });
  const isSigned = note
    .slice(at + 2)
    .split('\n')
    .some((line) => {
      const [dash, signer, signature = ''] = line.split(' ');
      const bytes = Buffer.from(signature, 'base64');
      const isKnown = dash === '—' && signer === name && bytes.toString('hex', 0, 4) === id;
      return isKnown && verify(null, Buffer.from(text), key, bytes.subarray(4));
    });
  if (!isSigned) throw new Error('the checkpoint is not signed by this key');
  const [origin = '', size = '', root = ''] = text.split('\n');
  return { origin, size: Number(size), root: Buffer.from(root, 'base64') };
}

/** A tile of a tree of this size, or its entries (C2SP tlog-tiles), as bytes. */
export async function tileOf(get: Get, level: number | 'entries', n: number, size: number): Promise<Buffer> {
  const width = Math.min(256, Math.floor(size / 256 ** (level === 'entries' ? 0 : level)) - 256 * n);
  const path = String(n).padStart(3, '0'); // Logs of tests have fewer than 256,000 events.
  const response = await get(`/tile/${level}/${path}${width < 256 ? `.p/${width}` : ''}`);
  if (response.status !== 200) throw new Error(`${response.status} ${await response.text()}`);
  return Buffer.from(await response.arrayBuffer());
}

export const hashesOf = (tile: Buffer): Buffer[] =>
  Array.from({ length: tile.length / 32 }, (_, i) => tile.subarray(32 * i, 32 * i + 32));

/** The entries of a bundle, each behind its length. */
export function entriesOf(bundle: Buffer): Buffer[] {
  const entries: Buffer[] = [];
  for (let at = 0; at < bundle.length; at += 2 + bundle.readUInt16BE(at))
    entries.push(bundle.subarray(at + 2, at + 2 + bundle.readUInt16BE(at)));
  return entries;
}

/** The parts of a `.tlog-proof` (C2SP tlog-proof). */
export function readProof(text: string): { index: number; path: Buffer[]; extra: string; note: string } {
  const at = text.indexOf('\n\n');
  const [first, extra = '', index = '', ...path] = text.slice(0, at).split('\n');
  if (first !== 'c2sp.org/tlog-proof@v1' || !extra.startsWith('extra ') || !index.startsWith('index '))
    throw new Error('no proof');
  return {
    index: Number(index.slice(6)),
    path: path.map((line) => Buffer.from(line, 'base64')),
    extra: Buffer.from(extra.slice(6), 'base64').toString(),
    note: text.slice(at + 2),
  };
}

/** The digest of an event by its key, as docs/proof.md says. */
export function digestOf(event: { [field: string]: unknown }, key: Buffer): Buffer {
  const json = (value: unknown): string => {
    if (typeof value !== 'object' || value === null || Array.isArray(value))
      return Array.isArray(value) ? `[${value.map(json).join()}]` : JSON.stringify(value);
    const members = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
    return `{${members.map(([name, member]) => `${JSON.stringify(name)}:${json(member)}`).join()}}`;
  };
  const { created_at, entity_type, event_type, id, service, timestamp } = event;
  const erasable =
    'entity_id user_id description metadata ip_address user_agent trace_id session_id event_uid span_id parent_span_id caused_by';
  const commitments = erasable.split(' ').map((field) => {
    if (event[field] === null) return Buffer.alloc(32);
    return sha(sha(key, Buffer.from(field)), Buffer.from(json(event[field])));
  });
  const open = json({ created_at, entity_type, event_type, id, service, timestamp });
  return sha(Buffer.from('edgetrail-event/1'), Buffer.from(open), ...commitments);
}

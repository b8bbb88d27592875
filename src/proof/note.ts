/** Checkpoints (C2SP tlog-checkpoint) as signed notes (C2SP signed-note) with Ed25519 by WebCrypto. */
import { toHex } from '../http/digest.ts';
import { concat, fromBase64, isEqual, toBase64, utf8 } from './bytes.ts';

/** The state of a tree: its log's name, the number of its leaves, and its root. */
export type Checkpoint = { origin: string; size: number; root: Uint8Array };

/** Signature types of signed-note: of a log, and of a witness (tlog-cosignature), which also signs a time. */
const [ed25519, cosignature] = [0x01, 0x04];
const key_bytes = 32;
const id_bytes = 4;

/** The names of a key, and of a log, that have no characters which separate. */
export const isKeyName = (name: string): boolean => /^[^\s+\p{Cc}]{1,200}$/u.test(name);

export type VerifierKey = { name: string; id: Uint8Array; type: number; bytes: Uint8Array; key: CryptoKey };
export type SignerKey = { name: string; id: Uint8Array; key: CryptoKey; verifier: string };

/** One signature of a note. `bytes` are what follows the id of the key. */
export type Signature = { name: string; id: Uint8Array; bytes: Uint8Array };
export type Note = { text: string; signatures: Signature[] };

const digest = async (bytes: Uint8Array<ArrayBuffer>) => new Uint8Array(await crypto.subtle.digest('SHA-256', bytes));

const idOf = async (name: string, type: number, key: Uint8Array) =>
  (await digest(concat(utf8(`${name}\n`), Uint8Array.of(type), key))).subarray(0, id_bytes);

/** The text of a verifier key: `<name>+<id>+<base64 of type and key>`. */
const writeVerifier = (name: string, id: Uint8Array, type: number, key: Uint8Array) =>
  `${name}+${toHex(id)}+${toBase64(concat(Uint8Array.of(type), key))}`;

/** A verifier key, of a log or a witness. Throws what is wrong with the text. */
export async function readVerifierKey(text: string): Promise<VerifierKey> {
  const [, name = '', id = '', data = ''] = /^([^+]*)\+([0-9a-f]{8})\+(.*)$/.exec(text.trim()) ?? [];
  const bytes = fromBase64(data);
  if (!isKeyName(name) || bytes?.length !== key_bytes + 1) throw new Error('must be <name>+<id>+<base64>');
  const [type = 0] = bytes;
  if (type !== ed25519 && type !== cosignature) throw new Error('must be an Ed25519 key (type 1 or 4)');
  const raw = bytes.slice(1);
  const own = await idOf(name, type, raw);
  if (toHex(own) !== id) throw new Error('has an id that is not of this name and key');
  const key = await crypto.subtle.importKey('raw', raw, 'Ed25519', true, ['verify']);
  return { name, id: own, type, bytes: raw, key };
}

/** The DER (RFC 8410) before the 32 bytes of an Ed25519 private key in PKCS #8: WebCrypto takes no raw one. */
const pkcs8 = Uint8Array.from([0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20]);

/** A new signing key, as text: a secret, and what verifies its signatures. */
export async function newSignerKey(name: string): Promise<{ signer: string; verifier: string }> {
  if (!isKeyName(name)) throw new Error('a name has no white space and no +');
  const seed = crypto.getRandomValues(new Uint8Array(key_bytes));
  const { bytes } = await importSeed(seed);
  const id = await idOf(name, ed25519, bytes);
  const data = toBase64(concat(Uint8Array.of(ed25519), seed));
  return {
    signer: `PRIVATE+KEY+${name}+${toHex(id)}+${data}`,
    verifier: writeVerifier(name, id, ed25519, bytes),
  };
}

async function importSeed(seed: Uint8Array<ArrayBuffer>): Promise<{ key: CryptoKey; bytes: Uint8Array<ArrayBuffer> }> {
  const key = await crypto.subtle.importKey('pkcs8', concat(pkcs8, seed), 'Ed25519', true, ['sign']);
  const jwk = await crypto.subtle.exportKey('jwk', key);
  const x = 'x' in jwk && typeof jwk.x === 'string' ? jwk.x : '';
  const bytes = fromBase64(`${x.replaceAll('-', '+').replaceAll('_', '/')}=`);
  if (!bytes) throw new Error('the public key cannot be read');
  return { key, bytes };
}

/** Reads the text of a signing key. Throws what is wrong with it, without the secret. */
export async function readSignerKey(text: string, as: 'log' | 'witness' = 'log'): Promise<SignerKey> {
  const [, name = '', id = '', data = ''] = /^PRIVATE\+KEY\+([^+]*)\+([0-9a-f]{8})\+(.*)$/.exec(text.trim()) ?? [];
  const bytes = fromBase64(data);
  if (!isKeyName(name) || bytes?.length !== key_bytes + 1 || bytes[0] !== ed25519)
    throw new Error('must be PRIVATE+KEY+<name>+<id>+<base64>, from npm run seal-key');
  const { key, bytes: raw } = await importSeed(bytes.slice(1));
  if (toHex(await idOf(name, ed25519, raw)) !== id) throw new Error('has an id that is not of this name and key');
  const type = as === 'log' ? ed25519 : cosignature;
  const own = await idOf(name, type, raw);
  return { name, id: own, key, verifier: writeVerifier(name, own, type, raw) };
}

export const writeCheckpoint = ({ origin, size, root }: Checkpoint): string =>
  `${origin}\n${size}\n${toBase64(root)}\n`;

/** The checkpoint in a note's text, or null. Lines after the third are extensions, and say nothing to us. */
export function readCheckpoint(text: string): Checkpoint | null {
  const lines = text.split('\n');
  if (lines.pop() !== '' || lines.includes('')) return null;
  const [origin = '', digits = '', hash = ''] = lines;
  const root = fromBase64(hash);
  const size = /^(0|[1-9]\d{0,15})$/.test(digits) ? Number(digits) : Number.NaN;
  if (lines.length < 3 || !Number.isSafeInteger(size) || root?.length !== 32) return null;
  return { origin, size, root };
}

const dash = '— ';
const lineOf = ({ name, id, bytes }: Signature) => `${dash}${name} ${toBase64(concat(id, bytes))}\n`;

/** A note with signatures; without any it ends with the empty line. */
export const writeNote = ({ text, signatures }: Note): string => `${text}\n${signatures.map(lineOf).join('')}`;

/** Reads a note, or null when it is none. */
export function readNote(note: string): Note | null {
  const at = note.lastIndexOf('\n\n');
  if (at < 0 || !note.endsWith('\n') || [...note].some((char) => char < ' ' && char !== '\n')) return null;
  const lines = note.slice(at + 2, -1).split('\n');
  const signatures: Signature[] = [];
  for (const line of lines[0] === '' ? [] : lines) {
    const [, name = '', data = ''] = /^— (\S+) (\S+)$/.exec(line) ?? [];
    const bytes = fromBase64(data);
    if (!isKeyName(name) || !bytes || bytes.length <= id_bytes) return null;
    signatures.push({ name, id: bytes.subarray(0, id_bytes), bytes: bytes.subarray(id_bytes) });
  }
  return { text: note.slice(0, at + 1), signatures };
}

/** The notes of a file, each followed by an empty line; what is no note is left out. */
export const readNotes = (text: string): Note[] =>
  [...text.matchAll(/(?:[^\n]+\n)+\n(?:— [^\n]+\n)*/g)].flatMap(([note]) => readNote(note) ?? []);

/** Signs a text as a log does. */
export async function sign({ name, id, key }: SignerKey, text: string): Promise<Signature> {
  const bytes = new Uint8Array(await crypto.subtle.sign('Ed25519', key, copyOf(utf8(text))));
  return { name, id, bytes };
}

const copyOf = (bytes: Uint8Array): Uint8Array<ArrayBuffer> => new Uint8Array(bytes);

const cosigned = (seconds: number, text: string) => utf8(`cosignature/v1\ntime ${seconds}\n${text}`);

/** Signs a checkpoint as a witness that has seen it at this time, in epoch seconds. */
export async function cosign({ name, id, key }: SignerKey, text: string, seconds: number): Promise<Signature> {
  const time = new Uint8Array(8);
  new DataView(time.buffer).setBigUint64(0, BigInt(seconds));
  const signature = await crypto.subtle.sign('Ed25519', key, copyOf(cosigned(seconds, text)));
  return { name, id, bytes: concat(time, new Uint8Array(signature)) };
}

/** Whether the note has a valid signature of the key. */
export async function isSignedBy(note: Note, key: VerifierKey): Promise<boolean> {
  for (const { name, id, bytes } of note.signatures) {
    if (name !== key.name || !isEqual(id, key.id)) continue;
    const time = key.type === cosignature ? 8 : 0;
    if (bytes.length !== 64 + time) return false;
    const seconds = time ? Number(new DataView(copyOf(bytes).buffer).getBigUint64(0)) : 0;
    const text = time ? cosigned(seconds, note.text) : utf8(note.text);
    return crypto.subtle.verify('Ed25519', key.key, copyOf(bytes.subarray(time)), copyOf(text));
  }
  return false;
}

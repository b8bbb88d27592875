/** The proof of one event as text: a `.tlog-proof` (C2SP tlog-proof). Its `extra` line has the secrets of the commitments. */
import { fromBase64, toBase64, utf8 } from './bytes.ts';
import { type ErasableField, type EventSecrets, erasableFields } from './leaf.ts';

export type TlogProof = { secrets: EventSecrets; index: number; path: Uint8Array[]; note: string };

const header = 'c2sp.org/tlog-proof@v1';

type Written = { key: string } | { salts: { [field: string]: string }; erased: { [field: string]: string } };

/** The secrets as JSON of base64. */
function writeSecrets(secrets: EventSecrets): Written {
  if ('key' in secrets) return { key: toBase64(secrets.key) };
  const written = (values: { [field in ErasableField]?: Uint8Array }) =>
    Object.fromEntries(Object.entries(values).map(([field, value]) => [field, toBase64(value)]));
  return { salts: written(secrets.salts), erased: written(secrets.erased) };
}

/** The same as base64. */
export const secretsText = (secrets: EventSecrets): string => toBase64(utf8(JSON.stringify(writeSecrets(secrets))));

/** Reads them from base64; null when they are not what secretsText writes. */
export const readSecretsText = (data: string): EventSecrets | null => readSecrets(jsonOf(data));

function readSecrets(value: unknown): EventSecrets | null {
  if (typeof value !== 'object' || value === null) return null;
  if ('key' in value) {
    const key = hashOf(value.key);
    return key && { key };
  }
  if (!('salts' in value) || !('erased' in value)) return null;
  const [salts, erased] = [hashesOf(value.salts), hashesOf(value.erased)];
  return salts && erased && { salts, erased };
}

function hashOf(text: unknown): Uint8Array | null {
  const bytes = typeof text === 'string' ? fromBase64(text) : null;
  return bytes?.length === 32 ? bytes : null;
}

function hashesOf(value: unknown): { [field in ErasableField]?: Uint8Array } | null {
  if (typeof value !== 'object' || value === null) return null;
  const hashes: { [field in ErasableField]?: Uint8Array } = {};
  for (const [name, text] of Object.entries(value)) {
    const field = erasableFields.find((known) => known === name);
    const bytes = hashOf(text);
    if (!field || !bytes) return null;
    hashes[field] = bytes;
  }
  return hashes;
}

export function writeProof({ secrets, index, path, note }: TlogProof): string {
  return [header, `extra ${secretsText(secrets)}`, `index ${index}`, ...path.map(toBase64), '', note].join('\n');
}

/** Reads a proof, or null when the text is none. */
export function readProof(text: string): TlogProof | null {
  const at = text.indexOf('\n\n');
  const [first, extra = '', place = '', ...hashes] = text.slice(0, at).split('\n');
  const [, data = ''] = /^extra (\S+)$/.exec(extra) ?? [];
  const [, digits = ''] = /^index (0|[1-9]\d{0,15})$/.exec(place) ?? [];
  const path = hashes.map(hashOf);
  const secrets = readSecretsText(data);
  const index = digits === '' ? Number.NaN : Number(digits);
  if (at < 0 || first !== header || !secrets || !path.every((hash) => hash !== null)) return null;
  return Number.isSafeInteger(index) ? { secrets, index, path, note: text.slice(at + 2) } : null;
}

function jsonOf(data: string): unknown {
  const bytes = fromBase64(data);
  try {
    return bytes && JSON.parse(new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes));
  } catch {
    return null; // No JSON: the caller says that it is no proof.
  }
}

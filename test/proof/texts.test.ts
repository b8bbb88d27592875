/** Texts of proofs, as who verifies them gets them from anybody: what is no note, key, checkpoint or proof is refused. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Json } from '../../src/log/entry.ts';
import { fromBase64, toBase64, utf8 } from '../../src/proof/bytes.ts';
import { canonical } from '../../src/proof/canonical.ts';
import {
  cosign,
  isKeyName,
  isSignedBy,
  newSignerKey,
  readCheckpoint,
  readNote,
  readNotes,
  readSignerKey,
  readVerifierKey,
  sign,
  writeCheckpoint,
  writeNote,
} from '../../src/proof/note.ts';
import { readProof, writeProof } from '../../src/proof/tlog-proof.ts';

const json = fc.jsonValue({ maxDepth: 4 }) as fc.Arbitrary<Json>;

/** The same value with the keys of all its objects in another order. */
function shuffled(value: Json): Json {
  if (Array.isArray(value)) return value.map(shuffled);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .reverse()
      .map(([key, member]) => [key, shuffled(member)]),
  );
}

describe('canonical JSON', () => {
  it('does not depend on the order of keys, is the same value, and is its own canonical JSON', () => {
    fc.assert(
      fc.property(json, (value) => {
        const text = canonical(value);
        expect(canonical(shuffled(value))).toBe(text);
        expect(canonical(JSON.parse(text) as Json)).toBe(text);
        // JSON has no negative zero.
        expect(JSON.parse(text)).toEqual(JSON.parse(JSON.stringify(value)));
      }),
      { numRuns: 1_000 },
    );
  });

  it('of different values is different', () => {
    fc.assert(
      fc.property(json, json, (a, b) => {
        expect(canonical(a) === canonical(b)).toBe(canonical(shuffled(a)) === canonical(shuffled(b)));
        if (JSON.stringify(a) !== JSON.stringify(b) && typeof a !== 'object')
          expect(canonical(a)).not.toBe(canonical(b));
      }),
    );
  });
});

describe('base64', () => {
  it('has one text for the same bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 70 }), (bytes) => {
        expect(fromBase64(toBase64(bytes))).toEqual(bytes);
      }),
    );
    for (const other of ['AB==', 'AA=', 'AA', 'A===', 'AA==\n', ' AA==', 'AA-_', 'AAAA=', '=AAA'])
      expect([other, fromBase64(other)]).toEqual([other, null]);
  });
});

const root = new Uint8Array(32).fill(7);
const text = writeCheckpoint({ origin: 'log.example.com/orders', size: 1_000, root });
const { signer, verifier } = await newSignerKey('log.example.com/orders');
const key = await readSignerKey(signer);
const note = writeNote({ text, signatures: [await sign(key, text)] });

describe('a signed note', () => {
  it('is read as it is written, with one or more signatures', async () => {
    const witness = await readSignerKey((await newSignerKey('witness.example.com')).signer, 'witness');
    const signatures = [await sign(key, text), await cosign(witness, text, 1_790_000_000)];
    const read = readNote(writeNote({ text, signatures }));
    if (!read) throw new Error('no note');
    expect(read).toEqual({ text, signatures });
    for (const one of [verifier, witness.verifier])
      expect(await isSignedBy(read, await readVerifierKey(one))).toBe(true);
    const other = await readVerifierKey((await newSignerKey('log.example.com/orders')).verifier);
    expect(await isSignedBy(read, other)).toBe(false);
  });

  it('is not signed any more with any bit of its text or signature changed', async () => {
    const read = readNote(note);
    const [signature] = read?.signatures ?? [];
    if (!read || !signature) throw new Error('no note');
    const known = await readVerifierKey(verifier);
    for (let bit = 0; bit < 512; bit += 1) {
      const bytes = signature.bytes.map((byte, i) => (i === bit >> 3 ? byte ^ (1 << (bit & 7)) : byte));
      expect(await isSignedBy({ ...read, signatures: [{ ...signature, bytes }] }, known)).toBe(false);
    }
    for (let i = 0; i < text.length; i += 1) {
      const changed = text.slice(0, i) + String.fromCharCode(text.charCodeAt(i) ^ 1) + text.slice(i + 1);
      expect(await isSignedBy({ ...read, text: changed }, known)).toBe(false);
    }
  });

  it('by a witness says when: another time is not signed', async () => {
    const witness = await readSignerKey((await newSignerKey('witness.example.com')).signer, 'witness');
    const known = await readVerifierKey(witness.verifier);
    const signature = await cosign(witness, text, 1_790_000_000);
    expect(await isSignedBy({ text, signatures: [signature] }, known)).toBe(true);
    const later = signature.bytes.with(7, (signature.bytes[7] ?? 0) ^ 1);
    expect(await isSignedBy({ text, signatures: [{ ...signature, bytes: later }] }, known)).toBe(false);
    // The same key does not sign as a log what it signs as a witness.
    expect(await isSignedBy({ text, signatures: [signature] }, await readVerifierKey(verifier))).toBe(false);
  });

  it.each([
    ['nothing', ''],
    ['a text alone', text],
    ['a last line without its end', note.slice(0, -1)],
    ['a hyphen for the dash', note.replace('—', '-')],
    ['another space', note.replace('— ', '—\u00a0')],
    ['a name with a plus', note.replace('— log', '— lo+g')],
    ['a signature that is no base64', note.replace(/.\n$/, '!\n')],
    ['a signature of an id alone', `${text}\n— log.example.com/orders ${toBase64(new Uint8Array(4))}\n`],
    ['a line after the signatures', `${note}more\n`],
    ['a carriage return', note.replaceAll('\n', '\r\n')],
    ['a control character in its text', note.replace('orders', 'ord\u0007ers')],
    ['a tab in its text', note.replace('orders', 'ord\ters')],
  ])('is not read from %s', (_what, wrong) => {
    expect(readNote(wrong)).toBeNull();
  });

  it('stands in a file behind others', () => {
    const second = writeNote({ text: writeCheckpoint({ origin: 'a', size: 2, root }), signatures: [] });
    expect(readNotes(`${note}\n${second}\n${note}\n`).map(({ text }) => readCheckpoint(text)?.size)).toEqual([
      1_000, 2, 1_000,
    ]);
    expect(readNotes(`${note}\nhalf a li`)).toHaveLength(1);
    expect(readNotes('')).toEqual([]);
  });
});

describe('a checkpoint', () => {
  it('is read as it is written, also with extension lines', () => {
    expect(readCheckpoint(text)).toEqual({ origin: 'log.example.com/orders', size: 1_000, root });
    expect(readCheckpoint(`${text}an extension\n`)?.size).toBe(1_000);
    expect(readCheckpoint(writeCheckpoint({ origin: 'a', size: 0, root }))?.size).toBe(0);
  });

  const lines = (origin: string, size: string, hash: string) => `${origin}\n${size}\n${hash}\n`;
  it.each([
    ['no origin', lines('', '1', toBase64(root))],
    ['a size with a zero before it', lines('a', '01', toBase64(root))],
    ['a negative size', lines('a', '-1', toBase64(root))],
    ['no size', lines('a', '', toBase64(root))],
    ['a size in another notation', lines('a', '1e3', toBase64(root))],
    ['a size that a double does not hold', lines('a', '9007199254740993', toBase64(root))],
    ['a root of 31 bytes', lines('a', '1', toBase64(root.slice(1)))],
    ['a root of 33 bytes', lines('a', '1', toBase64(new Uint8Array(33)))],
    ['two lines', 'a\n1\n'],
    ['a last line without its end', text.slice(0, -1)],
    ['an empty extension line', `${text}\nmore\n`],
  ])('is not read with %s', (_what, wrong) => {
    expect(readCheckpoint(wrong)).toBeNull();
  });
});

describe('a key', () => {
  const [, name = '', id = '', data = ''] = /^(.+?)\+(.+?)\+(.+)$/.exec(verifier) ?? [];
  const bytes = fromBase64(data) ?? new Uint8Array();
  it.each([
    ['another id', `${name}+00000000+${data}`],
    ['another name', `${name}s+${id}+${data}`],
    ['no name', `+${id}+${data}`],
    ['a name with a space', `log ${name}+${id}+${data}`],
    ['31 bytes', `${name}+${id}+${toBase64(bytes.slice(0, -1))}`],
    ['an unknown type', `${name}+${id}+${toBase64(bytes.with(0, 2))}`],
    ['no base64', `${name}+${id}+${data.slice(0, -1)}!`],
    ['an id in capitals', `${name}+${id.toUpperCase()}A+${data}`],
    ['a signing key', signer],
  ])('that verifies is not read with %s', async (_what, wrong) => {
    await expect(readVerifierKey(wrong)).rejects.toThrow(/^(must be|has an id)/);
  });

  it('that signs is not shown when it is wrong', async () => {
    for (const wrong of [signer.slice(1), `${signer}A`, signer.replace(/\+[0-9a-f]{8}\+/, '+00000000+'), verifier]) {
      const error = await readSignerKey(wrong).then(String, String);
      expect(error).toMatch(/must be PRIVATE\+KEY|has an id/);
      expect(error).not.toContain(signer.slice(-20));
    }
  });

  it('has a name without what separates', () => {
    for (const wrong of ['', 'a b', 'a\u00a0b', 'a\u2028b', 'a\u0085b', 'a+b', 'a\nb', 'a\tb', 'a\u0000b'])
      expect([wrong, isKeyName(wrong)]).toEqual([wrong, false]);
    for (const right of ['a', 'log.example.com/orders', 'é—']) expect([right, isKeyName(right)]).toEqual([right, true]);
  });
});

describe('a .tlog-proof', () => {
  const proof = { secrets: { key: root }, index: 6, path: [root, root], note };
  it('is read as it is written', () => {
    expect(readProof(writeProof(proof))).toEqual(proof);
    const erased = { secrets: { salts: { user_id: root }, erased: { metadata: root } }, index: 0, path: [], note };
    expect(readProof(writeProof(erased))).toEqual(erased);
  });

  const written = writeProof(proof);
  const [, extra = ''] = written.split('\n');
  const hash = toBase64(root);
  const extraOf = (value: unknown) => `extra ${toBase64(utf8(JSON.stringify(value)))}`;
  it.each([
    ['nothing', ''],
    ['another version', written.replace('@v1', '@v2')],
    ['no index', written.replace('index 6\n', '')],
    ['an index with a zero before it', written.replace('index 6', 'index 06')],
    ['a negative index', written.replace('index 6', 'index -1')],
    ['an index that a double does not hold', written.replace('index 6', 'index 9007199254740993')],
    ['no secrets', written.replace(`${extra}\n`, '')],
    ['secrets that are no JSON', written.replace(extra, `extra ${toBase64(utf8('{'))}`)],
    ['a key of 31 bytes', written.replace(extra, extraOf({ key: toBase64(root.slice(1)) }))],
    ['a salt of an unknown field', written.replace(extra, extraOf({ salts: { id: hash }, erased: {} }))],
    ['a salt of no field', written.replace(extra, extraOf({ salts: { __proto__: hash, toString: hash }, erased: {} }))],
    ['a hash of 31 bytes', written.replace(`\n${hash}\n`, `\n${toBase64(root.slice(1))}\n`)],
    ['a hash that is no base64', written.replace(`\n${hash}\n`, '\n!\n')],
    ['no empty line', written.slice(0, written.indexOf('\n\n'))],
  ])('is not read with %s', (_what, wrong) => {
    expect(readProof(wrong)).toBeNull();
  });

  it('is no text that somebody made up', () => {
    const part = fc.constantFrom(...written.split('\n'), '', 'index 1', 'extra ', hash, 'x');
    fc.assert(
      fc.property(fc.array(part, { maxLength: 9 }), (parts) => {
        const read = readProof(parts.join('\n'));
        if (read) expect(writeProof(read)).toBe(parts.join('\n'));
      }),
      { numRuns: 2_000 },
    );
  });
});

/** What sealing costs: the processor time of the service for each event, the proof of one event, and verification of them all. */
import { formats } from '../src/api/export-formats.ts';
import { proofSealerOf } from '../src/features/proof/parts.ts';
import { sourceOf } from '../src/features/proof/range-routes.ts';
import { readFilter } from '../src/log/filter.ts';
import { readerLimits } from '../src/log/reader.ts';
import { createStore } from '../src/log/store.ts';
import { concat } from '../src/proof/bytes.ts';
import type { ProvenEntry } from '../src/proof/leaf.ts';
import { newSignerKey, readNote, readVerifierKey } from '../src/proof/note.ts';
import { readRangeProof, writeRangeProof } from '../src/proof/range-proof.ts';
import { verifyEvents } from '../src/proof/verify.ts';
import { openPostgres } from '../src/runtime/postgres.ts';
import { sha256 } from '../src/runtime/sha256.ts';
import { readSettings } from '../src/settings.ts';
import { generateLog } from './generate.ts';
import type { Context, Measurement, Row } from './measurement.ts';

const rows_n = 200_000;

async function* parsed(lines: string[]): AsyncGenerator<ProvenEntry> {
  for (const line of lines) yield JSON.parse(line);
}

async function measure({ databases }: Context): Promise<Row[]> {
  const place = await databases.postgres.fresh();
  if (!('DATABASE_URL' in place)) throw new Error('not PostgreSQL');
  const { DATABASE_URL } = place;
  const { db, reads, close } = openPostgres(DATABASE_URL, 3);
  await generateLog(DATABASE_URL, rows_n);
  const store = createStore(db, reads);
  const { signer, verifier } = await newSignerKey('bench');
  const limits = readSettings({ SEAL_KEYS: signer });
  const sealer = proofSealerOf({ store, sha256, anchors: [], report: () => {}, limits });

  const used = process.cpuUsage();
  while ((await sealer.step(readerLimits.step_ids_max)).remaining > 0);
  const { user, system } = process.cpuUsage(used);

  const { newest } = await store.tiles.sealed();
  if (!newest) throw new Error('nothing was sealed');
  const { size, note } = newest;
  let proof = '';
  const ranges = [{ first: 1, last: size }];
  for await (const line of writeRangeProof(ranges, size, note, sourceOf(store.tiles, sha256, size))) proof += line;
  const chunks: Uint8Array[] = [];
  for await (const chunk of formats.ndjson.write(store.exportPages(readFilter(new URLSearchParams()), size)))
    chunks.push(chunk);
  const lines = new TextDecoder()
    .decode(concat(...chunks))
    .trimEnd()
    .split('\n');
  await close();

  const trust = {
    keys: [await readVerifierKey(verifier)],
    kept: [readNote(note) ?? { text: '', signatures: [] }],
    consistency: [],
  };
  const verifying = process.cpuUsage();
  const report = await verifyEvents(sha256, parsed(lines), readRangeProof(proof), trust);
  const verified = process.cpuUsage(verifying);
  if (report.n_checked !== size || report.findings.length > 0) throw new Error('the events were not verified');
  return [
    {
      name: 'seal: processor time of the service',
      value: (user + system) / size,
      unit: 'µs an event',
      goal: { at_most: 60 },
      steady: false,
    },
    {
      name: 'seal: verification of a million events',
      value: (verified.user + verified.system) / size,
      unit: 's of one processor',
      goal: { at_most: 90 },
      steady: false,
    },
  ];
}

export const sealMeasurements: Measurement[] = [{ name: 'seal', measure }];

/** `npm run verify`: verifies exported events with files alone, without a service and without a database. */
import { createReadStream } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import { jsonTextFaults } from '../log/json-text.ts';
import { fromBase64 } from '../proof/bytes.ts';
import type { ProvenEntry } from '../proof/leaf.ts';
import { type Note, readNotes, readVerifierKey } from '../proof/note.ts';
import { rangeProofHeader, readRangeProof } from '../proof/range-proof.ts';
import { readProof } from '../proof/tlog-proof.ts';
import { type Finding, findings_max, type Report, type Trust, verifyEvent, verifyEvents } from '../proof/verify.ts';
import { sha256 } from '../runtime/sha256.ts';
import { CommandError, explain, runAsCommand } from './connect.ts';

const usage = `Usage: npm run verify -- <events> <proof> [--key <key>] [--checkpoint <file>] [--consistency <file>]

<events>       an NDJSON export, or one event as JSON
<proof>        GET /api/logs/export/proof with the same filter, or GET /api/logs/<id>/proof
--key          the key that verifies, or a file with such keys: of the log, and of witnesses
--checkpoint   a checkpoint that you have kept, or an anchor's file with many
--consistency  GET /api/log/proof/consistency?from=<size of the kept one>&to=<size of the proof>, one for each kept one

Exit status: 0 verified, 1 wrong, 2 not or not completely checked.`;

/** What could not be checked: wrong arguments, files that cannot be read, less than there should be. */
const unchecked_status = 2;
const findings_shown = 20;

/** Whatever goes wrong beside a finding means that it is not verified, and not that something is wrong. */
async function main(): Promise<void> {
  try {
    const report = await verifyFiles(process.argv.slice(2));
    tell(report);
    const status = statusOf(report);
    if (status !== 0) throw new CommandError('Not verified.', status);
    console.log('Verified.');
  } catch (error) {
    throw error instanceof CommandError ? error : new CommandError(explain(error), unchecked_status);
  }
}

/** The exit status that a report has. */
export const statusOf = ({ findings, unchecked }: Report): number =>
  findings.length > 0 ? 1 : unchecked.length > 0 ? unchecked_status : 0;

/** Verifies the files that the arguments name. Rejects with a CommandError where that cannot be done. */
export async function verifyFiles(args: string[]): Promise<Report> {
  const { values, positionals } = parseArgs({
    args,
    options: {
      key: { type: 'string', multiple: true, default: [] },
      checkpoint: { type: 'string', multiple: true, default: [] },
      consistency: { type: 'string', multiple: true, default: [] },
    },
    allowPositionals: true,
  });
  const [eventsPath, proofPath, ...more] = positionals;
  if (!eventsPath || !proofPath || more.length > 0) throw new CommandError(usage, unchecked_status);
  const trust: Trust = {
    keys: (await Promise.all(values.key.map(readKeys))).flat(),
    kept: (await Promise.all(values.checkpoint.map(readKept))).flat(),
    consistency: await Promise.all(values.consistency.map(readHashes)),
  };
  return verify(eventsPath, await textOf(proofPath), proofPath, trust);
}

async function verify(eventsPath: string, proof: string, proofPath: string, trust: Trust): Promise<Report> {
  if (!proof.startsWith(rangeProofHeader)) {
    const one = readProof(proof);
    if (!one) throw new CommandError(`${proofPath}: is no proof`, unchecked_status);
    return verifyEvent(sha256, entriesOf(eventsPath), one, trust);
  }
  return verifyEvents(sha256, entriesOf(eventsPath), readRangeProof(proof), trust);
}

function tell({ checkpoint, n_checked, findings, unchecked, erased }: Report): void {
  if (checkpoint) console.log(`The checkpoint of ${checkpoint.origin} with ${checkpoint.size} events`);
  console.log(`${n_checked} ${n_checked === 1 ? 'event' : 'events'} checked`);
  if (erased.length > 0) {
    const shown = erased.slice(0, findings_shown).map(({ id, fields }) => `${id} (${fields.join(', ')})`);
    const more = erased.length > findings_shown ? ', …' : '';
    console.log(`${erased.length} of them without values that were erased: ${shown.join('; ')}${more}`);
  }
  const ordered = findings.toSorted((a, b) => idOf(a) - idOf(b));
  for (const finding of ordered.slice(0, findings_shown))
    console.error(
      'id' in finding ? `WRONG: event ${finding.id}: ${finding.kind}` : `WRONG: ${finding.kind}: ${finding.reason}`,
    );
  if (ordered.length > findings_shown)
    console.error(
      `WRONG: and ${ordered.length - findings_shown}${ordered.length >= findings_max ? ' or more' : ''} others`,
    );
  for (const what of unchecked) console.error(`NOT CHECKED: ${what}`);
}

/** What is wrong with the whole comes first. */
const idOf = (finding: Finding): number => ('id' in finding ? finding.id : 0);

async function* entriesOf(path: string): AsyncGenerator<ProvenEntry> {
  let n = 0;
  for await (const line of createInterface({ input: createReadStream(path), crlfDelay: Number.POSITIVE_INFINITY })) {
    n += 1;
    if (line === '') continue;
    const entry = entryIn(line);
    if (!entry) throw new CommandError(`${path}: line ${n} is no event: the file is damaged or incomplete`, 1);
    yield entry;
  }
}

function entryIn(line: string): ProvenEntry | null {
  try {
    const entry = JSON.parse(line);
    // Of a key that is there twice, one reader takes the first value and another one the last.
    if (jsonTextFaults(line).length > 0) return null;
    // Its other values are what the digest is about: whatever they are, they are right or wrong.
    return Number.isSafeInteger(entry?.id) && typeof entry.timestamp === 'string' ? entry : null;
  } catch {
    return null;
  }
}

async function textOf(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    throw new CommandError(`${path}: ${error instanceof Error ? error.message : error}`, unchecked_status);
  }
}

async function readKeys(given: string) {
  const text = given.includes('+') ? given : await textOf(given);
  const keys = text.split('\n').filter((line) => line.trim() !== '');
  if (keys.length === 0) throw new CommandError(`--key ${given}: has no key`, unchecked_status);
  return Promise.all(
    keys.map((key) =>
      readVerifierKey(key).catch((error) => {
        throw new CommandError(`--key ${key}: ${error.message}`, unchecked_status);
      }),
    ),
  );
}

async function readKept(path: string): Promise<Note[]> {
  const notes = readNotes(await textOf(path));
  if (notes.length === 0) throw new CommandError(`${path}: has no checkpoint`, unchecked_status);
  return notes;
}

async function readHashes(path: string): Promise<Uint8Array[]> {
  const lines = (await textOf(path)).split('\n').filter((line) => line !== '');
  return lines.map((line) => {
    const hash = fromBase64(line);
    if (hash?.length !== 32) throw new CommandError(`${path}: is no proof of consistency`, unchecked_status);
    return hash;
  });
}

runAsCommand(import.meta.url, main);

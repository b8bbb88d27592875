/** `npm run erase`: erases a person from the log, so that every proof stays valid. It opens the database as its owner. */
import { appendFile, readFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { monthSteps } from '../archive/tables.ts';
import { features } from '../features/index.ts';
import { own_service, readEntry } from '../log/entry.ts';
import { forgetDerived, mention_ids, mentionsBetween, tablesWith, vacuumLog } from '../log/erasing.ts';
import { createStore, type Store } from '../log/store.ts';
import { eraseInTile, fieldsWith, tileOf } from '../proof/erase.ts';
import { type ErasableField, erasableFields } from '../proof/leaf.ts';
import type { OpenDatabase } from '../runtime/database.ts';
import { derivationsOf } from '../runtime/derivations.ts';
import { openDatabase, requireUsable } from '../runtime/service.ts';
import { sha256 } from '../runtime/sha256.ts';
import { readSettings, type Settings } from '../settings.ts';
import { CommandError, runAsCommand } from './connect.ts';

const usage = `Usage: npm run erase -- --user <id> --reason <why> [--fields <field,…>] [--ledger <file>] [--dry-run]
       npm run erase -- --replay <file> --reason <why>

--user     erases, of the events of this user, user_id, ip_address, user_agent and session_id, and of all events each
           field in which the id occurs as a word
--fields   the fields that are erased of the events of this user, instead of these four
--ledger   appends what was erased to a file, by ids and fields: after an older backup was restored, --replay repeats it`;

/** Of the user's own events: what says who and from where. */
const own_fields: readonly ErasableField[] = ['user_id', 'ip_address', 'user_agent', 'session_id'];

/** An erasure reads all events. */
const read_ms_max = 600_000;

type Wanted = Map<number, Set<ErasableField>>;

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      user: { type: 'string' },
      reason: { type: 'string' },
      fields: { type: 'string' },
      ledger: { type: 'string' },
      replay: { type: 'string' },
      'dry-run': { type: 'boolean', default: false },
    },
  });
  const { user, reason, ledger, replay } = values;
  if (!reason || (user === undefined) === (replay === undefined) || user === '') throw new CommandError(usage, 2);
  if (user !== undefined && reason.toLowerCase().includes(user.toLowerCase()))
    throw new CommandError('--reason: it is kept, and names the user', 2);
  const fields = values.fields === undefined ? own_fields : readFields(values.fields, '--fields');
  const settings = readSettings(process.env);
  const database = await openDatabase({
    ...settings,
    // The role of the service may not erase.
    DATABASE_URL: settings.MIGRATION_DATABASE_URL || settings.DATABASE_URL,
    MIGRATION_DATABASE_URL: '',
    READ_MS_MAX: Math.max(settings.READ_MS_MAX, read_ms_max),
  });
  try {
    await requireUsable(settings, database);
    const store = createStore(database.db, database.reads, database.room);
    const wanted = replay === undefined ? await find(store, database, user ?? '', fields) : await readLedger(replay);
    const n_values = [...wanted.values()].reduce((sum, { size }) => sum + size, 0);
    console.log(`${n_values} values of ${wanted.size} events`);
    if (values['dry-run']) return;
    await erase(store, database, wanted, reason, ledger);
    await finish(store, database, settings, user ?? null);
  } finally {
    await database.close();
  }
}

/** What is to be erased: the fields of the user's events, and all others in which the id occurs. */
async function find(
  store: Store,
  { db }: OpenDatabase,
  user: string,
  fields: readonly ErasableField[],
): Promise<Wanted> {
  const wanted: Wanted = new Map();
  const head = await store.head();
  for (let after = 0; after < head; after += mention_ids)
    for (const entry of await mentionsBetween(db, after, Math.min(head, after + mention_ids), user)) {
      const own = entry.user_id === user ? fields.filter((field) => entry[field] !== null) : [];
      const found = new Set([...own, ...fieldsWith(entry, user)]);
      if (found.size > 0) wanted.set(entry.id, found);
    }
  return wanted;
}

/** Erases, between an event that says that it begins and one that says what was done. */
async function erase(
  store: Store,
  { db }: OpenDatabase,
  wanted: Wanted,
  reason: string,
  ledger?: string,
): Promise<void> {
  const last = Math.max(0, ...wanted.keys());
  const { newest } = await store.tiles.sealed();
  if (last > (newest?.size ?? 0))
    throw new CommandError(
      `event ${last} is not sealed yet: the service seals it within a second, unless PROOF is off`,
      1,
    );
  const reference = crypto.randomUUID();
  await record(store, reference, 'ERASE', 'begins', { reason, events: wanted.size });
  if (ledger !== undefined)
    await appendFile(ledger, [...wanted].map(([id, fields]) => `${id} ${[...fields].join(',')}\n`).join(''));
  let n_values = 0;
  for (const n of new Set([...wanted.keys()].map(tileOf)))
    n_values += await eraseInTile(db, store.tiles, sha256, n, wanted);
  const fields = [...new Set([...wanted.values()].flatMap((set) => [...set]))].toSorted();
  await record(store, reference, 'ERASED', 'is done', { reason, events: wanted.size, values: n_values, fields });
  console.log(`erased ${n_values} values; the events of service=${own_service} with entity_id=${reference} say so`);
}

async function record(
  store: Store,
  reference: string,
  event_type: string,
  what: string,
  metadata: object,
): Promise<void> {
  const read = readEntry({
    event_type,
    entity_type: 'erasure',
    entity_id: reference,
    description: `Erasure ${reference} ${what}`,
    metadata,
    service: own_service,
  });
  if ('faults' in read) throw new CommandError(`--reason: ${read.faults.map((fault) => fault.reason).join('; ')}`, 2);
  await store.append([read.entry]);
}

/** Forgets what was derived from the values, and says where they still are. */
async function finish(store: Store, { db }: OpenDatabase, settings: Settings, user: string | null): Promise<void> {
  await forgetDerived(
    db,
    derivationsOf(features).map(({ name }) => name),
    user,
  );
  // The rows of readers that begin again go at their next step, with or without a service.
  for (const derivation of derivationsOf(features)) await store.stepDerivation(derivation);
  await vacuumLog(db);
  if ((await monthSteps(store.reads)).size > 0)
    console.log('Packed months have what was erased until they are packed again: npm run archive -- pack');
  if (user === null) return;
  const left = await tablesWith(db, user);
  for (const { name, n } of left) console.error(`${n} rows of ${name} still have the text ${JSON.stringify(user)}`);
  if (settings.DATABASE_URL)
    console.log('Backups and the write-ahead log have what was erased until they are removed.');
  if (left.length > 0)
    throw new CommandError(
      'The text is left where the lines above say: as a part of other words, or in definitions that a person wrote.',
      1,
    );
}

async function readLedger(path: string): Promise<Wanted> {
  const wanted: Wanted = new Map();
  for (const [i, line] of (await readFile(path, 'utf8')).split('\n').entries()) {
    if (line === '') continue;
    const [, id = '', fields = ''] = /^([1-9]\d{0,15}) (\S+)$/.exec(line) ?? [];
    if (id === '') throw new CommandError(`${path}: line ${i + 1} is not of a ledger`, 2);
    const known = wanted.get(Number(id)) ?? new Set();
    for (const field of readFields(fields, `${path}: line ${i + 1}`)) known.add(field);
    wanted.set(Number(id), known);
  }
  return wanted;
}

function readFields(text: string, where: string): ErasableField[] {
  const names = text.split(',');
  const fields = erasableFields.filter((field) => names.includes(field));
  if (fields.length !== new Set(names).size)
    throw new CommandError(`${where}: must be of ${erasableFields.join(', ')}, separated by commas`, 2);
  return fields;
}

runAsCommand(import.meta.url, main);

/**
 * The replacement of secrets: alarms on real events, judged by their path, on identifiers that are generated, and what it
 * costs. Each alarm that is not known to be a secret counts as false, and is printed.
 */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { passesLuhn } from '../../src/log/card-number.ts';
import { type NewEntry, readEntry } from '../../src/log/entry.ts';
import { createRedaction, type Redacted } from '../../src/log/redaction.ts';
import cloudtrail from '../../test/adapters/cloudtrail.ts';
import { shopEvent } from '../shop.ts';
import { randomOf } from './activity-log.ts';
import { atMost, type Part, type Row } from './part.ts';

const redact = createRedaction();

const entryOf = (item: unknown): NewEntry => {
  const read = readEntry(item);
  if ('faults' in read) throw new Error(JSON.stringify(read.faults));
  return read.entry;
};

/** The texts of the files of a folder; none where it is missing. */
async function textsOf(data: string, folder: string, ending: string): Promise<string[]> {
  const names = await readdir(join(data, folder)).catch(() => []);
  const files = names.filter((name) => name.endsWith(ending)).sort();
  return Promise.all(
    files.map(async (name) => {
      const bytes = await readFile(join(data, folder, name));
      return (name.endsWith('.gz') ? gunzipSync(bytes) : bytes).toString('utf8');
    }),
  );
}

const linesOf = (texts: string[]) => texts.flatMap((text) => text.split('\n').filter((line) => line.trim() !== ''));
const logLine = (description: string) => entryOf({ event_type: 'LOG', entity_type: 'line', description });

/** The rows of a table as events: its columns are metadata. Good enough for tables whose cells have no commas. */
function rowsOf(text: string): NewEntry[] {
  const [head = '', ...lines] = text.split(/\r?\n/).filter((line) => line !== '');
  const columns = head.split(',');
  return lines.map((line) => {
    const cells = line.split(',');
    const metadata = Object.fromEntries(columns.map((column, i) => [column, cells[i] ?? '']));
    return entryOf({ event_type: 'CREATE', entity_type: 'row', metadata });
  });
}

async function sourcesOf(data: string): Promise<[string, NewEntry[]][]> {
  const trails = await textsOf(data, 'cloudtrail', '.json');
  const messages = linesOf(await textsOf(data, 'loghub-2k', '.tsv.gz'));
  return [
    [
      'CloudTrail',
      trails.flatMap((text) => (JSON.parse(text).Records as unknown[]).map((r) => entryOf(cloudtrail(r)))),
    ],
    ['activity', linesOf(await textsOf(data, 'activity-git', '.ndjson.gz')).map((line) => entryOf(JSON.parse(line)))],
    ['Loghub messages', messages.map((line) => logLine(line.slice(line.indexOf('\t') + 1)))],
    ['shop tables', (await textsOf(data, 'eci', '.csv')).flatMap(rowsOf)],
    ['generated shop', Array.from({ length: 20_000 }, (_, i) => entryOf(shopEvent(i)))],
  ];
}

/** The session tokens that AWS gave out: with them, one is that user until they expire. */
const isSecret = ({ field }: Redacted) => /\.credentials\.sessionToken$/.test(field);
const secretsIn = (entry: NewEntry) => (JSON.stringify(entry.metadata ?? '').match(/"sessionToken":"/g) ?? []).length;

function realRows([name, entries]: [string, NewEntry[]]): Row[] {
  if (entries.length === 0) return [{ what: name, measured: 'left out: no such folder' }];
  const found: Redacted[] = [];
  for (const entry of entries) redact(entry, found);
  const wrong = found.filter((one) => !isSecret(one));
  const held = entries.reduce((sum, entry) => sum + secretsIn(entry), 0);
  const n = `${entries.length.toLocaleString('en-US')} events`;
  return [
    { ...atMost(`${name}, ${n}: false alarms`, wrong.length, 0, 0) },
    ...wrong.slice(0, 10).map(({ field, kind }) => ({ what: `${name}: ${kind}`, measured: field })),
    ...(held > 0
      ? [
          {
            what: `${name}: session tokens replaced`,
            measured: `${found.length - wrong.length} of ${held}`,
            goal: 'all',
            met: found.length - wrong.length === held,
          },
        ]
      : []),
  ];
}

function numberRows(): Row[] {
  const random = randomOf(1);
  const n = 100_000;
  const numbers = Array.from({ length: n }, () =>
    Array.from({ length: 16 }, (_, i) => Math.floor(random() * (i === 0 ? 9 : 10)) + (i === 0 ? 1 : 0)).join(''),
  );
  const percent = (holds: (number: string) => boolean) => (100 * numbers.filter(holds).length) / n;
  const alarm = (fields: object) => {
    const found: Redacted[] = [];
    redact(entryOf({ event_type: 'A', entity_type: 'order', ...fields }), found);
    return found.length > 0;
  };
  return [
    { what: 'random numbers of 16 digits: pass Luhn', measured: `${percent(passesLuhn).toFixed(1)} %` },
    atMost(
      'alarms under a key that says nothing (value)',
      percent((value) => alarm({ metadata: { value } })),
      3,
      1,
      ' %',
    ),
    atMost(
      'alarms under order_id',
      percent((order_id) => alarm({ metadata: { order_id } })),
      0,
      1,
      ' %',
    ),
    atMost(
      'alarms in entity_id and session_id',
      percent((id) => alarm({ entity_id: id, session_id: id })),
      0,
      1,
      ' %',
    ),
    atMost(
      'alarms in “Order <number> was shipped”',
      percent((id) => alarm({ description: `Order ${id} was shipped` })),
      0,
      1,
      ' %',
    ),
  ];
}

/** The fastest of several rounds: other work on the machine makes a round slower and never faster. */
function microseconds(entries: NewEntry[]): number {
  let least = Number.POSITIVE_INFINITY;
  for (let round = 0; round < 20; round += 1) {
    const started = performance.now();
    for (const entry of entries) redact(entry, []);
    least = Math.min(least, ((performance.now() - started) * 1_000) / entries.length);
  }
  return least;
}

async function run(data: string): Promise<Row[]> {
  const sources = await sourcesOf(data);
  const costs = sources
    .filter(([, entries]) => entries.length > 0)
    .map(([name, entries]) => {
      const chars = JSON.stringify(entries).length / entries.length;
      const what = `time of an event: ${name}, ${Math.round(chars)} characters`;
      const us = microseconds(entries);
      return name === 'generated shop' ? atMost(what, us, 2, 1, ' µs') : { what, measured: `${us.toFixed(1)} µs` };
    });
  return [...sources.flatMap(realRows), ...numberRows(), ...costs];
}

export const secrets: Part = { name: 'secrets', folder: '.', run };

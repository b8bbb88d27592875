/**
 * The patterns on the messages of Loghub: grouping accuracy (Zhu et al., "Tools and Benchmarks for Automated Log Parsing",
 * ICSE 2019), the share of the messages whose group holds exactly the messages of their template.
 */
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { sql } from 'drizzle-orm';
import { countsByPattern } from '../../src/features/patterns/tables.ts';
import { groupPatterns } from '../../src/features/patterns/tree.ts';
import { patterns } from '../../src/log/pattern-counts.ts';
import { createStore } from '../../src/log/store.ts';
import { openPglite } from '../../src/runtime/pglite.ts';
import { atLeast, type Part, type Row } from './part.ts';

const batch_rows = 1_000;

type Message = { system: string; template: string; text: string };

async function readMessages(folder: string): Promise<Message[]> {
  const files = (await readdir(folder)).filter((name) => name.endsWith('.tsv.gz')).sort();
  const systems = await Promise.all(
    files.map(async (name) => {
      const lines = gunzipSync(await readFile(join(folder, name)))
        .toString('utf8')
        .split('\n');
      return lines.filter(Boolean).map((line) => {
        const at = line.indexOf('\t');
        return { system: name.replace('.tsv.gz', ''), template: line.slice(0, at), text: line.slice(at + 1) };
      });
    }),
  );
  return systems.flat();
}

type Grouped = { groupOf: Map<Message, number>; n: number; keys: number; us: number };

/** The group of each message in a log that got them in this order. */
async function group(messages: readonly Message[]): Promise<Grouped> {
  const folder = await mkdtemp(join(tmpdir(), 'edgetrail-evaluate-'));
  const database = await openPglite(folder);
  try {
    await database.migrate(() => {});
    const store = createStore(database.db, database.reads, database.room);
    for (let i = 0; i < messages.length; i += batch_rows) {
      const batch = messages.slice(i, i + batch_rows);
      await store.append(
        batch.map(({ system, text }) => ({
          event_type: 'LOG',
          entity_type: 'line',
          service: system,
          description: text,
        })) as never,
      );
    }
    const started = performance.now();
    while ((await store.stepDerivation(patterns, 5_000)).remaining > 0);
    const us = ((performance.now() - started) * 1_000) / messages.length;
    const { rows, n } = await countsByPattern(store, null);
    const groupOfKey = new Map(
      groupPatterns(rows).flatMap(({ patterns }, i) => patterns.map(({ key }) => [key, i] as const)),
    );
    const keys = await database.db
      .select({ key: sql<string>`pattern_key(service, description)` })
      .from(sql`activity_logs`)
      .orderBy(sql`id`);
    const groupOf = new Map(messages.map((message, i) => [message, groupOfKey.get(keys[i]?.key ?? '') ?? -1]));
    return { groupOf, n, keys: rows.length, us };
  } finally {
    await database.close();
    await rm(folder, { recursive: true });
  }
}

function groupBy<K>(messages: readonly Message[], keyOf: (message: Message) => K): Map<K, Message[]> {
  const sets = new Map<K, Message[]>();
  for (const message of messages) {
    const key = keyOf(message);
    const set = sets.get(key);
    if (set) set.push(message);
    else sets.set(key, [message]);
  }
  return sets;
}

function accuracyOf(messages: readonly Message[], { groupOf }: Grouped): number {
  const templates = groupBy(messages, ({ template }) => template);
  let right = 0;
  for (const members of groupBy(messages, (message) => groupOf.get(message)).values()) {
    const [first] = members;
    const isWhole = first && members.every(({ template }) => template === first.template);
    if (isWhole && templates.get(first.template)?.length === members.length) right += members.length;
  }
  return right / messages.length;
}

async function run(folder: string): Promise<Row[]> {
  const messages = await readMessages(folder);
  const grouped = await group(messages);
  const reversed = await group(messages.toReversed());
  const systems = [...groupBy(messages, ({ system }) => system)];
  const accuracies = systems.map(([system, own]): [string, number, number] => [
    system,
    accuracyOf(own, grouped),
    accuracyOf(own, reversed),
  ]);
  const mean = accuracies.reduce((sum, [, value]) => sum + value, 0) / accuracies.length;
  const isSame = accuracies.every(([, one, other]) => one === other);
  const adds = grouped.n === messages.length && reversed.n === messages.length;
  return [
    atLeast('grouping accuracy, mean of the systems', mean, 0.8, 3),
    ...accuracies.map(([system, value]) => ({ what: `grouping accuracy of ${system}`, measured: value.toFixed(3) })),
    { what: 'the same in reversed order', measured: isSame ? 'yes' : 'no', goal: 'yes', met: isSame },
    { what: 'the counts add up to the messages', measured: adds ? 'yes' : 'no', goal: 'yes', met: adds },
    { what: 'patterns of all messages', measured: `${grouped.keys} of ${messages.length}` },
    { what: 'deriving, embedded database, 5,000 ids a step', measured: `${grouped.us.toFixed(1)} µs an event` },
  ];
}

export const loghub: Part = { name: 'loghub', folder: 'loghub-2k', run };

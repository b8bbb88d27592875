/** `npx tsx test/adapters/import-shared.ts ../shared/data`: imports the CloudTrail records and the shop's tables. */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Log } from '../../src/client.ts';
import { CommandError, connect, runAsCommand } from '../../src/commands/connect.ts';
import { type ImportResult, importFiles } from '../../src/commands/import-files.ts';
import { readRecords } from '../../src/commands/import-readers.ts';
import { importFile } from '../../src/commands/import-source.ts';
import cloudtrail, { records } from './cloudtrail.ts';
import { type Row, shopAdapter } from './shop.ts';

/** The tables in an order in which their rows may have been created. */
const tables = ['customers', 'products', 'orders', 'payments', 'shipments'];

type KindOf = (event: { event_type: string; entity_type: string }) => string;

/** A client that counts the events it sends by kind. */
function counting(log: Log, kindOf: KindOf) {
  const kinds = new Map<string, number>();
  const append: Log['append'] = (events) => {
    for (const event of events) kinds.set(kindOf(event), (kinds.get(kindOf(event)) ?? 0) + 1);
    return log.append(events);
  };
  return { log: Object.assign((...given: Parameters<Log>) => log(...given), log, { append }) as Log, kinds };
}

function report(what: string, { stored, duplicates }: ImportResult, kinds: Map<string, number>): void {
  console.log(`${what}: ${stored} events stored, ${duplicates} were already stored`);
  for (const [kind, n] of [...kinds].sort(([, a], [, b]) => b - a)) console.log(`  ${String(n).padStart(5)}  ${kind}`);
}

async function main(): Promise<void> {
  const [folder] = process.argv.slice(2);
  if (!folder)
    throw new CommandError('usage: npx tsx test/adapters/import-shared.ts <folder with cloudtrail/ and eci/>');
  const { log } = connect(process.env, { uid: false });

  const trail = counting(log, ({ event_type }) =>
    ['CREATE', 'UPDATE', 'DELETE'].includes(event_type) ? event_type : 'others, by their own names',
  );
  const names = (await readdir(join(folder, 'cloudtrail'))).filter((name) => name.endsWith('.json')).sort();
  const files = names.map((name) => importFile(join(folder, 'cloudtrail', name)));
  const adapter = { default: cloudtrail, records };
  report(`cloudtrail, ${files.length} files`, await importFiles(trail.log, files, { adapter }), trail.kinds);

  const table = (name: string) => importFile(join(folder, 'eci', `eci_${name}.csv`));
  const items: Row[] = [];
  for await (const { record } of readRecords(table('order_items'))) items.push(record as Row);
  const shop = counting(log, ({ entity_type, event_type }) => `${entity_type} ${event_type}`);
  const imported = await importFiles(shop.log, tables.map(table), { adapter: { default: shopAdapter(items) } });
  report(`eci, ${tables.length} tables`, imported, shop.kinds);
  console.log(`  (${items.length} order items are in the metadata of their orders)`);
}

runAsCommand(import.meta.url, main);

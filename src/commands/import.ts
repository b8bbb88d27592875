/** `npm run import -- <file…>`: sends the events of files to a running service. */
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { CommandError, connect, runAsCommand } from './connect.ts';
import type { Adapter } from './import-events.ts';
import { importFiles, pluralized } from './import-files.ts';
import { importFile, typedFolder } from './import-source.ts';

const progress_ms_min = 200;

const usage =
  'usage: npm run import -- [--adapter <module>] [--source <name>] [--no-uids] <file.json | file.ndjson | file.csv | -> …';

async function loadAdapter(typed: string, folder: string): Promise<Adapter> {
  const module: Partial<Adapter> = await import(pathToFileURL(resolve(folder, typed)).href);
  if (typeof module.default !== 'function')
    throw new CommandError(`${typed}: an adapter's default export must be a function of one record`);
  const { default: adapt, records } = module;
  return { default: adapt, ...(records !== undefined && { records }) };
}

/** A progress line on a terminal; no output when stderr is a pipe or a file. */
function progressLine() {
  let shown = 0;
  const { isTTY } = process.stderr;
  return {
    show(what: string, events: number, place: string) {
      if (!isTTY || performance.now() - shown < progress_ms_min) return;
      shown = performance.now();
      process.stderr.write(`\r${pluralized(events, 'event')} ${what}, up to ${place}\x1b[K`);
    },
    clear: () => void (isTTY && process.stderr.write('\r\x1b[K')),
  };
}

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { adapter: { type: 'string' }, source: { type: 'string' }, 'no-uids': { type: 'boolean' } },
  });
  const { source } = values;
  if (positionals.length === 0) throw new CommandError(usage);
  if (source !== undefined && positionals.length > 1) throw new CommandError('--source: import one file at a time');
  const folder = typedFolder(process.env);
  const { log } = connect(process.env, { uid: false });
  const adapter = values.adapter === undefined ? undefined : await loadAdapter(values.adapter, folder);
  const files = positionals.map((typed) => importFile(typed, folder));
  const line = progressLine();
  const uids = !values['no-uids'];
  process.once('SIGINT', () => {
    line.clear();
    console.error(uids ? 'interrupted: import it again to add only what is missing' : 'interrupted');
    // Now without this handler. process.exit would wait for a thread that is opening a FIFO without a writer.
    process.kill(process.pid, 'SIGINT');
  });
  const options = { adapter, source, uids, progress: line.show };
  const { stored, duplicates, redacted } = await importFiles(log, files, options).finally(line.clear);
  console.log(
    `imported ${pluralized(stored, 'event')} from ${pluralized(files.length, 'file')} (${duplicates} ${duplicates === 1 ? 'was' : 'were'} already stored)`,
  );
  if (redacted) console.log(`in ${pluralized(redacted, 'event')}, values that look like secrets were replaced`);
}

runAsCommand(import.meta.url, main);

/** Reads files of events (JSON, NDJSON and CSV) record by record in constant memory. */
import { createReadStream } from 'node:fs';
import { open } from 'node:fs/promises';
import Papa from 'papaparse';
import { jsonSplitter, type Piece } from './json-split.ts';

/** A record and its place for messages: `orders.csv, line 7`. */
export type PlacedRecord = { record: unknown; place: string };

/** An error in a file or a record. The message names the place and the reason. */
export class ImportError extends Error {
  override name = 'ImportError';
}

const readers = { json: readJson, ndjson: readLines, jsonl: readLines, csv: readCsv };
const isKnown = (extension: string): extension is keyof typeof readers => Object.hasOwn(readers, extension);

/**
 * Reads a file's records in their order: by its extension, else by its first character. `records_key` is the key of a JSON
 * document that holds the records. Throws an ImportError for a file that cannot be read to its end.
 */
export async function* readRecords(file: string, records_key = 'logs'): AsyncGenerator<PlacedRecord> {
  const extension = file.slice(file.lastIndexOf('.') + 1).toLowerCase();
  try {
    const start = await startOf(file);
    const read = readers[isKnown(extension) ? extension : /^\s*[[{]/.test(start) ? 'json' : 'csv'];
    yield* read(file, records_key, start);
  } catch (error) {
    if (error instanceof ImportError) throw error;
    throw new ImportError(`${file}: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
  }
}

const start_bytes = 4_096;

async function startOf(file: string): Promise<string> {
  const handle = await open(file);
  try {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(start_bytes), 0, start_bytes, 0);
    // Without the byte order mark, as the decoder below leaves it out.
    return buffer.toString('utf8', 0, bytesRead).replace(/^\ufeff/, '');
  } finally {
    await handle.close();
  }
}

/** The text of a file, in pieces that split no character. Throws for what is not UTF-8: a log must not keep a guess. */
async function* textOf(file: string): AsyncGenerator<string> {
  const decoder = new TextDecoder('utf-8', { fatal: true });
  try {
    for await (const chunk of createReadStream(file)) yield decoder.decode(chunk, { stream: true });
    yield decoder.decode();
  } catch (error) {
    if (error instanceof TypeError) throw new ImportError(`${file} is not UTF-8`);
    throw error;
  }
}

async function* readLines(file: string): AsyncGenerator<PlacedRecord> {
  let rest = '';
  let line = 0;
  const itemsOf = function* (lines: string[]): Generator<PlacedRecord> {
    for (const text of lines) {
      const place = `${file}, line ${++line}`;
      if (text.trim() !== '') yield { record: parseLine(text, place), place };
    }
  };
  for await (const text of textOf(file)) {
    // Only LF, and the CR before it is white space to JSON: a string may hold U+2028 as it is.
    const lines = (rest + text).split('\n');
    rest = lines.pop() ?? '';
    yield* itemsOf(lines);
  }
  yield* itemsOf([rest]);
}

function parseLine(text: string, place: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new ImportError(`${place}: is not JSON`);
  }
}

/**
 * An array, one document or several, and `{"logs": […]}`. Such an envelope is streamed when its key comes first, as in
 * every answer of ours; else it is read whole, because until then it could have been an event.
 */
async function* readJson(file: string, records_key: string, start: string): AsyncGenerator<PlacedRecord> {
  const [, firstKey] = /^\s*\{\s*"([^"]*)"\s*:\s*\[/.exec(start) ?? [];
  const splitter = jsonSplitter(/^\s*\[/.test(start) ? 1 : firstKey === records_key ? 2 : null);
  let n = 0;
  const itemsOf = function* (pieces: Piece[]): Generator<PlacedRecord> {
    for (const { value, whole, line } of pieces)
      for (const record of whole ? recordsIn(value, records_key) : [value])
        yield { record, place: `${file}, item ${++n} (line ${line})` };
  };
  try {
    for await (const text of textOf(file)) yield* itemsOf(splitter.push(text));
    splitter.end();
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    yield* itemsOf(splitter.completed());
    throw new ImportError(`${file}, after item ${n}: is not JSON: ${error.message}`);
  }
}

function recordsIn(value: unknown, records_key: string): unknown[] {
  if (Array.isArray(value)) return value;
  if (typeof value !== 'object' || value === null || !Object.hasOwn(value, records_key)) return [value];
  const held = (value as Record<string, unknown>)[records_key];
  return Array.isArray(held) ? held : [value];
}

type Row = { cells: string[]; fault: string | undefined };

/** Rows as objects by the header's names; a blank cell is absent. The line is that of the file, breaks in cells counted. */
async function* readCsv(file: string, _under: string, start: string): AsyncGenerator<PlacedRecord> {
  let header: string[] | null = null;
  let line = 1;
  for await (const { cells, fault } of csvRows(file, start)) {
    const place = `${file}, line ${line}`;
    line += 1 + cells.reduce((breaks, cell) => breaks + (cell.match(/\r\n|\r|\n/g)?.length ?? 0), 0);
    if (fault) throw new ImportError(`${place}: is not CSV: ${fault}`);
    if (cells.length === 1 && cells[0]?.trim() === '') continue;
    if (!header) {
      header = checkHeader(cells, place);
      continue;
    }
    if (cells.length !== header.length)
      throw new ImportError(`${place}: has ${cells.length} cells where the header has ${header.length}`);
    const record = Object.fromEntries(header.flatMap((name, i) => (cells[i] ? [[name, cells[i]]] : [])));
    yield { record, place };
  }
}

function checkHeader(names: string[], place: string): string[] {
  const wrong = names.findIndex((name, i) => name.trim() === '' || names.indexOf(name) !== i);
  if (wrong >= 0)
    throw new ImportError(`${place}: column ${wrong + 1} of the header has no name, or one that is there already`);
  return names;
}

/**
 * PapaParse's rows, taken as fast as they are read. Its own stream (NODE_STREAM_INPUT) would drop the complaints about
 * quotes, and with them the rows that a missing quote swallowed: here each piece is parsed up to its last whole row.
 */
async function* csvRows(file: string, start: string): AsyncGenerator<Row> {
  const outsideQuotes = start.replace(/"[^"]*"?/g, '');
  const newline = (['\r\n', '\n', '\r'] as const).find((end) => outsideQuotes.includes(end)) ?? '\n';
  let rest = '';
  const rowsOf = (last: boolean): Row[] => {
    const parser = new Papa.Parser({ delimiter: ',', newline, fastMode: false });
    const parsed: Papa.ParseResult<string[]> = parser.parse(rest, 0, !last);
    const faults = new Map(parsed.errors.map(({ row = 0, message }) => [row, message]));
    rest = rest.slice(parsed.meta.cursor);
    return parsed.data.map((cells, i) => ({ cells, fault: faults.get(i) }));
  };
  for await (const text of textOf(file)) {
    rest += text;
    yield* rowsOf(false);
  }
  yield* rowsOf(true);
}

/** Reads files of events (JSON, NDJSON and CSV) record by record in constant memory. */
import { type JsonTextFault, jsonTextFaults } from '../log/json-text.ts';
import { csvParser, separatorOf } from './csv.ts';
import { ImportError, type ImportFile, readText } from './import-source.ts';
import { jsonSplitter, type Piece } from './json-split.ts';

/** A record and its place for messages: `orders.csv, line 7`. */
export type PlacedRecord = { record: unknown; place: string };

export type ReadOptions = {
  /** The key of the array of records in a JSON document. */
  records_key?: string | undefined;
  /** The names that the columns of a CSV file may have, without regard to case and blanks; without it any name. */
  columns?: { allowed: readonly string[]; required: readonly string[] } | undefined;
};

/** The text of a file: its first characters, and the whole text in pieces, which can be read once. */
type Text = { name: string; start: string; pieces: AsyncIterable<string> };

const readers = { json: readJson, ndjson: readLines, jsonl: readLines, csv: readCsv, tsv: readCsv };
const isKnown = (extension: string): extension is keyof typeof readers => Object.hasOwn(readers, extension);

/**
 * Reads the records of a file in their order. The format is that of the extension (before `.gz`), else it is decided by
 * the first character. Throws an ImportError for a file that cannot be read to its end.
 */
export async function* readRecords(file: ImportFile, options: ReadOptions = {}): AsyncGenerator<PlacedRecord> {
  const { name } = file;
  const extension = /\.([^.]*?)(?:\.gz)?$/i.exec(name)?.[1]?.toLowerCase() ?? '';
  try {
    const text = await bufferStart(name, readText(file));
    const read = readers[isKnown(extension) ? extension : /^\s*[[{]/.test(text.start) ? 'json' : 'csv'];
    yield* read(text, options);
  } catch (error) {
    if (error instanceof ImportError) throw error;
    throw new ImportError(`${name}: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
  }
}

const start_chars_min = 4_096;

async function bufferStart(name: string, input: AsyncGenerator<string>): Promise<Text> {
  let start = '';
  while (start.length < start_chars_min) {
    const next = await input.next();
    if (next.done) break;
    start += next.value;
  }
  async function* pieces() {
    try {
      yield start;
      yield* input;
    } finally {
      await input.return(undefined);
    }
  }
  return { name, start, pieces: pieces() };
}

async function* readLines({ name, pieces }: Text): AsyncGenerator<PlacedRecord> {
  let rest = '';
  let line = 0;
  const itemsOf = function* (lines: string[]): Generator<PlacedRecord> {
    for (const text of lines) {
      const place = `${name}, line ${++line}`;
      if (text.trim() !== '') yield { record: parseLine(text, place), place };
    }
  };
  for await (const text of pieces) {
    // Only LF ends a line (a CR before it is white space in JSON): a JSON string may contain U+2028 unescaped.
    const lines = (rest + text).split('\n');
    rest = lines.pop() ?? '';
    yield* itemsOf(lines);
  }
  yield* itemsOf([rest]);
}

function parseLine(text: string, place: string): unknown {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new ImportError(`${place}: is not JSON`);
  }
  const [fault] = jsonTextFaults(text);
  if (fault) throw changedError(place, fault);
  return value;
}

/** A record that JSON.parse would change unseen: the API refuses it, too. */
const changedError = (place: string, { path, reason }: JsonTextFault) =>
  new ImportError(`${place}: ${[...(path.length > 0 ? [path.join('.')] : []), reason].join(': ')}`);

/**
 * Reads an array, one document or several, or an object with an array of records, such as `{"logs": […]}`. The records
 * of such an object are streamed when their key comes first, as in every response of the service; else the document is
 * read whole, because until then it could be an event itself.
 */
async function* readJson({ name, start, pieces }: Text, { records_key = 'logs' }: ReadOptions) {
  const [, firstKey] = /^\s*\{\s*"([^"]*)"\s*:\s*\[/.exec(start) ?? [];
  const splitter = jsonSplitter(/^\s*\[/.test(start) ? 1 : firstKey === records_key ? 2 : null);
  let n = 0;
  const itemsOf = function* (values: Piece[]): Generator<PlacedRecord> {
    for (const { value, whole, line, fault } of values) {
      if (fault) throw changedError(`${name}, item ${n + 1} (line ${line})`, fault);
      for (const record of whole ? recordsIn(value, records_key) : [value])
        yield { record, place: `${name}, item ${++n} (line ${line})` };
    }
  };
  try {
    for await (const text of pieces) yield* itemsOf(splitter.push(text));
    splitter.end();
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    yield* itemsOf(splitter.completed());
    throw new ImportError(`${name}, after item ${n}: is not JSON: ${error.message}`);
  }
}

function recordsIn(value: unknown, records_key: string): unknown[] {
  if (Array.isArray(value)) return value;
  if (typeof value !== 'object' || value === null || !Object.hasOwn(value, records_key)) return [value];
  const held = (value as Record<string, unknown>)[records_key];
  return Array.isArray(held) ? held : [value];
}

/** Yields each row as an object by the names of the header. An empty cell is left out, and so is an empty row. */
async function* readCsv({ name, start, pieces }: Text, { columns }: ReadOptions): AsyncGenerator<PlacedRecord> {
  const { separator, is_named } = separatorOf(start);
  let header: string[] | null = null;
  let textOf = (cell: string) => cell;
  for await (const { cells, line, fault } of csvRows(pieces, separator)) {
    const place = `${name}, line ${line}`;
    if (fault) throw new ImportError(`${place}: is not CSV: ${fault}`);
    const isEmpty = cells.every((cell) => cell.trim() === '');
    if (isEmpty || (is_named && line === 1)) continue;
    if (!header) {
      if (columns) textOf = spreadsheetReader(cells);
      header = readHeader(cells.map(textOf), columns, place);
      continue;
    }
    if (cells.length !== header.length)
      throw new ImportError(`${place}: has ${cells.length} cells where the header has ${header.length}`);
    const unnamed = header.findIndex((column, i) => column === '' && cells[i]?.trim() !== '');
    if (unnamed >= 0) throw new ImportError(`${place}: cell ${unnamed + 1} is in a column without a name`);
    const texts = cells.map(textOf);
    const record = Object.fromEntries(header.flatMap((column, i) => (column && texts[i] ? [[column, texts[i]]] : [])));
    yield { record, place };
  }
}

const constantFormula = /^="((?:[^"]|"")*)"$/;

/**
 * Returns the function that reads the cells of a file with this header. A cell `="007"` is the text 007 for every
 * spreadsheet. In an export with `format=spreadsheet`, whose header consists of such cells, an apostrophe escapes the
 * other texts that a spreadsheet may change.
 */
function spreadsheetReader(header: string[]): (cell: string) => string {
  const isExport = header.every((cell) => constantFormula.test(cell));
  return (cell) => {
    const constant = constantFormula.exec(cell)?.[1];
    if (constant !== undefined) return constant.replaceAll('""', '"');
    return isExport && cell.startsWith("'") ? cell.slice(1) : cell;
  };
}

async function* csvRows(pieces: AsyncIterable<string>, separator: string) {
  const parser = csvParser(separator);
  for await (const text of pieces) yield* parser.push(text);
  yield* parser.end();
}

/** The names of the columns; '' for a column without a name, which spreadsheets write and which must then be empty. */
function readHeader(cells: string[], columns: ReadOptions['columns'], place: string): string[] {
  const nameOf = (cell: string) =>
    columns
      ? cell
          .trim()
          .toLowerCase()
          .replace(/[\s-]+/g, '_')
      : cell;
  const names = cells.map((cell) => (cell.trim() === '' ? '' : nameOf(cell)));
  const repeated = names.findIndex((name, i) => name !== '' && names.indexOf(name) !== i);
  if (repeated >= 0)
    throw new ImportError(`${place}: column ${repeated + 1} of the header has the name of another column`);
  if (!columns) return names;
  const unknown = names.findIndex((name) => name !== '' && !columns.allowed.includes(name));
  if (unknown >= 0) {
    const cell = cells[unknown] ?? '';
    const hint = separatorHint(cell, (part) => columns.allowed.includes(nameOf(part)));
    throw new ImportError(`${place}: column ${unknown + 1} (${cell.slice(0, 100)}) is not a field${hint}`);
  }
  const missing = columns.required.find((name) => !names.includes(name));
  if (missing) throw new ImportError(`${place}: the header has no column ${missing}`);
  return names;
}

const separatorNames = { ';': 'a semicolon', ',': 'a comma', '\t': 'a tab', '|': 'a vertical bar', ':': 'a colon' };

/** A question about the separator when a cell of the header would contain fields with another one; else ''. */
function separatorHint(cell: string, isField: (part: string) => boolean): string {
  const other = Object.entries(separatorNames).find(([char]) => cell.includes(char) && cell.split(char).some(isField));
  return other ? `; is the separator ${other[1]}?` : '';
}

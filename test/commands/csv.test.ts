/** The CSV parser: every mixture of line ends, pieces of any size, and files as spreadsheets write them. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { csvParser, separatorOf } from '../../src/commands/csv.ts';
import { eventsOf } from '../../src/commands/import-events.ts';
import { readRecords } from '../../src/commands/import-readers.ts';
import { importFile } from '../../src/commands/import-source.ts';

const folder = await mkdtemp(join(tmpdir(), 'edgetrail-csv-'));
afterAll(() => rm(folder, { recursive: true, force: true }));

function parse(text: string, separator: string, size = text.length) {
  const parser = csvParser(separator);
  const pieces = text.match(new RegExp(`[^]{1,${Math.max(size, 1)}}`, 'g')) ?? [];
  return [...pieces.flatMap((piece) => parser.push(piece)), ...parser.end()];
}

/** Rows of two or more cells, each written with a line end of its own: the reference for what must be read. */
const lineEnd = fc.constantFrom('\r\n', '\n', '\r');
const cell = fc.oneof(
  fc.string({ unit: fc.constantFrom('a', '"', ',', ';', '\t', '\r', '\n', ' ', 'é', '🦊'), maxLength: 6 }),
  fc.string({ maxLength: 10 }),
);
const written = fc.record({
  separator: fc.constantFrom(',', ';', '\t', '|', '-', ']', '^', '\\'),
  rows: fc.array(fc.tuple(fc.array(cell, { minLength: 2, maxLength: 4 }), lineEnd, fc.boolean()), { maxLength: 12 }),
  size: fc.integer({ min: 1, max: 9 }),
});
const writeCell = (text: string, separator: string, quoted: boolean) =>
  quoted || [separator, '"', '\r', '\n'].some((char) => text.includes(char)) ? `"${text.replaceAll('"', '""')}"` : text;

describe('rows that end in a mixture of CRLF, LF and CR', () => {
  it('are read as they were written, wherever a piece of the text ends', () => {
    fc.assert(
      fc.property(written, ({ separator, rows, size }) => {
        const text = rows
          .map(([cells, end, quoted]) => cells.map((c) => writeCell(c, separator, quoted)).join(separator) + end)
          .join('');
        const read = parse(text, separator, size);
        expect(read.map(({ fault }) => fault)).toEqual(rows.map(() => null));
        expect(read.map(({ cells }) => cells)).toEqual(rows.map(([cells]) => cells));
        const before = rows.map((_row, i) =>
          rows.slice(0, i).reduce((n, [cells]) => n + 1 + cells.join('\0').split(/\r\n|\r|\n/).length - 1, 1),
        );
        expect(read.map(({ line }) => line)).toEqual(before);
      }),
      { numRuns: 2_000, seed: 9 },
    );
  });

  it('are read after 4,096 bytes with another line end', async () => {
    const path = join(folder, 'mixed.csv');
    const rows = (from: number, n: number, end: string) =>
      Array.from({ length: n }, (_, i) => `A,b,${from + i}${end}`).join('');
    await writeFile(
      path,
      `event_type,entity_type,user_id\n${rows(0, 600, '\n')}${rows(600, 5, '\r\n')}${rows(605, 5, '\r')}`,
    );
    const users: unknown[] = [];
    for await (const { entry } of eventsOf(importFile(path))) users.push(entry.user_id);
    expect(users).toEqual(Array.from({ length: 610 }, (_, i) => String(i)));
  });

  it.each([
    ['a,"b', 'a quote is not closed'],
    ['a,"b"c\n', 'text follows a closing quote'],
  ])('%j is refused', (text, fault) => {
    expect(parse(text, ',').map((row) => row.fault)).toEqual([fault]);
  });
});

describe('the separator of a file', () => {
  it.each([
    ['a,b;c,d\n1;2;3;4;5', ','],
    ['a;b;c,d\n', ';'],
    ['a\tb\n', '\t'],
    ['"a,b,c"\t"d"\n', '\t'],
    ['\n\n a;b\n', ';'],
    ['alone\n', ','],
    ['sep=|\na|b\n', '|'],
    ['"sep=;"\r\na;b\n', ';'],
    ['', ','],
  ])('%j is read from the header', (text, separator) => {
    expect(separatorOf(text).separator).toBe(separator);
  });
});

describe('a file as spreadsheets write it', () => {
  const expected = [
    { event_type: 'CREATE', entity_type: 'order', user_id: '007', description: 'a; b, "c"\nd' },
    { event_type: 'UPDATE', entity_type: 'order', user_id: '8', description: null },
  ];
  const rowsWith = (s: string, names = ['event_type', 'entity_type', 'user_id', 'description']) =>
    [names, ['CREATE', 'order', '007', '"a; b, ""c""\nd"'], ['UPDATE', 'order', '8', '']]
      .map((cells) => cells.join(s))
      .join('\r\n');
  it.each([
    ['semicolons', rowsWith(';')],
    ['tabs', rowsWith('\t')],
    ['a line sep=;', `sep=;\r\n${rowsWith(';')}`],
    ['a line sep= with a bar', `sep=|\r\n${rowsWith('|')}`],
    ['a byte order mark', `\ufeff${rowsWith(',')}`],
    ['a byte order mark and sep=', `\ufeffsep=;\n${rowsWith(';')}`],
    ['names in another case and with blanks', rowsWith(',', ['Event_Type', ' entity_type ', 'USER ID', 'Description'])],
    ['separators at the end of each row', rowsWith(';').replaceAll('\r\n', ';;\r\n').concat(';;')],
    ['empty rows at the end', `${rowsWith(';')}\r\n;;;\r\n;;;\r\n`],
    ['constant formulas', rowsWith(',').replace('007', '"=""007"""')],
  ])('is read with %s', async (_what, text) => {
    const path = join(folder, 'sheet.csv');
    await writeFile(path, text);
    const entries: unknown[] = [];
    for await (const { entry } of eventsOf(importFile(path))) entries.push(entry);
    expect(entries).toEqual(expected.map((entry) => expect.objectContaining(entry)));
  });

  it('keeps the names of the header and the cells for an adapter', async () => {
    const path = join(folder, 'foreign.csv');
    await writeFile(path, 'Order Id; Name \n="1"; x \n');
    const records: unknown[] = [];
    for await (const { record } of readRecords(importFile(path))) records.push(record);
    expect(records).toEqual([{ 'Order Id': '="1"', ' Name ': ' x ' }]);
  });
});

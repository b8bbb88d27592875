/** The export for spreadsheets: no cell that a spreadsheet changes, and every text comes back. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { csvColumns } from '../../src/api/export-formats.ts';
import { csvParser } from '../../src/commands/csv.ts';
import type { StoredRow } from '../../src/log/stored-row.ts';
import { blankRow, fileOf } from './export-page.ts';

const rowOf = (fields: Partial<StoredRow>): StoredRow => ({ ...blankRow, ...fields });

async function cellsOf(row: StoredRow): Promise<string[][]> {
  const text = await fileOf('spreadsheet', [row]);
  expect(text.startsWith('\ufeff')).toBe(true);
  const parser = csvParser(',');
  return [...parser.push(text.slice(1)), ...parser.end()].map(({ cells }) => cells);
}
const cellOf = async (description: string) =>
  (await cellsOf(rowOf({ description })))[1]?.[csvColumns.indexOf('description')] ?? '';

describe('a spreadsheet keeps', () => {
  it.each([
    ['007', '="007"'],
    ['12345678901234567890', '="12345678901234567890"'],
    ['1E5', '="1E5"'],
    ['1.10', '="1.10"'],
    ['TRUE', '="TRUE"'],
    ['March 5', '="March 5"'],
    ['Müller', '="Müller"'],
    ['say "hi", twice', '="say ""hi"", twice"'],
    ['=1+1', '="=1+1"'],
    ['="007"', '="=""007"""'],
    ["'quoted", '="\'quoted"'],
    ['1\n2', "'1\n2"],
    [`=${'1'.repeat(300)}`, `'=${'1'.repeat(300)}`],
    ["'\n", "''\n"],
    [`text ${'long '.repeat(60)}`, `text ${'long '.repeat(60)}`],
    ['"'.repeat(128), `'${'"'.repeat(128)}`],
  ])('%j', async (text, cell) => {
    expect(await cellOf(text)).toBe(cell);
  });

  it('the metadata as JSON text, the id as a number, and nothing for null', async () => {
    const [header, row] = await cellsOf(rowOf({ metadata: '{"a": "1"}' }));
    const shown: Record<string, string> = {
      id: '7',
      timestamp: '="2026-03-01T12:30:00.000Z"',
      metadata: '="{""a"":""1""}"',
      created_at: '="2026-03-01T12:30:00.500Z"',
    };
    expect(header).toEqual(csvColumns.map((column) => `="${column}"`));
    expect(row).toEqual(csvColumns.map((column) => shown[String(column)] ?? ''));
  });

  it('every text as a constant, or as text that is neither a number nor a formula', async () => {
    const unit = fc.constantFrom(
      '=',
      '+',
      '-',
      '@',
      '"',
      "'",
      '1',
      '.',
      '\t',
      '\n',
      '\r',
      ' ',
      'a',
      '{',
      '＝',
      '\ufeff',
    );
    const texts = fc.oneof(fc.string({ unit, minLength: 1 }), fc.string({ unit, minLength: 250, maxLength: 260 }));
    await fc.assert(
      fc.asyncProperty(texts, async (text) => {
        expect(await cellOf(text)).toMatch(/^(="([^"]|"")*"$|'|[a{])/);
      }),
    );
  });
});

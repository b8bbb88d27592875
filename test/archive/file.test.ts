/** The file of the archive: every row that the database can hold comes back as the same texts. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { databaseText, emptyRows, exactTime, type Rows } from '../../src/archive/file-format.ts';
import { compareKeys, keyColumns, metadataColumns } from '../../src/archive/metadata-columns.ts';
import { fileOf, keysOf, readFooter, readGroups } from '../../src/archive/read-file.ts';
import { fileWriter } from '../../src/archive/write-file.ts';
import { exportColumns } from '../../src/log/export-rows.ts';
import { activityLogs } from '../../src/log/schema.ts';
import { archiveGzip } from '../../src/runtime/archive-gzip.ts';
import { blankRow } from '../api/export-page.ts';
import { storedRow } from '../api/stored-rows.ts';

const { gzip, gunzip } = archiveGzip;

const rowsOf = (rows: Partial<Record<string, unknown>>[]): Rows => ({
  n: rows.length,
  texts: exportColumns.map((name) => rows.map((row) => (row[name] == null ? null : String(row[name])))),
});
const rowOf = (row: Partial<Record<string, unknown>>) => ({ ...blankRow, ...row });

function write(keys: string[], groups: Rows[], footer: Record<string, string> = {}): Uint8Array {
  const file = fileWriter(keys, footer, gzip);
  for (const group of groups) file.add(group);
  return file.finish().slice();
}

async function readAll(bytes: Uint8Array): Promise<Rows> {
  const all = emptyRows();
  for await (const { n, texts } of readGroups(fileOf(bytes), gunzip)) {
    all.n += n;
    for (const [i, values] of texts.entries()) all.texts[i]?.push(...values);
  }
  return all;
}

const keys = ['a', 'b', 'ü', '10', '1b', '__proto__', ': ', ', '].sort(compareKeys);

describe('a file of the archive', () => {
  it('has a column for each column of the log', () => {
    expect(exportColumns).toEqual(Object.keys(activityLogs).filter((name) => exportColumns.includes(name as 'id')));
    expect(exportColumns).toHaveLength(18);
  });

  it('gives every stored row back as the texts that the database prints', async () => {
    const groups = fc.array(fc.array(storedRow, { minLength: 1, maxLength: 12 }), { minLength: 1, maxLength: 3 });
    await fc.assert(
      fc.asyncProperty(groups, fc.subarray(keys), async (generated, some) => {
        const bytes = write(some, generated.map(rowsOf));
        expect(await readAll(bytes)).toEqual(rowsOf(generated.flat()));
        expect(keysOf((await readFooter(fileOf(bytes))).parquet)).toEqual(some);
      }),
      { numRuns: 300 },
    );
  });

  it.each([
    ['no metadata', null],
    ['an empty object', '{}'],
    ['a null', 'null'],
    ['a null of a key', '{"a": null}'],
    ['an object of keys with columns', '{"a": 1, "b": "1"}'],
    ['an object of other keys', '{"z": 1}'],
    ['both', '{"a": 1, "b": [1, {"a": "}"}], "z": 1, "zz": "\\\\\\""}'],
    ['keys in another order than jsonb prints', '{"b": 1, "a": 2}'],
    ['a number that no double holds', '{"a": 9007199254740993, "b": 0.1234567890123456789}'],
    ['a string like a number', '{"a": "1e5", "b": "007"}'],
    ['a text', '"text"'],
    ['an array', '[{"a": 1}]'],
    ['deep', `{"a": ${'['.repeat(6_000)}${']'.repeat(6_000)}}`],
    ['long', `{"a": "${'x'.repeat(300_000)}"}`],
  ])('keeps metadata that is %s', async (_what, metadata) => {
    const rows = rowsOf([rowOf({ metadata }), rowOf({ metadata: '{"a": 1}' })]);
    expect(await readAll(write(['a', 'b'], [rows]))).toEqual(rows);
  });

  it.each([
    'infinity',
    '-infinity',
    '0044-03-15 12:00:00+00 BC',
    '4713-01-01 00:00:00+00 BC',
    '0001-01-01 00:00:00+00',
    '99999-12-31 23:59:59.999+00',
    '294276-12-31 23:59:59.999+00',
    '2026-03-01 12:30:00.01+00',
  ])('keeps the time %s', async (time) => {
    const rows = rowsOf([rowOf({ timestamp: time, created_at: time })]);
    expect(await readAll(write([], [rows]))).toEqual(rows);
  });

  it('keeps a byte order mark, and text that begins with one in a dictionary', async () => {
    const rows = rowsOf(Array.from({ length: 300 }, () => rowOf({ description: '\ufeffonce', user_id: '\ufeff' })));
    expect(await readAll(write([], [rows]))).toEqual(rows);
  });

  it('has the same bytes for the same rows', () => {
    const rows = () => rowsOf([rowOf({ id: 1, metadata: '{"a": 1}' }), rowOf({ id: 2 })]);
    expect(write(['a'], [rows()], { month: '2026-03' })).toEqual(write(['a'], [rows()], { month: '2026-03' }));
  });

  it('says its format, and what was put into its footer', async () => {
    const { footer } = await readFooter(fileOf(write([], [rowsOf([rowOf({})])], { month: '2026-03' })));
    expect([...footer]).toEqual([
      ['format', '1'],
      ['month', '2026-03'],
    ]);
  });

  it('is not read when it is of a newer format', async () => {
    const bytes = write([], [rowsOf([rowOf({})])], { format: '2' });
    await expect(readAll(bytes)).rejects.toThrow('the file has format 2, and this version reads format 1');
  });

  it('refuses an id that is no number of the log', () => {
    expect(() => write([], [rowsOf([rowOf({ id: null })])])).toThrow('cannot be archived');
  });
});

describe('the times of a file', () => {
  it('are the texts of PostgreSQL', () => {
    for (const text of ['2026-03-01 12:30:00+00', '2026-03-01 12:30:00.1+00', '0044-03-15 12:00:00+00 BC'])
      expect(databaseText(exactTime(text) ?? Number.NaN)).toBe(text);
    expect(exactTime('infinity')).toBeNull();
    expect(exactTime('294276-12-31 23:59:59.999+00')).toBeNull();
  });
});

describe('the columns of metadata', () => {
  it('are the frequent keys, at most 64, in the order of jsonb', () => {
    const counts = [
      { key: 'status', n: 900 },
      { key: 'rare', n: 0.5 },
      { key: 'é', n: 2 },
      { key: 'b', n: 1 },
      { key: 'with "quotes"', n: 900 },
      { key: '', n: 900 },
    ];
    expect(keyColumns(counts, 1_000)).toEqual(['b', 'é', 'status']);
    const many = Array.from({ length: 100 }, (_, i) => ({ key: `k${i}`, n: 100 + i }));
    expect(keyColumns(many, 1_000)).toHaveLength(64);
    expect(keyColumns(many, 1_000)).not.toContain('k35');
  });

  it('hold the JSON text of each value, and the rest is an object', () => {
    const { split } = metadataColumns(['a', 'b']);
    expect(split('{"a": "1", "b": 1}')).toEqual({ values: ['"1"', '1'], rest: null });
    expect(split('{"a": null, "z": {"a": 1}}')).toEqual({ values: ['null', null], rest: '{"z": {"a": 1}}' });
    expect(split('{}')).toEqual({ values: [null, null], rest: '{}' });
  });
});

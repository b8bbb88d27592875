/** JSON and NDJSON of an export are the entries of the API, whether a row is copied or written by way of its entry. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { toEntry } from '../../src/log/stored-row.ts';
import { fileOf } from './export-page.ts';
import { storedRows } from './stored-rows.ts';

it('are written as JSON.stringify writes the entries', async () => {
  await fc.assert(
    fc.asyncProperty(storedRows, async (rows) => {
      const lines = rows.map((row) => JSON.stringify(toEntry(row)));
      expect(await fileOf('ndjson', rows)).toBe(lines.map((line) => `${line}\n`).join(''));
      expect(await fileOf('json', rows)).toBe(lines.length > 0 ? `[\n${lines.join(',\n')}\n]\n` : '[]\n');
    }),
    { numRuns: 1_000 },
  );
});

/** The Worker's bundle: its size, and no module that only Node or Bun has. */
import { readFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { expect, inject, it } from 'vitest';

/**
 * A Worker starts with it: 150 KiB, 55 more for what understands the log, 9 for proofs, and 4 for rate limits, gzip bodies
 * and own events. Cloudflare allows 3 MB on its free plan.
 */
const gzipped_bytes_max = 218 * 1024;
const { bundle } = inject('worker');
const text = readFileSync(bundle, 'utf8');
const { sources }: { sources: string[] } = JSON.parse(readFileSync(`${bundle}.map`, 'utf8'));

it(`is at most ${gzipped_bytes_max} bytes, gzipped`, () => {
  const bytes = gzipSync(text).length;
  console.log(`the bundle for Workers: ${text.length} bytes, ${bytes} gzipped`);
  expect(bytes).toBeLessThanOrEqual(gzipped_bytes_max);
});

it('names an error of PostgreSQL, although its classes are minified', () => {
  expect(text).toContain('"PostgresError"');
});

it('contains these packages and no others', () => {
  const packages = sources.flatMap((source) => /node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(source)?.[1] ?? []);
  // drizzle-orm's own maps name its files src/…
  const named = packages.map((name) => (name === 'src' ? 'drizzle-orm' : name));
  expect([...new Set(named)].toSorted()).toEqual(['drizzle-orm', 'hono', 'postgres', 'valibot']);
});

it.each(['node:fs', 'node:http', 'node:net', 'node:child_process', 'bun:', 'PGlite'])('does not contain %s', (word) => {
  expect(text).not.toContain(word);
});

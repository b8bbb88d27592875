/** The static files of the page: their list, their size, their contents and their caching. */
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { gzipSync } from 'node:zlib';
import { expect, it } from 'vitest';
import { demoHistory } from '../../src/commands/demo-shop.ts';
import { cacheControlOf, files } from '../../src/http/files.ts';
import { startService } from '../support/harness.ts';

const root = new URL('../../', import.meta.url);
const read = (address: string) => readFileSync(new URL(`.${address.split('?')[0]}`, root));

it('the folder has only the listed files: no bundle, font or picture', () => {
  const named = Object.values(files).map((address) => address.replace(/^\/public\/|\?.*/g, ''));
  expect(readdirSync(new URL('public', root)).toSorted()).toEqual(named.toSorted());
});

it.each(['style', 'viewer'] as const)('the URL of %s contains a hash of its contents', (name) => {
  const digest = createHash('sha256').update(read(files[name])).digest('hex').slice(0, 8);
  expect(files[name], 'put this hash into src/http/files.ts').toMatch(new RegExp(`\\?v=${digest}$`));
});

it.each([
  ['htmx', 'htmx.org/dist/htmx.min.js'],
  ['sse', 'htmx.org/dist/ext/hx-sse.min.js'],
] as const)('%s is identical to the file of the package', (name, path) => {
  const require = createRequire(import.meta.url);
  expect(read(files[name]).equals(readFileSync(require.resolve(path)))).toBe(true);
  const { version } = JSON.parse(readFileSync(require.resolve('htmx.org/package.json'), 'utf8')) as { version: string };
  expect(files[name]).toContain(`-${version}.`);
});

it('the own script has at most 4 KiB, and all files have at most 26 KiB gzipped', () => {
  expect(read(files.viewer).length).toBeLessThanOrEqual(4_096);
  const gzipped = Object.values(files).map((address) => gzipSync(read(address), { level: 9 }).length);
  expect(gzipped.reduce((sum, bytes) => sum + bytes)).toBeLessThanOrEqual(26 * 1_024);
});

it.each([
  [files.style, /immutable/],
  [files.htmx, /immutable/],
  ['/public/style.css', /no-cache/],
  ['/public/style.css?v=older000', /no-cache/],
  [`${files.style}&more`, /no-cache/],
])('%s has the Cache-Control %s', (address, expected) => {
  expect(cacheControlOf(address)).toMatch(expected);
});

it('the page with 50 rows and all files has at most 30 KiB gzipped', async () => {
  const service = await startService('postgres');
  const events = demoHistory({ n_events: 900, days: 30, seed: 7, now_ms: Date.now() });
  await service.write(events.slice(0, 1_000));
  const document = await (await service.request('/logs', { as: 'admin' })).text();
  expect(document.match(/<li id="e\d+"/g)).toHaveLength(50);
  const sizes = [Buffer.from(document), ...Object.values(files).map(read)].map((body) => gzipSync(body).length);
  expect(sizes.reduce((sum, bytes) => sum + bytes)).toBeLessThanOrEqual(30 * 1_024);
});

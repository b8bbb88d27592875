/** The page's static files: few, small, the ones they say they are, and kept by browsers until they change. */
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

it('there are no others: no bundle, no font, no picture', () => {
  const named = Object.values(files).map((address) => address.replace(/^\/public\/|\?.*/g, ''));
  expect(readdirSync(new URL('public', root)).toSorted()).toEqual(named.toSorted());
});

it.each(['style', 'viewer'] as const)('%s has an address that changes with its contents', (name) => {
  const digest = createHash('sha256').update(read(files[name])).digest('hex').slice(0, 8);
  expect(files[name], 'put this into src/files.ts').toMatch(new RegExp(`\\?v=${digest}$`));
});

it.each([
  ['htmx', 'htmx.org/dist/htmx.min.js'],
  ['sse', 'htmx.org/dist/ext/hx-sse.min.js'],
] as const)('%s is the file of the package, to the byte', (name, path) => {
  const require = createRequire(import.meta.url);
  expect(read(files[name]).equals(readFileSync(require.resolve(path)))).toBe(true);
  const { version } = JSON.parse(readFileSync(require.resolve('htmx.org/package.json'), 'utf8')) as { version: string };
  expect(files[name]).toContain(`-${version}.`);
});

it('weigh little: 4 KiB of script by hand, and all of them 26 KiB gzipped', () => {
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
])('%s: %s', (address, expected) => {
  expect(cacheControlOf(address)).toMatch(expected);
});

it('and the first view with 50 rows has room in 30 KiB gzipped, all of them included', async () => {
  const service = await startService('pglite');
  const events = demoHistory({ n_events: 900, days: 30, seed: 7, now_ms: Date.now() });
  await service.write(events.slice(0, 1_000));
  const document = await (await service.request('/logs', { as: 'admin' })).text();
  expect(document.match(/<li id="e\d+"/g)).toHaveLength(50);
  const sizes = [Buffer.from(document), ...Object.values(files).map(read)].map((body) => gzipSync(body).length);
  expect(sizes.reduce((sum, bytes) => sum + bytes)).toBeLessThanOrEqual(30 * 1_024);
});

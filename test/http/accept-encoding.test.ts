/** Which Accept-Encoding headers ask for gzip (RFC 9110 §12.5.3). */
import { expect, it } from 'vitest';
import { wantsGzip } from '../../src/http/accept-encoding.ts';

it.each([
  ['gzip', true],
  ['gzip, deflate, br, zstd', true],
  ['br;q=1.0, GZIP;q=0.8, *;q=0.1', true],
  ['x-gzip', true],
  ['*', true],
  ['identity, gzip', true],
  ['gzip ; q=1', true],
  [undefined, false],
  ['', false],
  ['identity', false],
  ['br', false],
  ['gzip;q=0', false],
  ['gzip;q=0.000', false],
  ['gzip;q=0, *', false],
  ['*;q=0', false],
  ['identity;q=1, gzip;q=0.5', false],
  ['gzip;q=x', false],
])('%s: %s', (header, wanted) => {
  expect(wantsGzip(header)).toBe(wanted);
});

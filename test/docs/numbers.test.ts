/** The numbers in the sentences of the documentation are those of the code. */
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { requestLimits } from '../../src/api/write.ts';
import { authLimits } from '../../src/auth/auth.ts';
import { sessionLimits } from '../../src/auth/session.ts';
import { clientLimits } from '../../src/client.ts';
import { entryLimits } from '../../src/log/entry.ts';
import { totalLimits } from '../../src/log/total.ts';
import { settingRows } from '../../src/settings.ts';
import { message_rows_max } from '../../src/viewer/views/live.ts';
import { root, textOf } from './pages.ts';

const words = ['no', 'one', 'two', 'three', 'four', 'five', 'six'];
const count = (n: number) => n.toLocaleString('en-US');
const setting = (name: keyof typeof settingRows) => Number(settingRows[name].fallback);

/** A constant that a module keeps to itself, read from its text. */
function constantOf(path: string, name: string): number {
  const text = readFileSync(new URL(path, root), 'utf8');
  const [, value = ''] = new RegExp(`\\b${name} ?= ?([\\d_* ]+);`).exec(text) ?? [];
  const factors = value.split('*').map((factor) => Number(factor.trim().replaceAll('_', '')));
  return factors.reduce((product, factor) => product * factor, 1);
}

const first_view_bytes_max = constantOf('bench/page-server.ts', 'first_view_bytes_max');

const facts: [page: string, sentence: string][] = [
  ['docs/api.md', `exact up to ${count(totalLimits.total_rows_max)} matches`],
  ['docs/api.md', `more than ${entryLimits.timestamp_ahead_ms_max / 3_600_000} hours ahead`],
  ['docs/api.md', `repeats a failed request up to ${words[clientLimits.tries_max - 1]} times`],
  ['docs/api.md', `\`HEARTBEAT_MS\` (${setting('HEARTBEAT_MS') / 1_000} seconds)`],
  ['docs/api.md', `\`UNSENT_BYTES_MAX\` (${setting('UNSENT_BYTES_MAX') / 2 ** 20} MiB)`],
  ['docs/api.md', `\`STALL_MS_MAX\` (${words[setting('STALL_MS_MAX') / 1_000]} seconds)`],
  ['docs/api.md', `\`POLL_MS_MAX\` (${words[setting('POLL_MS_MAX') / 1_000]} second)`],
  ['docs/security.md', `\`SESSION_SECONDS_MAX\` (${setting('SESSION_SECONDS_MAX') / 3_600} hours)`],
  [
    'docs/security.md',
    `N = 2^${authLimits.scrypt_cost.ln}, r = ${authLimits.scrypt_cost.r}, p = ${authLimits.scrypt_cost.p}`,
  ],
  ['docs/viewer.md', `at most ${constantOf('src/viewer/page-query.ts', 'bars_max')} bars`],
  ['docs/viewer.md', `the newest ${message_rows_max} are drawn`],
  ['docs/viewer.md', `at most ${first_view_bytes_max / 1_024} KB gzipped`],
  ['docs/benchmarks.md', `more than ${count(first_view_bytes_max)} bytes`],
  ['docs/deploy.md', `after ${constantOf('src/runtime/worker-durable-object.ts', 'socket_bytes_max') / 2 ** 20} MiB`],
  ['docs/deploy.md', `more than ${constantOf('test/runtime/workers/bundle.test.ts', 'gzipped_bytes_max') / 1_024}`],
];

it.each(facts)('%s says "%s"', (page, sentence) => {
  expect(textOf(page)).toContain(sentence);
});

it('docs/security.md says within which time a session is over everywhere', () => {
  const { cached_ms_max, recheck_ms } = sessionLimits;
  const [, seconds = ''] = /on every instance within (\w+) seconds/.exec(textOf('docs/security.md')) ?? [];
  expect(words.indexOf(seconds) * 1_000).toBeGreaterThan(cached_ms_max + recheck_ms);
});

it('a write may carry as many events as the README says', () => {
  expect([textOf('README.md').includes('one event or a thousand'), requestLimits.events_max]).toEqual([true, 1_000]);
});

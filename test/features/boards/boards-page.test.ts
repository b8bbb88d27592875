/** The pages of the boards: valid, small, without styles in the markup, and with a table for each figure. */
import { gzipSync } from 'node:zlib';
import { HtmlValidate } from 'html-validate';
import { describe, expect, it } from 'vitest';
import { demoHistory } from '../../../src/commands/demo-shop.ts';
import { builtIn } from '../../../src/features/boards/built-in.ts';
import { both } from '../../../src/features/boards/question.ts';
import { ticksOf } from '../../../src/features/boards/ticks.ts';
import { readFilter, writeFilter } from '../../../src/log/filter.ts';
import { startService } from '../../support/harness.ts';
import { inChromium } from '../../support/in-chromium.ts';
import { openPages } from '../../viewer/browser-page.ts';

const valid = new HtmlValidate({ extends: ['html-validate:recommended'], rules: { 'doctype-style': 'off' } });
const page_bytes_max = 30 * 1024;

const questions: Record<string, string> = {
  user: 'user_id=ana',
  entity: 'entity_type=order&entity_id=1',
  service: 'service=checkout',
};
const pages = builtIn.flatMap(({ name }) =>
  ['24h', '30d', '1y'].map((last) => `/boards/${name}?last=${last}&${questions[name] ?? ''}`),
);

describe('the page of a board', async () => {
  const service = await startService('postgres');
  const history = demoHistory({ n_events: 3_000, days: 40, seed: 7, now_ms: Date.now() });
  while (history.length > 0) await service.write(history.splice(0, 1_000));
  await service.write({ event_type: '<b>', entity_type: '"x"', user_id: "o'b&<i>", service: '</svg>' });
  const get = async (path: string) => (await service.request(path, { headers: { accept: 'text/html' } })).text();

  it.each(pages)('%s is valid, at most 30 KiB gzipped, and has no style in its markup', async (path) => {
    const text = await get(path);
    const { results } = await valid.validateString(text);
    expect(results.flatMap(({ messages }) => messages.map(({ ruleId, message }) => `${ruleId}: ${message}`))).toEqual(
      [],
    );
    expect(text).not.toMatch(/ style=|<style/);
    expect(text).not.toContain('<i>');
    expect(gzipSync(text).length).toBeLessThanOrEqual(page_bytes_max);
  });

  it.each(pages)('%s has a row with the same link for each mark', async (path) => {
    const figures = (await get(path)).split('<figure').slice(1);
    expect(figures).toHaveLength(builtIn.find(({ name }) => path.startsWith(`/boards/${name}?`))?.panels.length ?? 0);
    const hrefs = (text: string) => [...text.matchAll(/href="(\/logs[^"]*)"/g)].map(([, href]) => href);
    for (const figure of figures) {
      const [drawn = '', table = ''] = figure.split('<table');
      if (drawn.includes('<svg')) expect(hrefs(table)).toEqual(hrefs(drawn));
    }
  });

  inChromium.describe('that is open', () => {
    const open = openPages(() => service.url);

    it('keeps the focus and an open table when numbers change', async () => {
      const page = await open('/boards/service?service=checkout&last=24h');
      const number = page.locator('#p1 a').first();
      const before = await number.textContent();
      await page.locator('figure.bars summary').click();
      await number.focus();
      await service.write({ event_type: 'CREATE', entity_type: 'order', service: 'checkout' });
      await expect.poll(() => number.textContent(), { timeout: 60_000 }).not.toBe(before);
      expect(await page.evaluate(() => document.activeElement?.id)).toBe('p1-0');
      expect(await page.locator('figure.bars details').getAttribute('open')).not.toBeNull();
    });
  });
});

describe('a panel under the filter of an address', () => {
  it.each([
    ['event_type=A&event_type=B', 'event_type=B&event_type=C', 'event_type=B'],
    ['event_type=A', 'event_type=B', 'last_id=0'],
    ['event_type!=A', 'event_type!=B', 'event_type%21=A&event_type%21=B'],
    ['search=a', 'search=b', 'search=a&search=b'],
    ['user_id=ana', 'service=shop', 'service=shop&user_id=ana'],
  ])('%s and %s is %s', (one, other, expected) => {
    const terms = (text: string) => readFilter(new URLSearchParams(text)).terms;
    expect(writeFilter(both(terms(one), terms(other))).toString()).toBe(expected);
  });
});

it.each([
  [0, [0, 1]],
  [3, [0, 1, 2, 3]],
  [7, [0, 2, 4, 6, 8]],
  [100, [0, 50, 100]],
  [1_234, [0, 500, 1_000, 1_500]],
])('the ticks up to %i are %j', (most, ticks) => {
  expect(ticksOf(most)).toEqual(ticks);
});

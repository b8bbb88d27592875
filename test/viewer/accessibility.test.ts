/** Accessibility: axe reports no violations, the focus is kept, and the page fits narrow and wide screens. */
import type { Page } from 'playwright-core';
import { expect, it } from 'vitest';
import { json, startService } from '../support/harness.ts';
import { inChromium } from '../support/in-chromium.ts';
import { addressOf, axeFindings, openPages, rowsOf } from './browser-page.ts';
import { assortedEvents, order } from './sample-events.ts';

const long = 'x'.repeat(250);

inChromium.describe('accessibility', async () => {
  const service = await startService('postgres');
  await service.write([
    ...assortedEvents(),
    order(1, {
      event_type: long.slice(0, 50),
      entity_id: long,
      user_id: long,
      description: `${long}${long}`,
      metadata: { old_price: 10, new_price: 12, [long]: { deep: { deeper: long } }, list: [1, 2, 3] },
    }),
  ]);
  // Its filter matches nothing: it sends nothing.
  const spec = { kind: 'webhook', url: 'https://hook.example.com', secret: 'env:HOOK', filter: 'service=nobody' };
  await service.request('/api/sinks/far', { ...json(spec), method: 'PUT' });
  const open = openPages(() => service.url);
  const openRow = async (page: Page) => {
    await rowsOf(page).first().locator('summary').first().click();
    await rowsOf(page).first().getByRole('link', { name: 'Permalink' }).waitFor();
  };
  const live = (page: Page) => expect.poll(() => page.locator('#live-state').textContent()).toMatch(/^Live/);
  const focused = (page: Page) =>
    page.evaluate(() => {
      const active = document.activeElement;
      return active === document.body ? 'nothing' : (active?.textContent?.trim() ?? '');
    });

  const states: [string, string, (page: Page) => Promise<unknown>][] = [
    ['the list', '/logs', async () => {}],
    ['an open row', '/logs', openRow],
    ['a filter with chips', '/logs?user_id=ana&event_type!=DELETE&last=24h', async () => {}],
    [
      'live, with a pill',
      '/logs?live=1',
      async (page) => {
        await live(page);
        await openRow(page);
        await service.write(order(1));
        await page.locator('#pill').waitFor();
      },
    ],
    ['the form of fields', '/logs', (page) => page.getByRole('button', { name: 'Fields' }).click()],
    ['the custom range form', '/logs', (page) => page.getByRole('button', { name: 'Custom' }).click()],
    ['the menu', '/logs', (page) => page.getByRole('button', { name: 'admin' }).click()],
    [
      'the help',
      '/logs',
      async (page) => {
        await page.keyboard.press('?');
        await page.getByRole('dialog').waitFor();
      },
    ],
    ['an empty list', '/logs?search=nowhere', async () => {}],
    ['the page of an event', '/logs/1', async () => {}],
    ['the page of the sinks', '/sinks', async () => {}],
    ['the page of a sink', '/sinks/far', async () => {}],
    ['a board', '/boards/overview?last=30d', (page) => page.locator('figure.bars summary').click()],
    ['the board of a user', '/boards/user?user_id=ana', async () => {}],
    ['the page of the patterns', '/patterns', async () => {}],
    ['what is unusual', '/unusual', async () => {}],
    ['the list of boards', '/boards?filter=user_id%3Dana', async () => {}],
    ['a digest', `/digests/${new Date().toISOString().slice(0, 10)}`, async () => {}],
  ];
  it.each(states)('axe reports no violations: %s, light and dark, narrow and wide', async (_state, path, make) => {
    const page = await open(path, 'admin', { viewport: { width: 1200, height: 900 } });
    await make(page);
    expect(await axeFindings(page)).toEqual([]);
    await page.emulateMedia({ colorScheme: 'dark' });
    await page.setViewportSize({ width: 360, height: 740 });
    expect(await axeFindings(page)).toEqual([]);
  });

  it.each([360, 2_000])('a screen of %i px needs no horizontal scrolling', async (width) => {
    const page = await open('/logs', 'admin', { viewport: { width, height: 800 } });
    const overhang = () => page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    expect(await overhang()).toBeLessThanOrEqual(0);
    await openRow(page);
    expect(await overhang()).toBeLessThanOrEqual(0);
    const [list] = await page
      .locator('#rows')
      .evaluateAll((all) => all.map((one) => one.getBoundingClientRect().width));
    expect(list).toBeGreaterThan(width * 0.7);
    for (const path of ['/logs/121', '/logs?search=nowhere', `/logs?user_id=${long}`, '/logs?last=30d&user_id=ana']) {
      await page.goto(service.url + path);
      expect([path, await overhang()]).toEqual([path, 0]);
    }
  });

  it('the first Tab focuses a link that skips the header', async () => {
    const page = await open('/logs');
    await page.keyboard.press('Tab');
    expect(await focused(page)).toBe('To the events');
  });

  it.each([
    ['a preset', '/logs', (page: Page) => page.getByRole('link', { name: '24 h', exact: true }), '24 h'],
    ['a value of a facet', '/logs', (page: Page) => page.getByRole('link', { name: 'ben', exact: true }), 'ben'],
  ])('%s keeps the focus after it was followed', async (_what, path, link, name) => {
    const page = await open(path);
    await link(page).first().focus();
    await page.keyboard.press('Enter');
    await page.waitForURL((url) => url.search !== '');
    await expect.poll(() => focused(page)).toBe(name);
  });

  it('the focus moves to another element when the focused element is removed', async () => {
    const page = await open('/logs?user_id=ana');
    await page.getByRole('link', { name: 'Remove user: ana' }).focus();
    await page.keyboard.press('Enter');
    await expect.poll(() => addressOf(page)).toBe('/logs');
    await expect.poll(() => focused(page)).not.toBe('nothing');
  });

  it('the focus stays while live rows arrive and counts are refreshed', async () => {
    const page = await open('/logs?live=1');
    await live(page);
    const row = rowsOf(page).nth(3).locator('summary');
    await row.focus();
    const text = await focused(page);
    await service.write(order(5));
    await expect.poll(() => rowsOf(page).first().textContent()).toContain('order 5 taken');
    expect(await focused(page)).toBe(text);
    const facet = page.getByRole('list', { name: 'User' }).getByRole('link').first();
    await facet.focus();
    const before = await page.locator('#total').textContent();
    await service.write([order(6), order(7)]);
    await expect.poll(() => page.locator('#total').textContent()).not.toBe(before);
    expect(await focused(page)).not.toBe('nothing');
  });
});

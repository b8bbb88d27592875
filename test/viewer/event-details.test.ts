/** The details of an event: copying, links, the page of an event, older events, and failed requests. */
import type { Page } from 'playwright-core';
import { expect, it } from 'vitest';
import { startService } from '../support/harness.ts';
import { inChromium } from '../support/in-chromium.ts';
import { addressOf, allowBrowserErrors, idsOf, openPages, rowsOf } from './browser-page.ts';
import { detailedEvent, order } from './sample-events.ts';

const n_events = 1_300;

inChromium.describe('event details', async () => {
  const service = await startService('postgres');
  const written = [
    ...(await service.write(Array.from({ length: 1_000 }, (_, n) => order(n)))),
    ...(await service.write([...Array.from({ length: n_events - 1_001 }, (_, n) => order(n)), detailedEvent])),
  ];
  const newestFirst = written.map(({ id }) => id).toReversed();
  const open = openPages(() => service.url);
  const first = (page: Page) => rowsOf(page).first();
  const openFirst = async (page: Page) => {
    await first(page).locator('summary').first().click();
    await first(page).getByText('session-7').first().waitFor();
  };

  it('an open row can be copied as JSON', async () => {
    const page = await open('/logs', 'admin', { permissions: ['clipboard-read', 'clipboard-write'] });
    await openFirst(page);
    await first(page).getByRole('button', { name: 'Copy as JSON' }).click();
    await expect.poll(() => page.evaluate(() => navigator.clipboard.readText())).toContain('"old_price"');
    expect(JSON.parse(await page.evaluate(() => navigator.clipboard.readText()))).toMatchObject({
      id: newestFirst[0],
      metadata: detailedEvent.metadata,
    });
  });

  it.each([
    ['Permalink', () => `/logs/${newestFirst[0]}`],
    ['Same entity', () => '/logs?entity_id=1&entity_type=order'],
    ['Same user', () => '/logs?user_id=frida'],
    ['Same trace', () => '/logs?trace_id=trace-7'],
    ['±30 s around this', () => /^\/logs\?end_date=[^&]+&start_date=[^&]+&around=\d+$/],
  ])('an open row has a link: %s', async (name, to) => {
    const page = await open('/logs');
    await openFirst(page);
    await first(page).getByRole('link', { name }).click();
    await page.getByText('the price went up').first().waitFor();
    const address = to();
    await expect
      .poll(() => addressOf(page))
      .toEqual(typeof address === 'string' ? address : expect.stringMatching(address));
  });

  it('each event has a page, which links to the previous and the next event', async () => {
    const page = await open(`/logs/${newestFirst[1]}`);
    expect(await page.getByRole('heading', { level: 1 }).textContent()).toContain(`${newestFirst[1]}`);
    await page.getByRole('link', { name: `Event ${newestFirst[0]}` }).click();
    await page.getByRole('table', { name: 'What changed' }).waitFor();
    expect(addressOf(page)).toBe(`/logs/${newestFirst[0]}`);
  });

  it('scrolling down loads older events, and the page keeps at most 1,000 rows', async () => {
    const page = await open('/logs?limit=500');
    const collected: number[] = [];
    for (let last = 0; last !== newestFirst.at(-1); ) {
      const [n_before, ids] = [collected.length, await idsOf(page)];
      collected.push(...ids.filter((id) => !collected.includes(id)));
      expect(ids.length).toBeLessThanOrEqual(1_000);
      last = ids.at(-1) ?? 0;
      if (collected.length === n_before) await page.waitForTimeout(20);
      await page.mouse.wheel(0, 20_000);
    }
    expect(collected).toEqual(newestFirst);
    await page.getByRole('link', { name: /Newer events/ }).click();
    await expect.poll(async () => (await idsOf(page)).slice(0, 50)).toEqual(newestFirst.slice(0, 50));
  });

  it('Back from the page of an event restores the loaded rows and the scroll position', async () => {
    const page = await open('/logs');
    while ((await idsOf(page)).length < 300) {
      await page.mouse.wheel(0, 20_000);
      await page.waitForTimeout(50);
    }
    await expect.poll(() => addressOf(page)).toMatch(/limit=\d+/);
    const target = page.locator(`#e${newestFirst[240]}`);
    await target.scrollIntoViewIfNeeded();
    const top = () => target.evaluate((li) => Math.round(li.getBoundingClientRect().top));
    const before = await top();
    await target.locator('summary').first().click();
    await target.getByRole('link', { name: 'Permalink' }).click();
    await page.getByRole('heading', { level: 1 }).waitFor();
    await page.goBack();
    await target.waitFor();
    expect((await idsOf(page)).length).toBeGreaterThanOrEqual(300);
    await expect.poll(async () => Math.abs((await top()) - before)).toBeLessThan(60);
  });

  it('copying works without a secure context', async () => {
    // Over plain HTTP, except from localhost, browsers have no navigator.clipboard.
    const page = await open('/logs');
    await page.evaluate(() => Object.defineProperty(navigator, 'clipboard', { value: undefined }));
    await openFirst(page);
    const button = first(page).locator('.copy');
    await button.click();
    await expect.poll(() => button.textContent()).toBe('Copied');
    expect(JSON.parse(await page.evaluate(() => String(getSelection())))).toMatchObject({ id: newestFirst[0] });
  });

  it('if copying fails, the button says so and the text is selected', async () => {
    const page = await open('/logs');
    await page.evaluate(() => {
      document.execCommand = () => false;
    });
    await openFirst(page);
    const button = first(page).locator('.copy');
    await button.click();
    await expect.poll(() => button.textContent()).toBe('Copy the selection');
    expect(JSON.parse(await page.evaluate(() => String(getSelection())))).toMatchObject({ id: newestFirst[0] });
  });

  it('a row whose details failed to load can be opened again', async () => {
    const page = await open('/logs');
    allowBrowserErrors(page, /503|ERR_CONNECTION|Failed to fetch/);
    const path = `**/logs/${newestFirst[0]}`;
    await page.route(path, (route) => route.abort('connectionrefused'), { times: 1 });
    await first(page).locator('summary').click();
    await page.getByRole('alert').getByText('No connection. Try again.').waitFor();
    await first(page).locator('summary').click();
    await page.route(path, (route) => route.fulfill({ status: 503, contentType: 'text/html', body: '<p>Down.</p>' }), {
      times: 1,
    });
    await first(page).locator('summary').click();
    await page.getByRole('alert').getByText('Down.').waitFor();
    await first(page).locator('summary').click();
    await openFirst(page);
  });
});

/** The page in a real browser: live and static, with and without JavaScript, under its Content-Security-Policy. */
import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { openChromium, signIn } from '../support/browser.ts';
import { startService } from '../support/harness.ts';
import { inChromium } from '../support/in-chromium.ts';

const order = (n: number, more: object = {}) => ({
  event_type: 'CREATE',
  entity_type: 'order',
  entity_id: `${n}`,
  user_id: 'ana',
  ...more,
});
const hostile = '<img src=x onerror="window.ran=1"><script>window.ran=1</script>" onmouseover="window.ran=1';

inChromium.describe('the page in Chromium', async () => {
  const service = await startService();
  await service.write(Array.from({ length: 120 }, (_, i) => order(i, { description: `order ${i} taken` })));
  let browser: Browser;
  const faults: string[] = [];
  beforeAll(async () => {
    browser = await openChromium();
  });
  afterAll(() => browser.close());

  /** Opens a page as a signed-in user. The errors and warnings of its console are collected in `faults`. */
  async function open(
    path: string,
    who: 'admin' | 'guest' = 'admin',
    options: BrowserContextOptions = {},
  ): Promise<Page> {
    const context = await browser.newContext(options);
    await signIn(context, service.url, who, `${who}-password`);
    const page = await context.newPage();
    page.on('console', (message) => ['error', 'warning'].includes(message.type()) && faults.push(message.text()));
    page.on('pageerror', (error) => faults.push(error.message));
    await page.goto(service.url + path);
    return page;
  }
  const rows = (page: Page) => page.locator('#rows > li');

  it('shows the newest events, opens an event, and links to older events', async () => {
    const page = await open('/logs', 'guest');
    expect(await rows(page).count()).toBe(50);
    await rows(page).first().locator('summary').first().click();
    await rows(page).first().locator('dd', { hasText: 'order 119 taken' }).first().waitFor();
    await page.goto(`${service.url}${await page.getByRole('link', { name: 'Older events' }).getAttribute('href')}`);
    expect(await rows(page).first().locator('summary').first().textContent()).toContain('order 69');
    expect(await page.getByRole('link', { name: 'NDJSON', exact: true }).count()).toBe(0);
  });

  it('filters by its form, and keeps a negated filter from the URL', async () => {
    const page = await open('/logs?entity_id!=7');
    await page.locator('#q').fill('-id:7 "order 7"');
    await page.getByRole('button', { name: 'Search', exact: true }).click();
    await expect.poll(() => rows(page).count()).toBe(10);
    expect(new URL(page.url()).searchParams.getAll('entity_id!')).toEqual(['7']);
  });

  it('follows live on a click, shows its state, and stops', async () => {
    const page = await open('/logs?event_type=LIVE');
    await page.getByRole('button', { name: 'Start live' }).click();
    await page.locator('#live-state', { hasText: /^Live/ }).waitFor();
    await service.write([order(1, { event_type: 'LIVE' }), order(2), order(3, { event_type: 'LIVE' })]);
    await page.locator('#rows > li:nth-child(2)').waitFor();
    expect(await rows(page).locator('summary i').allTextContents()).toEqual(['3', '1']);
    await page.getByRole('button', { name: 'Stop live' }).click();
    await page.locator('#live-state', { hasText: 'Stopped' }).waitFor();
    await service.write([order(4, { event_type: 'LIVE' })]);
    await page.waitForTimeout(300);
    expect(await rows(page).count()).toBe(2);
  });

  it('gets the events between the load of the page and the click', async () => {
    const page = await open('/logs?event_type=BETWEEN');
    await service.write([order(1, { event_type: 'BETWEEN' })]);
    await page.getByRole('button', { name: 'Start live' }).click();
    await rows(page).first().waitFor();
    expect(await rows(page).count()).toBe(1);
  });

  it('keeps at most 1,000 rows while it follows', async () => {
    const page = await open('/logs?live=1');
    await page.locator('#live-state', { hasText: /^Live/ }).waitFor();
    for (let i = 0; i < 3; i++)
      await service.write(Array.from({ length: 400 }, (_, n) => order(n, { user_id: 'flood' })));
    await page.waitForFunction(() => document.querySelector('#rows > li summary i')?.textContent === '399');
    expect(await rows(page).count()).toBeLessThanOrEqual(1_000);
  });

  it('runs no script from an event', async () => {
    const page = await open('/logs?event_type=HOSTILE&live=1');
    await page.locator('#live-state', { hasText: /^Live/ }).waitFor();
    const fields = {
      entity_type: hostile.slice(0, 50),
      entity_id: hostile,
      user_id: hostile,
      description: hostile,
      user_agent: hostile,
      metadata: { [hostile]: hostile },
    };
    await service.write([{ event_type: 'HOSTILE', ...fields }]);
    await rows(page).first().locator('summary').first().click();
    expect(await rows(page).first().textContent()).toContain(hostile);
    await page.reload();
    await rows(page).first().locator('summary').first().hover();
    expect(await page.evaluate(() => 'ran' in window)).toBe(false);
  });

  it('is complete without JavaScript', async () => {
    const page = await open('/logs?search=order+1', 'admin', { javaScriptEnabled: false });
    await rows(page).first().locator('summary').first().click();
    expect(await rows(page).first().getByRole('link', { name: 'Open event' }).isVisible()).toBe(true);
    const file = await page.locator('a[href*="format=ndjson"]').first().getAttribute('href');
    const text = await (await service.request(file ?? '')).text();
    expect(text.trim().split('\n')).toHaveLength(await rows(page).count());
    await page.goto(`${service.url}/logs?live=1`);
    expect(await page.content()).toContain('Following live needs JavaScript.');
    expect(await page.getByRole('button', { name: /live/ }).count()).toBe(0);
  });

  it('shows facets and a chart on every runtime', async () => {
    const page = await open('/logs');
    await expect.poll(() => page.locator('#facets li').count()).toBeGreaterThan(3);
    expect(await page.locator('.chart a').count()).toBeGreaterThan(0);
    const answer = await service.request('/logs', { as: 'guest' });
    expect(await answer.text()).not.toContain('takes too long');
  });

  it('shows the reason for an invalid query as a page', async () => {
    const context = await browser.newContext();
    await signIn(context, service.url, 'guest', 'guest-password');
    const page = await context.newPage();
    const answer = await page.goto(`${service.url}/logs?start_date=yesterday`);
    expect(answer?.status()).toBe(400);
    expect(await page.getByRole('alert').textContent()).toContain('start_date');
  });

  it('the console has no error or warning', () => {
    expect(faults).toEqual([]);
  });
});

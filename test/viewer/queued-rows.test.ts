/** Queued rows are never lost, never shown under another filter, and never inserted next to a gap. */
import type { Page } from 'playwright-core';
import { expect, it } from 'vitest';
import { startService } from '../support/harness.ts';
import { inChromium } from '../support/in-chromium.ts';
import { addressOf, allowBrowserErrors, idsOf, openPages, rowsOf } from './browser-page.ts';
import { expectFirst, expectInOrder, expectQueued, expectState, pillOf } from './live-helpers.ts';
import { order } from './sample-events.ts';

inChromium.describe('queued rows', async () => {
  const service = await startService('postgres', { env: { HEARTBEAT_MS: '1000' } });
  const open = openPages(() => service.url);
  const write = async (n: number, more: object = {}) =>
    (await service.write(Array.from({ length: n }, (_, i) => order(i, more)))).map(({ id }) => id).toReversed();
  await write(60, { user_id: 'ana' });
  await write(60, { user_id: 'ben' });
  const following = async (path: string) => {
    const page = await open(path);
    await expectState(page, /^Live/);
    return page;
  };
  const unfoldFirst = (page: Page) => rowsOf(page).first().locator('summary').first().click();

  it('stay queued when reloading the list fails, and no newer row is inserted before them', async () => {
    const page = await following('/logs?user_id=many&live=1');
    const [first] = await write(1, { user_id: 'many' });
    await expectFirst(page, [first ?? 0]);
    await unfoldFirst(page);
    const queued = await write(620, { user_id: 'many' });
    await expectQueued(page, 620);
    allowBrowserErrors(page, /503/);
    await page.route(
      ({ pathname }) => pathname === '/logs',
      (route) => route.fulfill({ status: 503, contentType: 'text/html', body: '<p>Not now.</p>' }),
      { times: 1 },
    );
    await pillOf(page).click();
    await page.getByRole('alert').getByText('Not now.').waitFor();
    await expectQueued(page, 620);
    await expectState(page, 'Paused');
    const later = await write(1, { user_id: 'many' });
    await expectQueued(page, 621);
    await pillOf(page).click();
    await expectFirst(page, [...later, ...queued.slice(0, 49)]);
    await expectState(page, /^Live/);
    await expectInOrder(page);
  });

  it('are discarded when Back changes the filter', async () => {
    const page = await following('/logs?user_id=ana&live=1');
    await page.getByRole('link', { name: 'Remove user: ana' }).click();
    await expect.poll(() => addressOf(page)).toBe('/logs?live=1');
    await expectState(page, /^Live/);
    await unfoldFirst(page);
    await write(3, { user_id: 'ben' });
    await expectQueued(page, 3);
    await page.goBack();
    await expect.poll(() => addressOf(page)).toBe('/logs?user_id=ana&live=1');
    await expectState(page, /^Live/);
    await expectQueued(page, 0);
    const [mine = 0] = await write(1, { user_id: 'ana' });
    await expectFirst(page, [mine]);
    expect(await page.locator('#rows').textContent()).not.toContain('ben');
  });

  it('stay queued while the newest rows are removed from the page', async () => {
    for (const n of [600, 500]) await write(n, { user_id: 'deep' });
    // A large limit has the same effect as much scrolling.
    const page = await following('/logs?user_id=deep&limit=980&live=1');
    await expect
      .poll(async () => {
        await page.mouse.wheel(0, 20_000);
        return page.getByRole('link', { name: /Newer events/ }).isVisible();
      })
      .toBe(true);
    await page.evaluate(() => scrollTo(0, 0));
    const [newest = 0] = await write(1, { user_id: 'deep' });
    await expectQueued(page, 1);
    await pillOf(page).click();
    await expect.poll(async () => (await idsOf(page)).slice(0, 2)).toEqual([newest, newest - 1]);
    await expectInOrder(page);
  });

  it('the link to older events continues after rows that live rows pushed out of the page', async () => {
    const page = await following('/logs?user_id=gnu&live=1');
    let newest = 0;
    for (let i = 0; i < 11; i++) newest = (await write(100, { user_id: 'gnu' }))[0] ?? 0;
    const older = page.locator('#more');
    await expectFirst(page, [newest]);
    // The page exceeds 1,000 rows only when the skipped events are loaded, too.
    for (let gap = page.locator('.gap a'); (await gap.count()) > 0; ) {
      await gap.last().click();
      await page.waitForTimeout(50);
    }
    await expect.poll(() => rowsOf(page).count()).toBeLessThanOrEqual(1_000);
    expect(await older.innerText()).toBe('Older events');
    const last = (await idsOf(page)).at(-1) ?? 0;
    await page.goto(new URL((await older.getAttribute('href')) ?? '', page.url()).href);
    expect((await idsOf(page))[0]).toBe(last - 1);
  });

  it('the countdown to a reconnect ends when the user stops live', async () => {
    const page = await following('/logs?live=1');
    allowBrowserErrors(page, /ERR_FAILED|Failed to fetch|network ?error/);
    await page.route('**/logs/stream?*', (route) => route.abort());
    // Simulates a lost connection; `link.reader` is a variable of htmx's SSE extension.
    await page.evaluate('link.reader.cancel()');
    await expectState(page, /^Reconnecting in [2-9] s/);
    await page.getByRole('button', { name: 'Stop live' }).click();
    await expectState(page, 'Stopped');
    await page.waitForTimeout(1_500);
    expect(await page.locator('#live-state').textContent()).toBe('Stopped');
  });

  it('the form of fields changes the filter of the stream', async () => {
    const page = await following('/logs?live=1');
    await page.getByRole('button', { name: 'Fields' }).click();
    await page.locator('#fields').getByLabel('User', { exact: true }).fill('fields');
    await page.keyboard.press('Enter');
    await expect.poll(() => addressOf(page)).toBe('/logs?live=1&user_id=fields');
    await expectState(page, /^Live/);
    expect(await page.locator('#fields').isVisible()).toBe(false);
    const ids = await write(2, { user_id: 'fields' });
    await expectFirst(page, ids);
  });

  it('after a sign-out the page says so, and its link returns to the same URL', async () => {
    const page = await following('/logs?user_id=ana&live=1');
    await unfoldFirst(page);
    allowBrowserErrors(page, /401/);
    const other = await page.context().newPage();
    await other.goto(service.url);
    await other.getByRole('button', { name: 'admin' }).click();
    await other.getByRole('button', { name: 'Sign out' }).click();
    const link = page.locator('#live').getByRole('link', { name: 'Sign in' });
    await link.waitFor();
    expect(await page.locator('#live').textContent()).toContain('Signed out.');
    expect(await link.getAttribute('href')).toBe('/sign-in?to=%2Flogs%3Fuser_id%3Dana%26live%3D1');
  });
});

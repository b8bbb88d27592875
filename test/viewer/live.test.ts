/** Following live: nothing is lost, nothing is drawn twice, and nothing moves under the eyes of who reads. */
import type { Page } from 'playwright-core';
import { describe, expect, it } from 'vitest';
import { hasChromium } from '../browser.ts';
import { startService } from '../harness.ts';
import { proxyTo } from '../proxy.ts';
import { order } from './orders.ts';
import { addressOf, allow, idsOf, rowsOf, visitors } from './visit.ts';

describe.skipIf(!hasChromium())('following live', async () => {
  const service = await startService('pglite', { env: { HEARTBEAT_MS: '1000' } });
  const proxy = await proxyTo(service.url);
  await service.write(Array.from({ length: 200 }, (_, n) => order(n)));
  const open = visitors(() => proxy.url.replace(/\/$/, ''));
  const state = (page: Page) => page.locator('#live-state');
  const pill = (page: Page) => page.locator('#pill');
  const write = async (n: number, more: object = {}) =>
    (await service.write(Array.from({ length: n }, (_, i) => order(i, more)))).map(({ id }) => id).toReversed();
  const said = (page: Page, words: string | RegExp) => expect.poll(() => state(page).textContent()).toMatch(words);
  const shows = (page: Page, ids: number[]) =>
    expect.poll(async () => (await idsOf(page)).slice(0, ids.length)).toEqual(ids);
  /** Nothing twice, and the newest always on top. */
  const inOrder = async (page: Page) => {
    const ids = await idsOf(page);
    expect(ids).toEqual([...new Set(ids)].toSorted((a, b) => b - a));
  };
  const switchLive = (page: Page) => page.getByRole('button', { name: /live/i });

  /** The address at which it follows. */
  const following = async (path = '/logs?live=1') => {
    const page = await open(path);
    await said(page, /^Live/);
    return page;
  };

  it('starts and stops at a click, says so in words, and keeps the focus on its button', async () => {
    const page = await open('/logs');
    await said(page, 'Stopped');
    await switchLive(page).click();
    await said(page, /^Live/);
    const ids = await write(3);
    await shows(page, ids);
    expect(await page.locator('#rows > li.new').count()).toBe(3);
    expect(addressOf(page)).toBe('/logs?live=1');
    expect(await page.evaluate(() => document.activeElement?.textContent)).toMatch(/^Stop/);
    await page.keyboard.press('Enter');
    await said(page, 'Stopped');
    const missed = await write(4);
    await page.waitForTimeout(300);
    await shows(page, ids);
    expect(addressOf(page)).toBe('/logs');
    // What came while it was stopped is there when it goes on.
    await page.keyboard.press('l');
    await shows(page, [...missed, ...ids]);
    await inOrder(page);
  });

  it('stops and starts many times while events come, and neither loses nor doubles one', async () => {
    const page = await following();
    const ids: number[] = [];
    for (let i = 0; i < 6; i++) {
      ids.unshift(...(await write(2)));
      await switchLive(page).click();
      ids.unshift(...(await write(1)));
      if (i % 2) await page.waitForTimeout(60);
      await switchLive(page).click();
    }
    await shows(page, ids);
    await inOrder(page);
  });

  it('moves nothing while a row is open, and shows what has come at a click', async () => {
    const page = await following();
    const row = rowsOf(page).nth(2);
    const id = await row.getAttribute('id');
    await row.locator('summary').first().click();
    await row.getByRole('link', { name: 'Permalink' }).waitFor();
    const place = () => page.locator(`#${id}`).evaluate((li) => [li.getBoundingClientRect().top, scrollY]);
    const before = await place();
    const ids = [...(await write(5)), ...(await write(7)).toSorted()].toSorted((a, b) => b - a);
    await expect.poll(() => pill(page).textContent()).toBe('12 new');
    expect(await place()).toEqual(before);
    await pill(page).click();
    await shows(page, ids);
    expect(await pill(page).isVisible()).toBe(false);
    expect(await page.locator(`#${id} > details`).getAttribute('open')).not.toBeNull();
    await inOrder(page);
  });

  it('moves nothing while the reader is further down, and goes on when they come back', async () => {
    const page = await following();
    await page.mouse.wheel(0, 700);
    await expect.poll(() => page.evaluate(() => scrollY)).toBeGreaterThan(500);
    await page.waitForTimeout(200);
    const before = await page.evaluate(() => [scrollY, document.elementFromPoint(500, 400)?.textContent]);
    const ids = await write(9);
    await expect.poll(() => pill(page).textContent()).toBe('9 new');
    expect(await page.evaluate(() => [scrollY, document.elementFromPoint(500, 400)?.textContent])).toEqual(before);
    await page.keyboard.press('Home');
    await shows(page, ids);
    const more = await write(2);
    await shows(page, [...more, ...ids]);
    await inOrder(page);
  });

  it('shows all of it when more has come than a page holds back', async () => {
    const page = await following();
    await rowsOf(page).nth(2).locator('summary').click();
    const ids = await write(620);
    await expect.poll(() => pill(page).textContent()).toMatch(/^620 new|^620/);
    await pill(page).click();
    await shows(page, ids.slice(0, 50));
    await inOrder(page);
  });

  it('follows what is on the screen, and something else as soon as that is', async () => {
    const page = await following('/logs?event_type=SEEN&live=1');
    const [seen] = [await write(1, { event_type: 'SEEN' }), await write(3)];
    await shows(page, seen);
    expect((await idsOf(page)).length).toBe(1);
    await page.getByRole('searchbox').fill('type:OTHER');
    await expect.poll(() => addressOf(page)).toBe('/logs?event_type=OTHER&live=1');
    await said(page, /^Live/);
    await write(1, { event_type: 'SEEN' });
    const other = await write(2, { event_type: 'OTHER' });
    await shows(page, other);
    expect((await idsOf(page)).length).toBe(2);
  });

  it('lets go of the server while nobody sees the tab, and then has it all', async () => {
    const page = await following();
    const show = (isHidden: boolean) =>
      page.evaluate((hidden) => {
        Object.defineProperty(document, 'hidden', { configurable: true, get: () => hidden });
        Object.defineProperty(document, 'visibilityState', {
          configurable: true,
          get: () => (hidden ? 'hidden' : 'visible'),
        });
        document.dispatchEvent(new Event('visibilitychange'));
      }, isHidden);
    const ended = page.waitForEvent('requestfailed', (request) => request.url().includes('/logs/stream'));
    await show(true);
    await ended;
    await said(page, /^Paused/);
    const ids = await write(6);
    await page.waitForTimeout(200);
    await show(false);
    await shows(page, ids);
    await said(page, /^Live/);
    await inOrder(page);
  });

  it('says that it is cut off and when it tries again, and then has it all', async () => {
    const page = await following();
    const first = await write(2);
    await shows(page, first);
    allow(page, /ERR_CONNECTION_REFUSED|ERR_INCOMPLETE|ERR_EMPTY|Failed to fetch|network error/);
    await proxy.close();
    const second = await write(3);
    await said(page, /^Reconnecting in \d+ s/);
    await page.waitForTimeout(1_500);
    await said(page, /^Reconnecting in \d+ s/);
    await proxy.open();
    const third = await write(2);
    await shows(page, [...third, ...second, ...first]);
    await said(page, /^Live/);
    await inOrder(page);
  });

  it('outlives the loss of the network', async () => {
    const page = await following();
    allow(page, /ERR_INTERNET_DISCONNECTED|ERR_NETWORK_CHANGED|Failed to fetch|network error/);
    await page.context().setOffline(true);
    await page.waitForTimeout(500);
    const ids = await write(4);
    await page.context().setOffline(false);
    await shows(page, ids);
    await said(page, /^Live/);
    await inOrder(page);
  });

  it('says why when the first connection is refused, and tries again', async () => {
    const page = await open('/logs');
    allow(page, /503/);
    await page.route(
      '**/logs/stream?*',
      (route) => route.fulfill({ status: 503, contentType: 'text/html', body: '<p>The database is away.</p>' }),
      { times: 1 },
    );
    await switchLive(page).click();
    const ids = await write(3);
    await said(page, 'The database is away.');
    expect((await idsOf(page)).length).toBe(50);
    await shows(page, ids);
    await said(page, /^Live/);
  });

  it('counts what comes', async () => {
    const page = await following('/logs?event_type=COUNTED&live=1');
    const total = page.locator('#total');
    await expect.poll(() => total.textContent()).toMatch(/^0 events match/);
    await write(7, { event_type: 'COUNTED' });
    await expect.poll(() => total.textContent()).toMatch(/^7 events match/);
    await write(5, { event_type: 'COUNTED' });
    await expect.poll(() => total.textContent()).toMatch(/^12 events match/);
  });
});

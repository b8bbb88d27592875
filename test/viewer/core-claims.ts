/** The core claims, tested in every browser: filtering, Back, details, older events, keys, colours, following live. */
import type { Browser, Page } from 'playwright-core';
import { describe, expect, it } from 'vitest';
import { startService } from '../support/harness.ts';
import { proxyTo } from '../support/proxy.ts';
import { addressOf, allowBrowserErrors, idsOf, type OpenPage, openPages, rowsOf } from './browser-page.ts';
import {
  expectFirst,
  expectInOrder,
  expectQueued,
  expectState,
  liveButton,
  pillOf,
  setHidden,
  stateOf,
} from './live-helpers.ts';
import { assortedEvents, detailedEvent, expected, numbersOf, order } from './sample-events.ts';

/** The errors that browsers report when the server is gone. */
const connectionLost =
  /ERR_(CONNECTION|INCOMPLETE|EMPTY)|NS_ERROR|Failed to fetch|network ?error|Error in input stream/i;

type Proxy = Awaited<ReturnType<typeof proxyTo>>;

/** Declares the claims for a browser. It has dark system colours, or can emulate those that a test requests. */
export function coreClaims(browser: () => Promise<Browser>): void {
  describe('core functions', async () => {
    const service = await startService('postgres', { env: { HEARTBEAT_MS: '1000' } });
    const proxy = await proxyTo(service.url);
    const idsOfWritten = async (events: object[]) => (await service.write(events)).map(({ id }) => id).toReversed();
    const newestFirst = await idsOfWritten([...assortedEvents(), detailedEvent]);
    const open = openPages(() => proxy.url.replace(/\/$/, ''), browser);
    reading(open, newestFirst);
    // Last, because these tests add events to the log.
    following(open, proxy, (n) => idsOfWritten(Array.from({ length: n }, (_, i) => order(i))));
  });
}

function reading(open: OpenPage, newestFirst: number[]): void {
  const line = (page: Page) => page.getByRole('searchbox');
  const first = (page: Page) => rowsOf(page).first();
  const shows = async (page: Page, address: string, fits: (n: number) => boolean) => {
    await expect.poll(() => numbersOf(page)).toEqual(expected(fits));
    await expect.poll(() => addressOf(page)).toBe(address);
  };
  const alarms = async (page: Page) => (await page.getByRole('alert').allTextContents()).join('');
  const goTo = async (page: Page, path: string) => {
    const address = new URL(path, page.url()).href;
    // Firefox sometimes reports a navigation twice; the driver calls that an interruption by the same address.
    await page.goto(address).catch((error: Error) => {
      if (!error.message.includes(`interrupted by another navigation to "${address}"`)) throw error;
      return page.waitForURL(address);
    });
  };
  const focusedRow = (page: Page) => page.evaluate(() => Number(document.activeElement?.closest('li')?.id.slice(1)));

  it('a submitted search is one history entry; keystrokes are none', async () => {
    const page = await open('/logs');
    const steps = () => page.evaluate(() => history.length);
    const before = await steps();
    await line(page).pressSequentially('late', { delay: 10 });
    await shows(page, '/logs?search=late', (n) => n % 10 === 0);
    await Promise.all([page.waitForResponse(/show=1/), page.keyboard.press('Enter')]);
    await line(page).fill('user:ana');
    await page.keyboard.press('Enter');
    await shows(page, '/logs?user_id=ana', (n) => n % 4 === 0);
    expect(await steps()).toBe(before + 1);
    await page.goBack();
    await shows(page, '/logs?search=late', (n) => n % 10 === 0);
    expect(await line(page).inputValue()).toBe('late');
    await page.goForward();
    await shows(page, '/logs?user_id=ana', (n) => n % 4 === 0);
    expect(await line(page).inputValue()).toBe('user:ana');
  });

  it('an invalid search shows an error and keeps the rows and the URL', async () => {
    const page = await open('/logs?user_id=ana');
    allowBrowserErrors(page, /422/);
    await line(page).fill('usr:ana');
    await page.getByRole('alert').getByText('usr').waitFor();
    await shows(page, '/logs?user_id=ana', (n) => n % 4 === 0);
    await line(page).fill('user:ben');
    await shows(page, '/logs?user_id=ben', (n) => n % 4 === 1);
    await expect.poll(() => alarms(page)).toBe('');
  });

  it('a row opens in place and is fetched once: fields, changes, and metadata as a tree', async () => {
    const page = await open('/logs');
    const paths: string[] = [];
    page.on('request', (request) => paths.push(new URL(request.url()).pathname));
    await first(page).locator('summary').first().click();
    await first(page).getByText('session-7').first().waitFor();
    const text = (await first(page).textContent()) ?? '';
    for (const value of ['frida', 'shop', 'trace-7', '192.0.2.7', 'shop/7', 'the price went up', `${newestFirst[0]}`])
      expect(text).toContain(value);
    const changes = await first(page)
      .getByRole('table', { name: 'What changed' })
      .getByRole('row')
      .evaluateAll((rows) => rows.map((row) => [...row.children].map((cell) => cell.textContent)));
    expect(changes.toSorted()).toEqual(
      [
        ['Field', 'Before', 'After'],
        ['price', '10', '12'],
        ['state', 'open', 'paid'],
      ].toSorted(),
    );
    expect(text).toContain('sku');
    await first(page).locator('summary').first().click();
    await first(page).locator('summary').first().click();
    expect(paths.filter((path) => path === `/logs/${newestFirst[0]}`).length).toBe(1);
    expect(addressOf(page)).toBe('/logs');
  });

  it('scrolling down loads older events, whose rows can be opened', async () => {
    const page = await open('/logs');
    await page.mouse.wheel(0, 20_000);
    await expect.poll(() => idsOf(page)).toEqual(newestFirst.slice(0, 100));
    await expect.poll(() => addressOf(page)).toBe('/logs?limit=100');
    const row = page.locator(`#e${newestFirst[80]}`);
    await row.locator('summary').click();
    await row.getByRole('link', { name: 'Permalink' }).waitFor();
  });

  it('a failed request for older events keeps the rows and shows an error; the next attempt loads them', async () => {
    const page = await open('/logs');
    allowBrowserErrors(page, /503/);
    await page.route(
      ({ searchParams }) => searchParams.has('before'),
      (route) => route.fulfill({ status: 503, contentType: 'text/html', body: '<p>The database is away.</p>' }),
      { times: 1 },
    );
    await page.mouse.wheel(0, 20_000);
    await page.getByRole('alert').getByText('The database is away.').waitFor();
    expect(await idsOf(page)).toEqual(newestFirst.slice(0, 50));
    await page.getByRole('link', { name: 'Older events' }).click();
    await expect.poll(async () => (await idsOf(page)).slice(0, 100)).toEqual(newestFirst.slice(0, 100));
    expect(await alarms(page)).toBe('');
  });

  it('the keyboard shortcuts work, but not while typing or with a modifier key', async () => {
    const page = await open('/logs');
    await page.keyboard.press('/');
    await page.keyboard.type('jl?');
    expect(await line(page).inputValue()).toBe('jl?');
    await goTo(page, '/logs?user_id=ana');
    const ids = await idsOf(page);
    for (const at of [0, 1, 2]) {
      await page.keyboard.press('j');
      expect(await focusedRow(page)).toBe(ids[at]);
    }
    await page.keyboard.press('k');
    expect(await focusedRow(page)).toBe(ids[1]);
    await page.keyboard.press('Enter');
    await page.locator(`#e${ids[1]}`).getByRole('link', { name: 'Permalink' }).waitFor();
    await page.keyboard.press('Enter');
    await page.keyboard.press('l');
    await expectState(page, /^Live/);
    await page.keyboard.press('l');
    await expectState(page, 'Stopped');
    await page.keyboard.press('e');
    await page.getByRole('link', { name: 'NDJSON' }).waitFor();
    await page.keyboard.press('Escape');
    await page.keyboard.press('?');
    await page.getByRole('dialog').waitFor();
    await page.keyboard.press('Escape');
    await page.getByRole('dialog').waitFor({ state: 'hidden' });
    // A shortcut of the browser is not a shortcut of the page.
    await page.keyboard.press('Control+l');
    await page.waitForTimeout(100);
    expect(await stateOf(page).textContent()).toBe('Stopped');
  });

  it('the theme follows the system until the user chooses one', async () => {
    const page = await open('/logs', 'admin', { colorScheme: 'dark' });
    const isDark = () =>
      page.evaluate(() => {
        const [r = 255] = (getComputedStyle(document.body).backgroundColor.match(/\d+/g) ?? []).map(Number);
        const [bright = 0] = (getComputedStyle(document.body).color.match(/\d+/g) ?? []).map(Number);
        return r < 80 && bright > 150;
      });
    expect(await isDark()).toBe(true);
    await page.getByRole('button', { name: 'admin' }).click();
    await page.getByRole('button', { name: 'Light' }).click();
    await expect.poll(isDark).toBe(false);
    await goTo(page, '/logs/1');
    expect(await isDark()).toBe(false);
    await page.keyboard.press('t');
    await expect.poll(isDark).toBe(true);
    expect(addressOf(page)).toBe('/logs/1');
  });
}

function following(open: OpenPage, proxy: Proxy, write: (n: number) => Promise<number[]>): void {
  const follow = async () => {
    const page = await open('/logs?live=1');
    await expectState(page, /^Live/);
    return page;
  };

  it('live starts and stops by its button, which keeps the focus; the state is shown as text', async () => {
    const page = await open('/logs');
    await expectState(page, 'Stopped');
    await liveButton(page).click();
    await expectState(page, /^Live/);
    const ids = await write(3);
    await expectFirst(page, ids);
    expect(await page.locator('#rows > li.new').count()).toBe(3);
    expect(addressOf(page)).toBe('/logs?live=1');
    expect(await page.evaluate(() => document.activeElement?.textContent)).toMatch(/^Stop/);
    await page.keyboard.press('Enter');
    await expectState(page, 'Stopped');
    const missed = await write(4);
    await page.waitForTimeout(300);
    await expectFirst(page, ids);
    expect(addressOf(page)).toBe('/logs');
    // Events that were stored while live was stopped appear when it starts again.
    await page.keyboard.press('l');
    await expectFirst(page, [...missed, ...ids]);
    await expectInOrder(page);
  });

  it('while a row is open, new rows are queued and nothing moves; a click shows them', async () => {
    const page = await follow();
    const row = rowsOf(page).nth(2);
    const id = await row.getAttribute('id');
    await row.locator('summary').first().click();
    await row.getByRole('link', { name: 'Permalink' }).waitFor();
    const place = () => page.locator(`#${id}`).evaluate((li) => [li.getBoundingClientRect().top, scrollY]);
    const before = await place();
    expect(await stateOf(page).textContent()).toBe('Live');
    const ids = [...(await write(5)), ...(await write(7)).toSorted()].toSorted((a, b) => b - a);
    await expectQueued(page, 12);
    expect(await stateOf(page).textContent()).toBe('Paused');
    expect(await place()).toEqual(before);
    await pillOf(page).click();
    await expectFirst(page, ids);
    expect(await pillOf(page).isVisible()).toBe(false);
    expect(await stateOf(page).textContent()).toBe('Live');
    expect(await page.locator(`#${id} > details`).getAttribute('open')).not.toBeNull();
    await expectInOrder(page);
  });

  it('a hidden tab closes its stream; when shown again, it receives all missed events', async () => {
    const page = await follow();
    const ended = page.waitForEvent('requestfailed', (request) => request.url().includes('/logs/stream'));
    await setHidden(page, true);
    await ended;
    await expectState(page, /^Paused/);
    const ids = await write(6);
    await page.waitForTimeout(200);
    await setHidden(page, false);
    await expectFirst(page, ids);
    await expectState(page, /^Live/);
    await expectInOrder(page);
  });

  it('a lost connection shows a countdown; after the reconnect no event is missing', async () => {
    const page = await follow();
    const before = await write(2);
    await expectFirst(page, before);
    allowBrowserErrors(page, connectionLost);
    await proxy.close();
    const away = await write(3);
    await expectState(page, /^Reconnecting in \d+ s/);
    await page.waitForTimeout(1_500);
    await expectState(page, /^Reconnecting in \d+ s/);
    await proxy.open();
    const after = await write(2);
    await expectFirst(page, [...after, ...away, ...before]);
    await expectState(page, /^Live/);
    await expectInOrder(page);
  });
}

/** Following live: no event is lost or duplicated, and rows do not move while the user reads. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import type { Page } from 'playwright-core';
import { expect, it } from 'vitest';
import { startService } from '../support/harness.ts';
import { inChromium } from '../support/in-chromium.ts';
import { addressOf, allowBrowserErrors, idsOf, openPages, rowsOf } from './browser-page.ts';
import { expectFirst, expectInOrder, expectQueued, expectState, liveButton, pillOf, stateOf } from './live-helpers.ts';
import { order } from './sample-events.ts';

inChromium.describe('following live', async () => {
  const service = await startService('postgres', { env: { HEARTBEAT_MS: '1000' } });
  await service.write(Array.from({ length: 200 }, (_, n) => order(n)));
  const empty = await startService('postgres');
  const open = openPages(() => service.url);
  const openEmpty = openPages(() => empty.url);
  const write = async (n: number, more: object = {}) =>
    (await service.write(Array.from({ length: n }, (_, i) => order(i, more)))).map(({ id }) => id).toReversed();
  /** Opens a page that follows live. */
  const following = async (path = '/logs?live=1') => {
    const page = await open(path);
    await expectState(page, /^Live/);
    return page;
  };
  const unfold = async (page: Page, id: number | undefined) => {
    await page.locator(`#e${id} summary`).first().click();
    await page.locator(`#e${id}`).getByRole('link', { name: 'Permalink' }).waitFor();
  };

  it('stopping and starting repeatedly neither loses nor duplicates an event', async () => {
    const page = await following();
    const ids: number[] = [];
    for (let i = 0; i < 6; i++) {
      ids.unshift(...(await write(2)));
      await liveButton(page).click();
      ids.unshift(...(await write(1)));
      if (i % 2) await page.waitForTimeout(60);
      await liveButton(page).click();
    }
    await expectFirst(page, ids);
    await expectInOrder(page);
  });

  it('the state is "Connecting" until the stream is open', async () => {
    const page = await open('/logs');
    let connect = () => {};
    const connected = new Promise<void>((resolve) => {
      connect = resolve;
    });
    await page.route('**/logs/stream?*', async (route) => {
      await connected;
      await route.continue();
    });
    await liveButton(page).click();
    await expectState(page, 'Connecting');
    const ids = await write(2);
    connect();
    await expectState(page, 'Live');
    await expectFirst(page, ids);
  });

  it('the state and the number of new events are announced to screen readers', async () => {
    const page = await following();
    const announced = page.getByRole('status');
    await expect.poll(() => announced.textContent()).toBe('Live');
    await write(3);
    await write(2);
    await expect.poll(() => announced.textContent()).toMatch(/^[2-5] new events$|^New events: [2-5]$/);
  });

  it('closing the last open row shows the queued rows', async () => {
    const page = await following();
    const [newest = 0, second] = await write(3);
    await expectFirst(page, [newest]);
    await unfold(page, newest);
    const queued = await write(2);
    await expectQueued(page, 2);
    await unfold(page, second);
    expect(await page.locator('#rows > li > details[open]').count()).toBe(2);
    for (const id of [newest, second]) {
      expect((await idsOf(page))[0]).toBe(newest);
      await page.locator(`#e${id} summary`).first().click();
    }
    // With no row open, the queued rows appear without a click.
    await expectFirst(page, queued);
    expect(await stateOf(page).textContent()).toBe('Live');
    await expectInOrder(page);
  });

  it('while the page is scrolled down, rows are queued and nothing moves; they appear at the top', async () => {
    const page = await following();
    await page.mouse.wheel(0, 700);
    await expect.poll(() => page.evaluate(() => scrollY)).toBeGreaterThan(500);
    await page.waitForTimeout(200);
    const here = () => page.evaluate(() => [scrollY, document.elementFromPoint(500, 400)?.textContent]);
    const before = await here();
    const ids = await write(9);
    await expectQueued(page, 9);
    expect(await here()).toEqual(before);
    await page.keyboard.press('Home');
    await expectFirst(page, ids);
    await expectFirst(page, [...(await write(2)), ...ids]);
    await expectInOrder(page);
  });

  it('more events than the queue can hold are shown by reloading the list', async () => {
    const page = await following();
    await rowsOf(page).nth(2).locator('summary').click();
    const ids = await write(620);
    await expectQueued(page, 620);
    await pillOf(page).click();
    await expectFirst(page, ids.slice(0, 50));
    await expectInOrder(page);
  });

  it('the page keeps at most 1,000 rows, and older events continue without a gap', async () => {
    await write(1_000, { user_id: 'many' });
    const page = await following('/logs?user_id=many&limit=970&live=1');
    expect(await rowsOf(page).count()).toBe(970);
    for (let i = 0; i < 2; i++) await expectFirst(page, await write(20, { user_id: 'many' }));
    expect(await rowsOf(page).count()).toBe(1_000);
    const [oldest = 0] = (await idsOf(page)).slice(-1);
    await page.getByRole('link', { name: 'Older events' }).click();
    await expect.poll(async () => (await idsOf(page)).includes(oldest - 1)).toBe(true);
    await expectInOrder(page);
  });

  it('the stream has the filter of the page, and changes with it', async () => {
    const page = await following('/logs?event_type=SEEN&live=1');
    const [matching] = [await write(1, { event_type: 'SEEN' }), await write(3)];
    await expectFirst(page, matching);
    expect((await idsOf(page)).length).toBe(1);
    await page.getByRole('searchbox').fill('type:OTHER');
    await expect.poll(() => addressOf(page)).toBe('/logs?event_type=OTHER&live=1');
    await expectState(page, /^Live/);
    await write(1, { event_type: 'SEEN' });
    const other = await write(2, { event_type: 'OTHER' });
    await expectFirst(page, other);
    expect((await idsOf(page)).length).toBe(2);
  });

  it('two tabs of one user follow independently', async () => {
    const page = await following('/logs?user_id=two&live=1');
    const other = await page.context().newPage();
    await other.goto(page.url());
    await expectState(other, /^Live/);
    const ids = await write(3, { user_id: 'two' });
    for (const tab of [page, other]) await expectFirst(tab, ids);
    await liveButton(page).click();
    await expectState(page, 'Stopped');
    const more = await write(1, { user_id: 'two' });
    await expectFirst(other, [...more, ...ids]);
    expect(await idsOf(page)).toEqual(ids);
  });

  it('the command on the page of an empty log writes the first event', async () => {
    const page = await openEmpty('/logs?live=1');
    await expectState(page, /^Live/);
    const command = await page.locator('#empty pre').innerText();
    expect(command).toContain('admin:admin123');
    await promisify(execFile)('sh', ['-c', command.replace('admin:admin123', 'admin:admin-password')]);
    await expect.poll(() => rowsOf(page).count()).toBe(1);
    await page.locator('#empty').waitFor({ state: 'hidden' });
  });

  it('live is not offered for a range that has ended', async () => {
    const page = await open('/logs?end_date=2020-01-01');
    expect(await liveButton(page).count()).toBe(0);
    await page.getByRole('link', { name: 'To the newest' }).click();
    await expectState(page, 'Stopped');
  });

  it('the stream reconnects after a network outage and receives all missed events', async () => {
    const page = await following();
    allowBrowserErrors(page, /ERR_INTERNET_DISCONNECTED|ERR_NETWORK_CHANGED|Failed to fetch|network error/);
    await page.context().setOffline(true);
    await page.waitForTimeout(500);
    const ids = await write(4);
    await page.context().setOffline(false);
    await expectFirst(page, ids);
    await expectState(page, /^Live/);
    await expectInOrder(page);
  });

  it('a refused first connection shows the reason and is retried', async () => {
    const page = await open('/logs');
    allowBrowserErrors(page, /503/);
    await page.route(
      '**/logs/stream?*',
      (route) => route.fulfill({ status: 503, contentType: 'text/html', body: '<p>The database is away.</p>' }),
      { times: 1 },
    );
    await liveButton(page).click();
    const ids = await write(3);
    await expectState(page, 'The database is away.');
    expect((await idsOf(page)).length).toBe(50);
    await expectFirst(page, ids);
    await expectState(page, /^Live/);
  });

  it('the counts are refreshed while rows arrive: total, last 24 hours, and each type', async () => {
    const page = await following('/logs?service=counted&live=1');
    const total = page.locator('#total');
    const types = () => page.getByRole('list', { name: 'Event' }).getByRole('listitem').allTextContents();
    await expect.poll(() => total.textContent()).toMatch(/^0 events match, 0 in the last 24 hours/);
    await write(7, { service: 'counted' });
    await expect.poll(() => total.textContent()).toMatch(/^7 events match, 7 in the last 24 hours/);
    const old = { service: 'counted', event_type: 'OLD', timestamp: '2026-01-01' };
    await write(5, old);
    await expect.poll(() => total.textContent()).toMatch(/^12 events match, 7 in the last 24 hours/);
    await expect
      .poll(async () => (await types()).map((text) => text.replace(/\W+/g, ' ')))
      .toEqual(['CREATE 7 ', 'OLD 5 ']);
  });

  it('a live row whose time differs from its arrival has a note, until the page is reloaded', async () => {
    const page = await following();
    const hour_ms = 3_600_000;
    const dated = (ms: number) => write(1, { timestamp: new Date(Date.now() + ms).toISOString() });
    const [[old], [ahead], [fresh]] = [await dated(-48 * hour_ms), await dated(20 * hour_ms), await dated(0)];
    await expectFirst(page, [fresh ?? 0, ahead ?? 0, old ?? 0]);
    const note = (id: number | undefined) => page.locator(`#e${id} summary em`).allTextContents();
    expect([await note(old), await note(ahead), await note(fresh)]).toEqual([['arrived late'], ['dated ahead'], []]);
    await page.reload();
    expect(await page.locator('#rows em').count()).toBe(0);
  });

  it('of eight live windows of one browser, all load, and the three oldest stop and say so', async () => {
    const first = await open('/logs?live=1&user_id=ana');
    const pages = [first];
    for (let i = 1; i < 8; i++) {
      const page = await first.context().newPage();
      await page.goto(`${service.url}/logs?live=1&user_id=ana`);
      await expectState(page, /^Live/);
      pages.push(page);
    }
    for (const page of pages.slice(0, 3)) await page.getByText('Live stopped: it runs in 5 newer windows').waitFor();
    const [id = 0] = await write(1);
    for (const page of pages.slice(3)) await expectFirst(page, [id]);
    await first.getByRole('link', { name: 'Start live here' }).click();
    await expectState(first, /^Live/);
    await pages[3]?.getByText('Live stopped').waitFor();
  }, 90_000);
});

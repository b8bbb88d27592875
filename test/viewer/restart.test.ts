/** Following a service in a separate process: a restart, a dead connection, a burst of events. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import { afterAll, expect, it } from 'vitest';
import { createClient } from '../../src/client.ts';
import { eventually } from '../support/harness.ts';
import { inChromium } from '../support/in-chromium.ts';
import { type ServiceProcess, spawnService } from '../support/process.ts';
import { allowBrowserErrors, idsOf, openPages, rowsOf } from './browser-page.ts';
import { order } from './sample-events.ts';

inChromium.describe('following a service', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'edgetrail-viewer-'));
  const settings = {
    DATA_DIR: folder,
    USERS: 'admin:admin:admin-password',
    HEARTBEAT_MS: '1000',
    POLL_MS_MAX: '100',
    POLL_MS_MIN: '10',
    SHUTDOWN_MS_MAX: '2000',
  };
  let service: ServiceProcess = spawnService(settings);
  const url = await service.ready;
  const write = createClient({ url, user: 'admin', password: 'admin-password' });
  const restart = async () => {
    service.child.kill('SIGTERM');
    await service.ended;
    service = spawnService({ ...settings, PORT: new URL(url).port });
    await service.ready;
  };
  afterAll(async () => {
    service.child.kill('SIGKILL');
    await service.ended;
    await rm(folder, { recursive: true, force: true });
  });
  const open = openPages(() => url);
  const state = (page: Page) => page.locator('#live-state').textContent();
  const following = async (query = '') => {
    const page = await open(`/logs?live=1${query}`);
    await expect.poll(() => state(page)).toMatch(/^Live/);
    return page;
  };
  const connectionLost = /ERR_CONNECTION|ERR_INCOMPLETE|ERR_EMPTY|Failed to fetch|network error|503/;
  const authorization = `Basic ${btoa('admin:admin-password')}`;
  /** The ids of all events of a user in the log, newest first. */
  const exported = async (user: string): Promise<number[]> => {
    const answer = await fetch(`${url}/api/logs/export?format=ndjson&user_id=${user}`, { headers: { authorization } });
    const text = await answer.text();
    return [...text.matchAll(/^\{"id":(\d+)/gm)].map(([, id]) => Number(id)).toSorted((a, b) => b - a);
  };

  it('a restart while events are written neither loses nor duplicates an event on the page', async () => {
    const page = await following('&user_id=restart');
    allowBrowserErrors(page, connectionLost);
    let [writing, n] = [true, 0];
    const writer = (async () => {
      while (writing) {
        // The event_uid makes a retry idempotent: the event is stored once even if the first response was lost.
        const isStored = await write(order(n, { user_id: 'restart', event_uid: `restart-${n}` })).then(
          () => true,
          () => false,
        );
        if (isStored) n += 1;
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    })();
    await expect.poll(() => rowsOf(page).count()).toBeGreaterThan(5);
    await restart();
    const ids_before = (await exported('restart')).length;
    await eventually('the writer continues', async () => (await exported('restart')).length > ids_before + 10);
    writing = false;
    await writer;
    const inLog = await exported('restart');
    await expect.poll(() => idsOf(page)).toEqual(inLog);
    expect(inLog.length).toBe(n);
    expect(await state(page)).toMatch(/^Live/);
  });

  it('a connection without heartbeats is detected as dead; after the reconnect no event is missing', async () => {
    const page = await following('&user_id=silence');
    allowBrowserErrors(page, connectionLost);
    service.child.kill('SIGSTOP');
    await expect.poll(() => state(page)).not.toMatch(/^Live/);
    service.child.kill('SIGCONT');
    await write([order(1, { user_id: 'silence' }), order(2, { user_id: 'silence' })]);
    await expect.poll(() => rowsOf(page).count()).toBe(2);
    await expect.poll(() => state(page)).toMatch(/^Live/);
  });

  it('the page stays responsive at 1,000 events per second, and links to the events that it skips', async () => {
    const page = await following('&user_id=flood');
    await page.evaluate(() => {
      const observed = { longest_ms: 0, frames: 0, rows_max: 0 };
      Object.assign(window, { observed });
      let last = performance.now();
      requestAnimationFrame(function frame(now) {
        observed.longest_ms = Math.max(observed.longest_ms, now - last);
        observed.rows_max = Math.max(observed.rows_max, document.querySelectorAll('#rows > li').length);
        observed.frames += 1;
        last = now;
        requestAnimationFrame(frame);
      });
    });
    const [seconds, step] = [3, 100];
    const began = Date.now();
    for (let i = 0; i < (seconds * 1_000) / step; i++) {
      await write(Array.from({ length: step }, (_, n) => order(i * step + n, { user_id: 'flood' })));
      await new Promise((resolve) => setTimeout(resolve, began + (i + 1) * step - Date.now()));
    }
    // The page reacts to a click while events arrive.
    const clicked = Date.now();
    await page.getByRole('button', { name: 'admin' }).click();
    await page.getByText('Signed in as').waitFor();
    const answered_ms = Date.now() - clicked;
    await page.keyboard.press('Escape');

    const all = await exported('flood');
    expect(all.length).toBe(seconds * 1_000);
    const newest = Math.max(...all);
    await expect.poll(async () => (await idsOf(page))[0]).toBe(newest);
    const observed = await page.evaluate<{ longest_ms: number; rows_max: number }>('window.observed');
    expect(observed.rows_max).toBeLessThanOrEqual(1_100);
    expect(observed.longest_ms).toBeLessThan(4_000);
    expect(answered_ms).toBeLessThan(10_000);

    // Every event from the oldest row on is a row of the page or is in the range of a link to skipped events.
    const gaps = page.locator('#rows > li.gap');
    const ranges = await gaps.getByRole('link').evaluateAll((links) =>
      links.map((link) => {
        const query = new URL(link.getAttribute('href') ?? '', location.href).searchParams;
        return { after: Number(query.get('after')), upto: Number(query.get('upto')) };
      }),
    );
    expect(ranges.length).toBeGreaterThan(0);
    const rowIds = new Set(await idsOf(page));
    const oldest = Math.min(...rowIds);
    const isSkipped = (id: number) => ranges.some(({ after, upto }) => id > after && id <= upto);
    expect(all.filter((id) => id > oldest && !rowIds.has(id) && !isSkipped(id))).toEqual([]);
    expect([...rowIds].filter(isSkipped)).toEqual([]);

    await gaps.first().getByRole('link').click();
    await expect.poll(() => rowsOf(page).count()).not.toBe(rowIds.size);
    const ids = await idsOf(page);
    expect(ids).toEqual([...new Set(ids)].toSorted((a, b) => b - a));
  });
});

/** Time ranges: presets, custom ranges, steps, histogram bars, time zones. The range is always shown as text. */
import type { Page } from 'playwright-core';
import { expect, it } from 'vitest';
import { startService } from '../support/harness.ts';
import { inChromium } from '../support/in-chromium.ts';
import { addressOf, openPages, rowsOf } from './browser-page.ts';
import { order } from './sample-events.ts';

const [minute_ms, hour_ms, day_ms] = [60_000, 3_600_000, 86_400_000];
const now_ms = Date.now();
const ages_ms = [
  ...[1, 5, 14, 30, 50].map((n) => n * minute_ms),
  ...[2, 5, 20].map((n) => n * hour_ms),
  ...[2, 5, 10, 25, 40, 100].map((n) => n * day_ms),
];
const at = (age_ms: number) => new Date(now_ms - age_ms).toISOString();

inChromium.describe('time ranges', async () => {
  const service = await startService('postgres');
  await service.write(
    ages_ms.map((age_ms, n) => order(n, { timestamp: at(age_ms), event_type: n % 2 ? 'UPDATE' : 'CREATE' })),
  );
  const open = openPages(() => service.url);
  const range = (page: Page) => page.getByRole('navigation', { name: 'Range of time' });
  const chart = (page: Page) => page.getByRole('group', { name: /^Events over time/ });
  const shows = (page: Page, n: number) => expect.poll(() => rowsOf(page).count()).toBe(n);

  it.each([
    ['15 min', '15m', 15 * minute_ms],
    ['1 h', '1h', hour_ms],
    ['24 h', '24h', day_ms],
    ['7 d', '7d', 7 * day_ms],
    ['30 d', '30d', 30 * day_ms],
  ])('the preset for the last %s filters, and is marked as current', async (name, last, width_ms) => {
    const page = await open('/logs');
    expect(await range(page).textContent()).toContain('All time');
    await range(page).getByRole('link', { name, exact: true }).click();
    await shows(page, ages_ms.filter((age_ms) => age_ms < width_ms).length);
    expect(addressOf(page)).toBe(`/logs?last=${last}`);
    expect(await range(page).getByRole('link', { name, exact: true }).getAttribute('aria-current')).toBe('true');
    expect(await range(page).textContent()).toMatch(/\d{4}-\d\d-\d\d \d\d:\d\d:\d\d – now UTC/);
    const [from] = await range(page)
      .locator('time')
      .evaluateAll((times) => times.map((time) => Date.parse(time.getAttribute('datetime') ?? '')));
    expect(Math.abs(Date.now() - width_ms - (from ?? 0))).toBeLessThan(minute_ms);
  });

  it('a custom range filters, and is shown as text', async () => {
    const page = await open('/logs?user_id=ana');
    await range(page).getByRole('button', { name: 'Custom' }).click();
    await page.getByRole('textbox', { name: 'From' }).fill(at(45 * day_ms).slice(0, 16));
    await page.getByRole('textbox', { name: 'To', exact: true }).fill(at(4 * day_ms).slice(0, 16));
    await page.getByRole('button', { name: 'Show this range' }).click();
    await shows(page, 4);
    const { searchParams } = new URL(page.url());
    expect([...searchParams.keys()]).toEqual(['end_date', 'start_date', 'user_id']);
    expect(searchParams.get('start_date')).toContain(at(45 * day_ms).slice(0, 16));
    expect(await range(page).textContent()).toContain(
      at(45 * day_ms)
        .slice(0, 16)
        .replace('T', ' '),
    );
  });

  it('each bar links to the time range that it counts', async () => {
    const page = await open('/logs?last=1h');
    const bars = chart(page).getByRole('link');
    await bars.first().waitFor();
    const counted = await bars.evaluateAll((links) =>
      links.map((link) => Number(/(\d+) events?\b/.exec(link.querySelector('title')?.textContent ?? '')?.[1])),
    );
    expect(counted.reduce((sum, n) => sum + n, 0)).toBe(5);
    await bars.nth(1).click();
    await shows(page, counted[1] ?? 0);
    expect([...new URL(page.url()).searchParams.keys()]).toEqual(['end_date', 'start_date']);
    await page.goBack();
    await shows(page, 5);
  });

  it('bars are stacked by event type, and their text lists the types', async () => {
    const page = await open('/logs');
    const bar = chart(page)
      .getByRole('link', { name: /\(CREATE \d, UPDATE \d\)|\(UPDATE \d, CREATE \d\)/ })
      .last();
    await bar.waitFor();
    const parts = await bar
      .locator('rect:not(.hit)')
      .evaluateAll((rects) =>
        rects.map((rect) => [rect.getAttribute('class'), Number(rect.getAttribute('height')) > 0]),
      );
    expect(parts.toSorted()).toEqual([
      ['t1', true],
      ['t2', true],
    ]);
  });

  it('"All" removes the range', async () => {
    const page = await open('/logs?last=15m&user_id=ana');
    await range(page).getByRole('link', { name: 'All', exact: true }).click();
    await shows(page, ages_ms.length);
    expect(addressOf(page)).toBe('/logs?user_id=ana');
  });

  it('the keys [ and ] step to the previous and the next range', async () => {
    const page = await open('/logs?last=1h');
    for (const [key, n] of [
      ['[', 0],
      ['[', 1],
      [']', 0],
      [']', 5],
    ] as const) {
      await page.keyboard.press(key);
      await shows(page, n);
    }
  });

  it('with local time chosen, all times are local; URLs stay in UTC', async () => {
    const page = await open('/logs', 'admin', { timezoneId: 'America/New_York' });
    const exact = () => rowsOf(page).first().locator('time').getAttribute('title');
    const wall = (timeZone: string) => new Date(now_ms - minute_ms).toLocaleString('sv-SE', { timeZone });
    expect(await exact()).toContain(`${wall('UTC')}.`);
    await page.getByRole('button', { name: 'admin' }).click();
    await page.getByRole('button', { name: 'Local' }).click();
    await expect.poll(exact).toContain(`${wall('America/New_York')}.`);
    expect(await rowsOf(page).first().locator('time').getAttribute('datetime')).toBe(at(minute_ms));
    await range(page).getByRole('button', { name: 'Custom' }).click();
    await page.getByRole('textbox', { name: 'From' }).fill(wall('America/New_York').slice(0, 16).replace(' ', 'T'));
    await page.getByRole('button', { name: 'Show this range' }).click();
    await shows(page, 1);
    expect(new URL(page.url()).searchParams.get('start_date')?.slice(0, 16)).toBe(at(minute_ms).slice(0, 16));
    expect(await range(page).textContent()).toContain('America/New_York');
    await page.getByRole('button', { name: 'admin' }).click();
    await page.getByRole('button', { name: 'UTC' }).click();
    await expect.poll(exact).toContain(`${wall('UTC')}.`);
  });

  it('a row shows the age of an event, and the exact time on hover', async () => {
    const page = await open('/logs');
    const times = await rowsOf(page)
      .locator('summary time')
      .evaluateAll((all) => all.map((time) => [time.textContent, time.getAttribute('title')]));
    expect(times[2]).toEqual([
      expect.stringMatching(/^1[4-9] min ago$/),
      `${at(14 * minute_ms)
        .replace('T', ' ')
        .slice(0, -1)} UTC`,
    ]);
    expect(times[6]?.[0]).toBe('5 h ago');
    // Events older than a day show a date.
    expect(at(5 * day_ms).replace('T', ' ')).toContain(times[9]?.[0]);
    expect(at(100 * day_ms).replace('T', ' ')).toContain(times.at(-1)?.[0]);
  });

  it('an age that exceeds one day becomes a date in the server’s format', async () => {
    const page = await open('/logs');
    const first = rowsOf(page).first().locator('summary time');
    await page.clock.install({ time: now_ms });
    await page.reload();
    expect(await first.textContent()).toMatch(/min ago/);
    await page.clock.fastForward('26:00:00');
    await expect.poll(() => first.textContent()).toBe(at(minute_ms).replace('T', ' ').slice(5, 16));
    expect(await first.getAttribute('data-at')).toBeNull();
  });
});

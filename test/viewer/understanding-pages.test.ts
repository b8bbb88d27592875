/** The pages that understand the log, in Firefox and Chromium: whole with scripts and without, on a phone, and without an error. */
import type { Browser } from 'playwright-core';
import { describe, expect, it } from 'vitest';
import { openChromium } from '../support/browser.ts';
import { startService } from '../support/harness.ts';
import { inChromium } from '../support/in-chromium.ts';
import { openPages } from './browser-page.ts';
import { inFirefox, openFirefox, openFirefoxWithoutScripts } from './firefox.ts';
import { assortedEvents, order } from './sample-events.ts';

const long = 'x'.repeat(200);
const day = new Date().toISOString().slice(0, 10);
/** Pages with words of each: of the last one the markup has. */
const pages = [
  ['/boards/overview?last=30d', 'Seen for the first time'],
  ['/boards/user?user_id=ana', 'Visits'],
  ['/boards/sign-ins', 'By weekday and hour'],
  ['/boards?filter=user_id%3Dana', 'Add a panel'],
  ['/visits', 'Who'],
  ['/visits/1', 'Timeline'],
  ['/traces/trace-7', 'trace-7'],
  ['/entities/order/1', 'order'],
  ['/unusual', 'At most'],
  ['/patterns', 'The most frequent first'],
  [`/digests/${day}`, 'Events'],
] as const;

function pageClaims(mode: 'with' | 'without', browser: () => Promise<Browser>): void {
  describe(`${mode} scripts`, async () => {
    const service = await startService('postgres');
    await service.write([
      ...assortedEvents(),
      order(1, { trace_id: 'trace-7', session_id: long, ip_address: '2001:db8:1111:2222:3333:4444:5555:6666' }),
      order(1, { user_id: long, description: `${long} ${long}`, service: 'x'.repeat(100), event_type: 'X'.repeat(50) }),
    ]);
    const open = openPages(() => service.url, browser);
    const phone = { javaScriptEnabled: mode === 'with', viewport: { width: 360, height: 740 } };

    // One page for all: a context and a sign-in for each would be most of the time.
    it('each page is whole and fits a phone', async () => {
      const page = await open('/boards/overview', 'admin', phone);
      expect(await page.evaluate(() => matchMedia('(scripting: none)').matches)).toBe(mode === 'without');
      for (const [path, says] of pages) {
        await page.goto(service.url + path);
        const text = await page.locator('main').textContent();
        expect([path, text?.includes(says), await page.locator('h1').count()]).toEqual([path, true, 1]);
        const beyond = await page.locator('html').evaluate(({ scrollWidth, clientWidth }) => scrollWidth - clientWidth);
        expect([path, beyond]).toEqual([path, 0]);
      }
    });

    it('a mark of a figure leads to its events', async () => {
      const page = await open('/boards/user?user_id=ana', 'admin', phone);
      const mark = page.locator('figure.top').first().locator('svg a').first();
      const value = /: ([\d,]+)$/.exec((await mark.locator('title').textContent()) ?? '')?.[1];
      // With the keyboard: a click waits for two frames, which Firefox does not count without scripts.
      await mark.focus();
      await page.keyboard.press('Enter');
      await page.waitForURL(/\/logs\?/);
      expect(value).toMatch(/^\d+$/);
      // A busy machine may take longer than the page waits for its total: then it says so, and counts at the next look.
      const total = async () => {
        const text = await page.locator('#total').textContent();
        if (text?.includes('too long')) await page.reload();
        return text;
      };
      await expect.poll(total).toContain(`${value} event`);
    });
  });
}

inFirefox.describe('in Firefox', () => {
  pageClaims('with', openFirefox);
  pageClaims('without', openFirefoxWithoutScripts);
});
// With scripts: test/viewer/accessibility.test.ts.
inChromium.describe('in Chromium', () => pageClaims('without', openChromium));

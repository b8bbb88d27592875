/** Layout: on every screen size all controls are reachable, the live state is legible, and popovers are on screen. */
import type { Page } from 'playwright-core';
import { expect, it } from 'vitest';
import { startService } from '../support/harness.ts';
import { inChromium } from '../support/in-chromium.ts';
import { openPages } from './browser-page.ts';
import { expectState } from './live-helpers.ts';
import { assortedEvents } from './sample-events.ts';

/** The controls whose centre is covered by another element, or that extend beyond the screen. */
const covered = (page: Page) =>
  page.locator('header :is(button, input:not([type=hidden]), #live-state), #bar :is(a, button)').evaluateAll((all) =>
    all
      .filter((control) => {
        const { x, y, width, height, right } = control.getBoundingClientRect();
        if (width === 0) return false;
        const there = document.elementFromPoint(x + width / 2, y + height / 2);
        return right > innerWidth + 0.5 || !there || !(control.contains(there) || there.contains(control));
      })
      .map(({ id, textContent }) => id || textContent),
  );

inChromium.describe('layout', async () => {
  const service = await startService('postgres');
  await service.write(assortedEvents());
  const open = openPages(() => service.url);

  it.each([320, 360, 390, 412, 480, 640, 720, 768, 853, 1_024, 1_280, 2_000])(
    'all controls are reachable at a width of %i px',
    async (width) => {
      const page = await open('/logs?last=7d&user_id!=ana&live=1', 'admin', { viewport: { width, height: 740 } });
      await expectState(page, /^Live/);
      expect(await covered(page)).toEqual([]);
      // The longest text of the state.
      const state = page.locator('#live-state');
      const isCut = await state.evaluate((place) => {
        place.textContent = 'Reconnecting in 16 s';
        return place.scrollWidth > place.clientWidth + 1;
      });
      expect(isCut).toBe(false);
      expect(await covered(page)).toEqual([]);
    },
  );

  it.each([
    [320, 560],
    [740, 360],
    [1_280, 800],
  ])('a popover is within a screen of %i × %i, and one with inputs takes the focus', async (width, height) => {
    const page = await open('/logs?last=7d', 'admin', { viewport: { width, height } });
    for (const name of ['Fields', 'Facets', 'Custom', 'admin', 'Export']) {
      const button = page.getByRole('button', { name, exact: true });
      if (!(await button.isVisible())) continue;
      await button.click();
      const popover = page.locator(`#${await button.getAttribute('popovertarget')}`);
      const box = await popover.boundingBox();
      if (!box) throw new Error(`${name} opens nothing`);
      const within = [box.x >= 0, box.y >= 0, box.x + box.width <= width, box.y + box.height <= height];
      expect([name, ...within]).toEqual([name, true, true, true, true]);
      if (!['Facets', 'admin'].includes(name))
        expect(await popover.evaluate((box) => box.contains(document.activeElement))).toBe(true);
      await page.keyboard.press('Escape');
      await popover.waitFor({ state: 'hidden' });
    }
  });
});

/** The page /status in a browser: accessible, in light and dark, on narrow and wide screens, and without scripts. */
import type { Page } from 'playwright-core';
import { expect, it } from 'vitest';
import { sqlClient, startService } from '../support/harness.ts';
import { inChromium } from '../support/in-chromium.ts';
import { axeFindings, openPages } from './browser-page.ts';

inChromium.describe('/status', async () => {
  const service = await startService('postgres');
  await service.write({ event_type: 'CREATE', entity_type: 'order' });
  const { place } = service;
  if (!('DATABASE_URL' in place)) throw new Error('not PostgreSQL');
  await sqlClient(place.DATABASE_URL, 1)`
    insert into activity_inbox_refused (n, reason, event) values (1, 'event_type: must not be blank', '{}')`;
  const open = openPages(() => service.url);
  const overhang = (page: Page) => page.evaluate(() => document.documentElement.scrollWidth - innerWidth);

  it('axe reports no violations, light and dark, narrow and wide, and nothing scrolls sideways', async () => {
    const page = await open('/status');
    expect(await axeFindings(page)).toEqual([]);
    await page.emulateMedia({ colorScheme: 'dark' });
    await page.setViewportSize({ width: 360, height: 740 });
    for (const summary of await page.locator('main summary').all()) await summary.click();
    expect(await axeFindings(page)).toEqual([]);
    expect(await overhang(page)).toBeLessThanOrEqual(0);
  });

  it('is reached from the menu, also without scripts', async () => {
    const page = await open('/logs', 'admin', { withoutScripts: true, allows: [/ERR_FAILED/] });
    await page.getByRole('button', { name: 'admin' }).click();
    await page.getByRole('link', { name: 'Status' }).click();
    await page.getByRole('heading', { name: 'Size by month' }).waitFor();
  });
});

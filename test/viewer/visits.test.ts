/** The pages of the visits in a browser: accessible, in light and dark, on narrow and wide screens, and without scripts. */
import { expect, it } from 'vitest';
import { startService } from '../support/harness.ts';
import { inChromium } from '../support/in-chromium.ts';
import { axeFindings, openPages } from './browser-page.ts';
import { order } from './sample-events.ts';

inChromium.describe('/visits', async () => {
  const service = await startService('postgres');
  const [first] = await service.write([
    order(1, { event_type: 'LOGIN', ip_address: '10.1.0.1', user_agent: 'x'.repeat(200) }),
    order(2, { ip_address: '10.2.0.1', user_agent: 'y' }),
    order(3, { ip_address: '10.1.0.1' }),
    order(4, { event_type: 'LOGOUT' }),
    order(5),
    order(6, { session_id: 'x'.repeat(200), ip_address: '192.0.2.1' }),
    order(7, { user_id: 'x'.repeat(250) }),
  ]);
  const open = openPages(() => service.url);

  it.each(['/visits', '/visits?user_id=ana', `/visits/${first?.id}`])(
    'axe reports no violations at %s, light and dark, narrow and wide, with scripts and without',
    async (path) => {
      for (const withoutScripts of [false, true]) {
        const page = await open(path, 'admin', { withoutScripts, allows: [/ERR_FAILED/] });
        expect(await axeFindings(page)).toEqual([]);
        await page.emulateMedia({ colorScheme: 'dark' });
        await page.setViewportSize({ width: 360, height: 740 });
        expect(await axeFindings(page)).toEqual([]);
        expect(await page.evaluate(() => document.documentElement.scrollWidth - innerWidth)).toBeLessThanOrEqual(0);
      }
    },
  );

  it('every mark of the timeline is reached with Tab and leads to its events', async () => {
    const page = await open(`/visits/${first?.id}`);
    const marks = page.locator('.chart svg a');
    await marks.first().focus();
    expect(await page.evaluate(() => document.activeElement?.querySelector('title')?.textContent)).toMatch(
      /events? \(/,
    );
    await page.keyboard.press('Enter');
    await page.waitForURL(/\/logs/);
  });
});

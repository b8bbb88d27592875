/** Finding: the line while it is typed, chips, facets, values in details; what is shown is what the address says. */
import type { Page } from 'playwright-core';
import { expect, it } from 'vitest';
import { startService } from '../support/harness.ts';
import { inChromium } from '../support/in-chromium.ts';
import { addressOf, openPages, rowsOf } from './browser-page.ts';
import { assortedEvents, expected, numbersOf } from './sample-events.ts';

inChromium.describe('finding', async () => {
  const service = await startService('pglite');
  await service.write(assortedEvents());
  const open = openPages(() => service.url);
  const line = (page: Page) => page.getByRole('searchbox');
  const shows = async (page: Page, address: string, fits: (n: number) => boolean) => {
    await expect.poll(() => numbersOf(page)).toEqual(expected(fits));
    expect(decodeURIComponent(addressOf(page).replaceAll('+', ' '))).toBe(address);
  };
  const isLate = (n: number) => n % 10 === 0;

  it('shows what the last keystroke asks, though the server answers the one before last', async () => {
    const page = await open('/logs');
    const asked: string[] = [];
    await page.route(
      ({ pathname, searchParams }) => pathname === '/logs' && searchParams.has('q'),
      async (route, request) => {
        const q = new URL(request.url()).searchParams.get('q') ?? '';
        asked.push(q);
        await new Promise((resolve) => setTimeout(resolve, q === 'order 11' ? 900 : 50));
        await route.continue().catch(() => {});
      },
    );
    const steps = await page.evaluate(() => history.length);
    await line(page).pressSequentially('order 11', { delay: 20 });
    await expect.poll(() => asked).toEqual(['order 11']);
    await line(page).pressSequentially('9', { delay: 20 });
    await shows(page, '/logs?search=order&search=119', (n) => n === 119);
    await page.waitForTimeout(1_000);
    await shows(page, '/logs?search=order&search=119', (n) => n === 119);
    expect(asked).toEqual(['order 11', 'order 119']);
    expect(await page.evaluate(() => [document.activeElement?.id, history.length])).toEqual(['q', steps]);
    expect(await line(page).inputValue()).toBe('order 119');
  });

  it('reads a line that says it all, and keeps it readable', async () => {
    const page = await open('/logs');
    await line(page).fill('user:ana -type:DELETE "late delivery"');
    await page.keyboard.press('Enter');
    await shows(
      page,
      '/logs?event_type!=DELETE&search=late delivery&user_id=ana',
      (n) => isLate(n) && n % 4 === 0 && n % 3 !== 2,
    );
    await page.reload();
    expect(await line(page).inputValue()).toBe('-type:DELETE user:ana "late delivery"');
    expect(await page.getByRole('list', { name: 'What is asked' }).getByRole('listitem').count()).toBe(4);
  });

  it('takes away what is asked chip by chip, and all at once', async () => {
    const page = await open('/logs?event_type=DELETE&event_type=UPDATE&user_id!=ana');
    await shows(page, '/logs?event_type=DELETE&event_type=UPDATE&user_id!=ana', (n) => n % 3 !== 0 && n % 4 !== 0);
    await page.getByRole('link', { name: 'Remove type: UPDATE' }).click();
    await shows(page, '/logs?event_type=DELETE&user_id!=ana', (n) => n % 3 === 2 && n % 4 !== 0);
    await page.getByRole('link', { name: 'Remove not user: ana' }).click();
    await shows(page, '/logs?event_type=DELETE', (n) => n % 3 === 2);
    await page.getByRole('link', { name: 'Clear all' }).click();
    await shows(page, '/logs', () => true);
  });

  it('counts what each field holds, and includes and excludes by a link', async () => {
    const page = await open('/logs');
    const facets = page.getByRole('region', { name: 'Facets' });
    const facet = (name: string) => facets.getByRole('list', { name });
    await expect
      .poll(async () =>
        (await facet('Event').getByRole('listitem').allTextContents()).map((t) => t.replace(/\W+/g, ' ')),
      )
      .toEqual(['CREATE 40 ', 'DELETE 40 ', 'UPDATE 40 ']);
    await facet('User').getByRole('link', { name: 'ben', exact: true }).click();
    await shows(page, '/logs?user_id=ben', (n) => n % 4 === 1);
    // Its own field is counted as if it were not asked for: that is what makes a second value worth a click.
    await facet('User').getByRole('link', { name: 'cy', exact: true }).click();
    await shows(page, '/logs?user_id=ben&user_id=cy', (n) => n % 4 === 1 || n % 4 === 2);
    await facet('Event').getByRole('link', { name: 'Without DELETE' }).click();
    await shows(
      page,
      '/logs?event_type!=DELETE&user_id=ben&user_id=cy',
      (n) => n % 3 !== 2 && (n % 4 === 1 || n % 4 === 2),
    );
    await facet('User')
      .getByRole('link', { name: /^(✓ )?ben$/ })
      .click();
    await shows(page, '/logs?event_type!=DELETE&user_id=cy', (n) => n % 3 !== 2 && n % 4 === 2);
  });

  it.each([
    ['only this user_id', '/logs?event_type=UPDATE&user_id=cy', (n: number) => n % 3 === 1 && n % 4 === 2],
    ['not this user_id', '/logs?event_type=UPDATE&user_id!=cy', (n: number) => n % 3 === 1 && n % 4 !== 2],
    ['not this service', '/logs?event_type=UPDATE&service!=checkout', (n: number) => n % 3 === 1 && n % 2 !== 0],
    ['only this metadata.shop.till', '/logs?event_type=UPDATE&metadata.shop.till=north', (n: number) => n === 118],
  ])('offers at a value of an open row: %s', async (name, address, fits) => {
    const page = await open('/logs?event_type=UPDATE');
    const row = rowsOf(page).filter({ hasText: 'order 118 taken' });
    await row.locator('summary').first().click();
    await row.getByRole('link', { name }).click();
    await shows(page, address, fits);
  });

  it('has a field for each parameter, beside the line', async () => {
    const page = await open('/logs');
    await page.getByRole('button', { name: 'Fields' }).click();
    await page.getByLabel('Entity id').fill('55');
    await page.keyboard.press('Enter');
    await shows(page, '/logs?entity_id=55', (n) => n === 55);
    expect(await line(page).inputValue()).toBe('id:55');
  });

  it.each(['CSV', 'Spreadsheet', 'JSON', 'NDJSON'])(
    'hands out as %s exactly what is found, oldest first',
    async (name) => {
      const page = await open('/logs?search=late&last=24h');
      // More than the page that it was asked on.
      await page.getByRole('link', { name: 'Remove text: late' }).click();
      await shows(page, '/logs?last=24h', () => true);
      await page.getByRole('list', { name: 'Event' }).getByRole('link', { name: 'Without DELETE' }).click();
      await shows(page, '/logs?event_type!=DELETE&last=24h', (n) => n % 3 !== 2);
      await page.keyboard.press('e');
      const [file] = await Promise.all([
        page.waitForEvent('download'),
        page.getByRole('link', { name, exact: true }).click(),
      ]);
      expect(file.suggestedFilename()).toMatch(new RegExp(`\\.${name.toLowerCase()}(\\.csv)?$`));
      const text = (await (await file.createReadStream()).setEncoding('utf8').toArray()).join('');
      const numbers = [...text.matchAll(/(?:order|late delivery of) (\d+)/g)].map(([, n]) => Number(n));
      expect(numbers).toEqual(Array.from({ length: 120 }, (_, n) => n).filter((n) => n % 3 !== 2));
      expect(addressOf(page)).toBe('/logs?event_type%21=DELETE&last=24h');
    },
  );

  it('tells a guest why nothing is handed out, and to whom to turn', async () => {
    const page = await open('/logs?user_id=ana', 'guest');
    await page.keyboard.press('e');
    expect(await page.getByText('Exporting needs the role admin. Ask the operator for it.').isVisible()).toBe(true);
    expect(await page.locator('a[href*="/export"]').count()).toBe(0);
  });

  it('means the same to whom the address is sent', async () => {
    const address = '/logs?entity_type=customer&event_type!=CREATE&search=late';
    await shows(await open(address, 'guest'), address, (n) => isLate(n) && n % 3 !== 0);
  });
});

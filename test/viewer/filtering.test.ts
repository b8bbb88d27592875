/** Filtering: by the search line, chips, facets, fields, and values in details. The URL always matches the rows. */
import type { Page } from 'playwright-core';
import { expect, it } from 'vitest';
import { startService } from '../support/harness.ts';
import { inChromium } from '../support/in-chromium.ts';
import { addressOf, openPages, rowsOf } from './browser-page.ts';
import { assortedEvents, expected, numbersOf } from './sample-events.ts';

inChromium.describe('filtering', async () => {
  const service = await startService('pglite');
  await service.write(assortedEvents());
  const open = openPages(() => service.url);
  const line = (page: Page) => page.getByRole('searchbox');
  const shows = async (page: Page, address: string, fits: (n: number) => boolean) => {
    await expect.poll(() => numbersOf(page)).toEqual(expected(fits));
    expect(decodeURIComponent(addressOf(page).replaceAll('+', ' '))).toBe(address);
  };
  const isLate = (n: number) => n % 10 === 0;

  it('the last keystroke wins over a slower response to an earlier one', async () => {
    const page = await open('/logs');
    const queries: string[] = [];
    await page.route(
      ({ pathname, searchParams }) => pathname === '/logs' && searchParams.has('q'),
      async (route, request) => {
        const q = new URL(request.url()).searchParams.get('q') ?? '';
        queries.push(q);
        await new Promise((resolve) => setTimeout(resolve, q === 'order 11' ? 900 : 50));
        await route.continue().catch(() => {});
      },
    );
    const steps = await page.evaluate(() => history.length);
    await line(page).focus();
    // All in one task: on a busy machine keys that a test presses come further apart than the page waits for the next one.
    await line(page).evaluate((element, text) => {
      const input = element as HTMLInputElement;
      for (const char of text) {
        input.value += char;
        input.dispatchEvent(new InputEvent('input', { bubbles: true, data: char }));
      }
    }, 'order 11');
    await expect.poll(() => queries).toEqual(['order 11']);
    await line(page).press('9');
    await shows(page, '/logs?search=order&search=119', (n) => n === 119);
    await page.waitForTimeout(1_000);
    await shows(page, '/logs?search=order&search=119', (n) => n === 119);
    expect(queries).toEqual(['order 11', 'order 119']);
    expect(await page.evaluate(() => [document.activeElement?.id, history.length])).toEqual(['q', steps]);
    expect(await line(page).inputValue()).toBe('order 119');
  });

  it('a search line with several fields becomes a filter, and a reload shows the same line', async () => {
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
    // Three terms, "Clear all", "Add to a board" and "Make a rule".
    expect(await page.getByRole('list', { name: 'Active filters' }).getByRole('listitem').count()).toBe(6);
  });

  it('a chip removes its value; "Clear all" removes the filter', async () => {
    const page = await open('/logs?event_type=DELETE&event_type=UPDATE&user_id!=ana');
    await shows(page, '/logs?event_type=DELETE&event_type=UPDATE&user_id!=ana', (n) => n % 3 !== 0 && n % 4 !== 0);
    await page.getByRole('link', { name: 'Remove type: UPDATE' }).click();
    await shows(page, '/logs?event_type=DELETE&user_id!=ana', (n) => n % 3 === 2 && n % 4 !== 0);
    await page.getByRole('link', { name: 'Remove not user: ana' }).click();
    await shows(page, '/logs?event_type=DELETE', (n) => n % 3 === 2);
    await page.getByRole('link', { name: 'Clear all' }).click();
    await shows(page, '/logs', () => true);
  });

  it('facets count the values of a field; their links include and exclude a value', async () => {
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
    // A facet ignores the filter of its own field, so that a second value can be added.
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

  it('while the facets are those of the filter before, a click on one does nothing', async () => {
    const page = await open('/logs');
    const cy = page.getByRole('region', { name: 'Facets' }).getByRole('link', { name: 'cy', exact: true });
    await cy.waitFor();
    let answer = () => {};
    const held = new Promise<void>((resolve) => {
      answer = resolve;
    });
    await page.route('**/logs/counts?*', async (route) => {
      await held;
      await route.continue();
    });
    const asked = page.waitForRequest('**/logs/counts?*');
    await page.getByRole('region', { name: 'Facets' }).getByRole('link', { name: 'ben', exact: true }).click();
    await asked;
    await cy.click({ force: true });
    await page.waitForTimeout(500);
    await shows(page, '/logs?user_id=ben', (n) => n % 4 === 1);
    answer();
    await cy.click();
    await shows(page, '/logs?user_id=ben&user_id=cy', (n) => n % 4 === 1 || n % 4 === 2);
  });

  it.each([
    ['only this user_id', '/logs?event_type=UPDATE&user_id=cy', (n: number) => n % 3 === 1 && n % 4 === 2],
    ['not this user_id', '/logs?event_type=UPDATE&user_id!=cy', (n: number) => n % 3 === 1 && n % 4 !== 2],
    ['not this service', '/logs?event_type=UPDATE&service!=checkout', (n: number) => n % 3 === 1 && n % 2 !== 0],
    ['only this metadata.shop.till', '/logs?event_type=UPDATE&metadata.shop.till=north', (n: number) => n === 118],
  ])('a value in an open row has a link: %s', async (name, address, fits) => {
    const page = await open('/logs?event_type=UPDATE');
    const row = rowsOf(page).filter({ hasText: 'order 118 taken' });
    await row.locator('summary').first().click();
    await row.getByRole('link', { name }).click();
    await shows(page, address, fits);
  });

  it('the form of fields filters by one parameter, and the search line shows it', async () => {
    const page = await open('/logs');
    await page.getByRole('button', { name: 'Fields' }).click();
    await page.getByLabel('Entity id').fill('55');
    await page.keyboard.press('Enter');
    await shows(page, '/logs?entity_id=55', (n) => n === 55);
    expect(await line(page).inputValue()).toBe('id:55');
  });

  it.each(['CSV', 'Spreadsheet', 'JSON', 'NDJSON'])(
    'an export as %s contains exactly the events of the filter, oldest first',
    async (name) => {
      const page = await open('/logs?search=late&last=24h');
      // The export has more rows than the page.
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

  it('a guest may not export, and the menu says why', async () => {
    const page = await open('/logs?user_id=ana', 'guest');
    await page.keyboard.press('e');
    expect(await page.getByText('Exporting needs the role admin. Ask the operator for it.').isVisible()).toBe(true);
    expect(await page.locator('a[href*="/export"]').count()).toBe(0);
  });

  it('a URL shows another user the same events', async () => {
    const address = '/logs?entity_type=customer&event_type!=CREATE&search=late';
    await shows(await open(address, 'guest'), address, (n) => isLate(n) && n % 3 !== 0);
  });
});

/** Without JavaScript: every page is valid and accessible, and everything except live works by links and forms. */
import type { Page } from 'playwright-core';
import { expect, it } from 'vitest';
import { startService } from '../support/harness.ts';
import { inChromium } from '../support/in-chromium.ts';
import { addressOf, axeFindings, idsOf, invalidIn, openPages, rowsOf, type User } from './browser-page.ts';
import { assortedEvents, detailedEvent, expected, numbersOf } from './sample-events.ts';

const without = { javaScriptEnabled: false };

inChromium.describe('without JavaScript', async () => {
  const service = await startService('postgres');
  const empty = await startService('postgres');
  // No database listens at this address.
  const down = await startService('postgres', { place: { DATABASE_URL: 'postgres://edgetrail@127.0.0.1:9/none' } });
  const newestFirst = (await service.write([...assortedEvents(), detailedEvent])).map(({ id }) => id).toReversed();
  const [open, openEmpty, openDown] = [service, empty, down].map(({ url }) => openPages(() => url)) as [
    ReturnType<typeof openPages>,
    ReturnType<typeof openPages>,
    ReturnType<typeof openPages>,
  ];

  type Shown = [what: string, status: number, path: string, who: User, says: string | RegExp, at?: typeof open];
  const pages: Shown[] = [
    ['the list', 200, '/logs', 'admin', /121.* events match, .*121.* in the last 24 hours/],
    ['the list for a guest', 200, '/logs', 'guest', 'Exporting needs the role admin.'],
    ['a filter', 200, '/logs?user_id=ana&event_type!=DELETE&search=late', 'admin', 'not type: DELETE'],
    ['a preset', 200, '/logs?last=24h', 'admin', /\d{4}-\d\d-\d\d \d\d:\d\d:\d\d – now UTC/],
    ['a range', 200, '/logs?start_date=2026-01-01&end_date=2026-01-31', 'admin', '2026-01-31 23:59:59 UTC'],
    [
      'a range that ends before it begins',
      200,
      '/logs?start_date=2026-02-01&end_date=2026-01-01',
      'guest',
      'Swap start and end',
    ],
    ['no match', 200, '/logs?search=nowhere&last=1h', 'admin', 'Search all time'],
    ['an empty log', 200, '/logs', 'admin', 'curl -u admin', openEmpty],
    ['live', 200, '/logs?live=1', 'admin', 'Following live needs JavaScript.'],
    ['an event', 200, `/logs/${newestFirst[0]}`, 'guest', 'What changed'],
    ['skipped events', 200, '/logs/between?after=0&upto=90', 'admin', '90 events that arrived too fast'],
    ['signing in', 200, '/sign-in', null, 'Password'],
    ['an unknown event', 404, '/logs/99999999', 'guest', 'There is no event 99999999 in this log.'],
    ['an unknown path', 404, '/nowhere', null, 'There is nothing at this address.'],
    ['an invalid date', 400, '/logs?start_date=yesterday', 'admin', 'start_date'],
    ['an invalid search line', 422, '/logs?q=usr:ana', 'admin', 'usr'],
    ['a path that accepts only POST', 405, '/sign-out', 'admin', 'Only POST here.'],
    ['an unavailable database', 503, '/logs', null, 'Try again in a moment.', openDown],
  ];
  it.each(pages)('the page is valid and accessible: %s (%i)', async (_what, status, path, who, says, at = open) => {
    const page = await at(path, who, { ...without, allows: [/status of [45]\d\d|^[45]\d\d: /] });
    await isSound(page, says);
    const headers = {
      cookie: (await page.context().cookies()).map(({ name, value }) => `${name}=${value}`).join('; '),
    };
    const answer = await fetch(page.url(), { headers: { accept: 'text/html', ...headers } });
    expect([answer.status, await invalidIn(await answer.text())]).toEqual([status, []]);
    // axe needs timers, which do not run with JavaScript off. It checks the page with scripts blocked instead.
    const same = await at(path, who, { withoutScripts: true, allows: [/status of [45]\d\d|^[45]\d\d: |ERR_FAILED/] });
    expect(await axeFindings(same)).toEqual([]);
  });

  it('the page is valid: a forbidden request (403)', async () => {
    const page = await open('/sign-in', null, { ...without, allows: [/403/] });
    await page.goto('about:blank');
    await page.setContent(
      `<form method="post" action="${service.url}/logs/display"><button>from elsewhere</button></form>`,
    );
    const [answer] = await Promise.all([
      page.waitForResponse('**/logs/display'),
      page.getByRole('button', { name: 'from elsewhere' }).click(),
    ]);
    await isSound(page, 'Only a page of this service may do that.');
    expect([answer.status(), await invalidIn(await answer.text())]).toEqual([403, []]);
  });

  it('filtering works by the search line, the fields, chips, facets and bars', async () => {
    const page = await open('/logs', 'admin', without);
    const shows = async (address: string, fits: (n: number) => boolean) => {
      await page.waitForURL((url) => url.search === new URL(address, url).search);
      expect(await numbersOf(page)).toEqual(expected(fits));
    };
    await page.getByRole('searchbox').fill('user:ana -type:DELETE');
    await page.keyboard.press('Enter');
    await shows('/logs?event_type%21=DELETE&user_id=ana', (n) => n % 4 === 0 && n % 3 !== 2);
    await page.getByRole('link', { name: 'Remove not type: DELETE' }).click();
    await shows('/logs?user_id=ana', (n) => n % 4 === 0);
    await page.getByRole('button', { name: 'Fields' }).click();
    await page.getByLabel('Entity id').fill('8');
    await page.keyboard.press('Enter');
    await shows('/logs?entity_id=8&user_id=ana', (n) => n === 8);
    await page.getByRole('link', { name: 'Clear all' }).click();
    await page.getByRole('list', { name: 'User' }).getByRole('link', { name: 'ben', exact: true }).click();
    await shows('/logs?user_id=ben', (n) => n % 4 === 1);
    await page.getByRole('list', { name: 'Event' }).getByRole('link', { name: 'Without CREATE' }).click();
    await shows('/logs?event_type%21=CREATE&user_id=ben', (n) => n % 4 === 1 && n % 3 !== 0);
    const bar = page.getByRole('group', { name: /^Events over time/ }).getByRole('link');
    await bar.first().click();
    await page.waitForURL(/start_date=.*&user_id=ben/);
    expect(await rowsOf(page).count()).toBe(20);
  });

  it('the range is set by presets and by the custom range form', async () => {
    const page = await open('/logs?user_id=ana', 'admin', without);
    await page.getByRole('link', { name: '7 d', exact: true }).click();
    await page.waitForURL('**/logs?last=7d&user_id=ana');
    await page.getByRole('button', { name: 'Custom' }).click();
    await page.getByRole('textbox', { name: 'From' }).fill('2026-01-01T10:00');
    await page.getByRole('button', { name: 'Show this range' }).click();
    await page.waitForURL(/\/logs\?start_date=2026-01-01T10%3A00%3A00.000Z&user_id=ana$/);
    expect(await page.getByRole('navigation', { name: 'Range of time' }).textContent()).toContain(
      '2026-01-01 10:00:00 – now UTC',
    );
    await page.getByRole('link', { name: 'All', exact: true }).click();
    await page.waitForURL('**/logs?user_id=ana');
  });

  it('links lead to the oldest event, each row appears once, and a row links to its page', async () => {
    const page = await open('/logs', 'guest', without);
    const collected: number[] = [];
    for (;;) {
      collected.push(...(await idsOf(page)));
      const older = page.getByRole('link', { name: 'Older events' });
      if ((await older.count()) === 0) break;
      const address = page.url();
      await older.click();
      await page.waitForURL((url) => url.href !== address);
    }
    expect(collected).toEqual(newestFirst);
    await rowsOf(page).last().locator('summary').click();
    await rowsOf(page).last().getByRole('link').click();
    await page.getByRole('heading', { name: `Event ${newestFirst.at(-1)}` }).waitFor();
    await page.getByRole('link', { name: 'only this user_id' }).click();
    await page.waitForURL('**/logs?user_id=ana');
  });

  it('a filtered export works by a plain link', async () => {
    const page = await open('/logs?user_id=frida', 'admin', without);
    await page.getByRole('button', { name: 'Export' }).click();
    const [file] = await Promise.all([
      page.waitForEvent('download'),
      page.getByRole('link', { name: 'NDJSON' }).click(),
    ]);
    const text = await (await file.createReadStream()).setEncoding('utf8').toArray();
    expect(JSON.parse(text.join('').trim())).toMatchObject({ id: newestFirst[0], user_id: 'frida' });
  });

  it('the theme can be chosen; local time cannot', async () => {
    const page = await open('/logs?user_id=ana', 'admin', { ...without, colorScheme: 'light' });
    const scheme = () => page.locator('meta[name=color-scheme]').getAttribute('content');
    expect(await scheme()).toBe('light dark');
    await page.getByRole('button', { name: 'admin' }).click();
    // Only a script knows the browser's time zone.
    expect(await page.getByRole('button', { name: 'Local' }).isVisible()).toBe(false);
    await page.getByRole('button', { name: 'Dark' }).click();
    await expect.poll(scheme).toBe('dark');
    expect(addressOf(page)).toBe('/logs?user_id=ana');
  });

  it('signing in redirects to the requested page; signing out ends the session', async () => {
    const page = await open('/logs?user_id=ana', null, without);
    await page.getByLabel('User name').fill('guest');
    await page.getByLabel('Password').fill('guest-password');
    await page.keyboard.press('Enter');
    await page.waitForURL('**/logs?user_id=ana');
    await page.getByRole('button', { name: 'guest' }).click();
    await page.getByRole('button', { name: 'Sign out' }).click();
    await page.waitForURL('**/sign-in');
    await page.goto(`${service.url}/logs`);
    expect(addressOf(page)).toBe('/sign-in');
  });
});

/** Expects the text, one title, one heading, one main element, and no horizontal scrolling on a phone. */
async function isSound(page: Page, says: string | RegExp): Promise<void> {
  // The text of body: text locators ignore the contents of noscript.
  const body = page.locator('body');
  const isSaid = async () => {
    const text = (await body.textContent()) ?? '';
    return typeof says === 'string' ? text.includes(says) : says.test(text);
  };
  // Where counting takes too long, on a busy machine, the page comes without numbers.
  if (!(await isSaid())) await page.reload();
  const text = await body.textContent();
  if (typeof says === 'string') expect(text).toContain(says);
  else expect(text).toMatch(says);
  expect(await page.title()).toMatch(/^\S.* · Edgetrail$/);
  expect(await page.getByRole('heading', { level: 1 }).count()).toBe(1);
  expect(await page.getByRole('main').count()).toBe(1);
  await page.setViewportSize({ width: 360, height: 740 });
  expect(await page.evaluate(() => document.documentElement.scrollWidth - innerWidth)).toBeLessThanOrEqual(0);
}

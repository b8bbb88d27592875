/** Without JavaScript: every page there is, sound and complete, and all that a person does by links and forms. */
import type { Page } from 'playwright-core';
import { expect, it } from 'vitest';
import { startService } from '../support/harness.ts';
import { inChromium } from '../support/in-chromium.ts';
import { addressOf, axeFindings, idsOf, invalidIn, openPages, rowsOf, type User } from './browser-page.ts';
import { assortedEvents, detailedEvent, expected, numbersOf } from './sample-events.ts';

const without = { javaScriptEnabled: false };

inChromium.describe('without JavaScript', async () => {
  const service = await startService('pglite');
  const empty = await startService('pglite');
  // Nobody listens there: the database is away, the service is not.
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
    ['the list of a guest', 200, '/logs', 'guest', 'Exporting needs the role admin.'],
    ['a filter', 200, '/logs?user_id=ana&event_type!=DELETE&search=late', 'admin', 'not type: DELETE'],
    ['a preset', 200, '/logs?last=24h', 'admin', /\d{4}-\d\d-\d\d \d\d:\d\d:\d\d – now UTC/],
    ['a range', 200, '/logs?start_date=2026-01-01&end_date=2026-01-31', 'admin', '2026-01-31 23:59:59 UTC'],
    [
      'a range the wrong way round',
      200,
      '/logs?start_date=2026-02-01&end_date=2026-01-01',
      'guest',
      'the other way round',
    ],
    ['nothing found', 200, '/logs?search=nowhere&last=1h', 'admin', 'Ask the same of all time'],
    ['an empty log', 200, '/logs', 'admin', 'curl -u admin', openEmpty],
    ['live', 200, '/logs?live=1', 'admin', 'Following live needs JavaScript.'],
    ['an event', 200, `/logs/${newestFirst[0]}`, 'guest', 'What changed'],
    ['what was not drawn', 200, '/logs/between?after=0&upto=90', 'admin', '90 events that came too fast'],
    ['signing in', 200, '/sign-in', null, 'Password'],
    ['an event that is not there', 404, '/logs/99999999', 'guest', 'There is no event 99999999 in this log.'],
    ['an address that is not there', 404, '/nowhere', null, 'There is nothing at this address.'],
    ['a date that is none', 400, '/logs?start_date=yesterday', 'admin', 'start_date'],
    ['a line that cannot be read', 422, '/logs?q=usr:ana', 'admin', 'usr'],
    ['an address for forms', 405, '/sign-out', 'admin', 'Only POST here.'],
    ['a database that is away', 503, '/logs', null, 'Try again in a moment.', openDown],
  ];
  it.each(pages)('has a sound page: %s (%i)', async (_what, status, path, who, says, at = open) => {
    const page = await at(path, who, { ...without, allows: [/status of [45]\d\d|^[45]\d\d: /] });
    await isSound(page, says);
    const headers = {
      cookie: (await page.context().cookies()).map(({ name, value }) => `${name}=${value}`).join('; '),
    };
    const answer = await fetch(page.url(), { headers: { accept: 'text/html', ...headers } });
    expect([answer.status, await invalidIn(await answer.text())]).toEqual([status, []]);
    // axe waits by timers, which stand still where scripts are off: a page that gets none of ours is what it looks at.
    const same = await at(path, who, { withoutScripts: true, allows: [/status of [45]\d\d|^[45]\d\d: |ERR_FAILED/] });
    expect(await axeFindings(same)).toEqual([]);
  });

  it('has a sound page: what is forbidden (403)', async () => {
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

  it('finds: by the line, the fields, chips, facets and bars', async () => {
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

  it('places in time: by presets and by a range of one’s own', async () => {
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

  it('reads on to the oldest event by links, each row once, and each row leads to its page', async () => {
    const page = await open('/logs', 'guest', without);
    const seen: number[] = [];
    for (;;) {
      seen.push(...(await idsOf(page)));
      const older = page.getByRole('link', { name: 'Older events' });
      if ((await older.count()) === 0) break;
      const address = page.url();
      await older.click();
      await page.waitForURL((url) => url.href !== address);
    }
    expect(seen).toEqual(newestFirst);
    await rowsOf(page).last().locator('summary').click();
    await rowsOf(page).last().getByRole('link').click();
    await page.getByRole('heading', { name: `Event ${newestFirst.at(-1)}` }).waitFor();
    await page.getByRole('link', { name: 'only this user_id' }).click();
    await page.waitForURL('**/logs?user_id=ana');
  });

  it('takes away what is filtered, by a plain link', async () => {
    const page = await open('/logs?user_id=told', 'admin', without);
    await page.getByRole('button', { name: 'Export' }).click();
    const [file] = await Promise.all([
      page.waitForEvent('download'),
      page.getByRole('link', { name: 'NDJSON' }).click(),
    ]);
    const text = await (await file.createReadStream()).setEncoding('utf8').toArray();
    expect(JSON.parse(text.join('').trim())).toMatchObject({ id: newestFirst[0], user_id: 'told' });
  });

  it('is looked at in one’s own colours and clocks', async () => {
    const page = await open('/logs?user_id=ana', 'admin', { ...without, colorScheme: 'light' });
    const scheme = () => page.locator('meta[name=color-scheme]').getAttribute('content');
    expect(await scheme()).toBe('light dark');
    await page.getByRole('button', { name: 'admin' }).click();
    // Which clocks are local only a script knows.
    expect(await page.getByRole('button', { name: 'Local' }).isVisible()).toBe(false);
    await page.getByRole('button', { name: 'Dark' }).click();
    await expect.poll(scheme).toBe('dark');
    expect(addressOf(page)).toBe('/logs?user_id=ana');
  });

  it('signs in and out, and leads to what was asked for', async () => {
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

/** One title, one heading, one main part, nothing that axe finds, nothing to scroll sideways on a telephone. */
async function isSound(page: Page, says: string | RegExp): Promise<void> {
  // Its text, and not a locator's: that one passes over what stands there for who has no scripts.
  const text = await page.locator('body').textContent();
  if (typeof says === 'string') expect(text).toContain(says);
  else expect(text).toMatch(says);
  expect(await page.title()).toMatch(/^\S.* · Edgetrail$/);
  expect(await page.getByRole('heading', { level: 1 }).count()).toBe(1);
  expect(await page.getByRole('main').count()).toBe(1);
  await page.setViewportSize({ width: 360, height: 740 });
  expect(await page.evaluate(() => document.documentElement.scrollWidth - innerWidth)).toBeLessThanOrEqual(0);
}

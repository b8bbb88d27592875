/** Sign-in and sign-out in a real browser: by keyboard, without JavaScript, and Back after the sign-out. */
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { openChromium } from '../support/browser.ts';
import { startService } from '../support/harness.ts';
import { inChromium } from '../support/in-chromium.ts';

const axe = createRequire(import.meta.url).resolve('axe-core/axe.min.js');

declare global {
  interface Window {
    axe: { run(options: object): Promise<{ violations: { id: string; nodes: { html: string }[] }[] }> };
  }
}

inChromium.describe('in Chromium', async () => {
  const service = await startService();
  await service.write({ event_type: 'CREATE', entity_type: 'order', description: 'for members only' });
  let browser: Browser;
  const faults: string[] = [];
  beforeAll(async () => {
    // Playwright disables the back/forward cache, which browsers of users have.
    browser = await openChromium({ ignoreDefaultArgs: ['--disable-back-forward-cache'] });
  });
  afterAll(() => browser.close());

  async function open(path: string, options: BrowserContextOptions = {}): Promise<Page> {
    const context = await browser.newContext(options);
    const page = await context.newPage();
    page.on('console', (message) => {
      // A browser logs an error for every document with status 401 or 403.
      const refused = /status of 40[13]/.test(message.text());
      if (['error', 'warning'].includes(message.type()) && !refused) faults.push(message.text());
    });
    page.on('pageerror', (error) => faults.push(error.message));
    await page.goto(service.url + path);
    return page;
  }
  async function enter(page: Page, user: string, password: string): Promise<void> {
    await page.getByLabel('User name').fill(user);
    await page.getByLabel('Password').fill(password);
    await page.getByRole('button', { name: 'Sign in' }).click();
  }

  it('redirects to the form, shows the error in the form, and redirects back to the requested page', async () => {
    const page = await open('/logs?entity_type=order');
    await page.waitForURL('**/sign-in?to=*');
    await enter(page, 'guest', 'wrong');
    expect(await page.getByRole('alert').textContent()).toBe('The user name or password is not right.');
    expect(await page.getByLabel('User name').inputValue()).toBe('guest');
    expect(await page.getByLabel('Password').inputValue()).toBe('');
    // The password field has the focus.
    await page.keyboard.type('guest-password');
    await page.keyboard.press('Enter');
    await page.waitForURL('**/logs?entity_type=order');
    await page.getByText('for members only').first().waitFor();
    const [cookie] = await page.context().cookies();
    expect(cookie).toMatchObject({ httpOnly: true, sameSite: 'Lax', path: '/' });
    expect(await page.evaluate(() => document.cookie)).not.toContain('edgetrail');
  });

  it('works without JavaScript, and after a reload of the refused form', async () => {
    const page = await open('/logs', { javaScriptEnabled: false });
    await enter(page, 'guest', 'wrong');
    // A reload while the response replaces the page has no page to reload.
    await page.getByRole('alert').waitFor();
    await page.reload();
    await page.getByRole('alert').waitFor();
    await enter(page, 'guest', 'guest-password');
    await page.waitForURL('**/logs');
  });

  it.each([
    ['light', 1200],
    ['dark', 360],
  ] as const)('has no violation that axe finds: %s, %i px wide', async (colorScheme, width) => {
    const page = await open('/sign-in', { colorScheme, viewport: { width, height: 700 }, bypassCSP: true });
    for (const user of ['', 'guest']) {
      if (user) await enter(page, user, 'wrong');
      await page.addScriptTag({ path: axe });
      const { violations } = await page.evaluate(() =>
        window.axe.run({ runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'] }),
      );
      expect(violations.map(({ id, nodes }) => [id, nodes.map(({ html }) => html)])).toEqual([]);
      expect(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth)).toBe(true);
    }
  });

  it('Back after the sign-out shows no events', async () => {
    const page = await open('/logs');
    await enter(page, 'guest', 'guest-password');
    await page.waitForURL('**/logs');
    await page.getByText('for members only').first().waitFor();
    await page.evaluate(() => {
      const form = document.createElement('form');
      form.method = 'post';
      form.action = '/sign-out';
      document.body.append(form);
      form.submit();
    });
    await page.waitForURL('**/sign-in');
    // Not goBack(): it waits for a load, and a page from the back/forward cache does not load.
    await page.evaluate(() => history.back());
    // Chromium sometimes caches a page with no-store nevertheless: the page then reloads itself.
    await page.getByLabel('Password').waitFor();
    expect(await page.getByText('for members only').count()).toBe(0);
  });

  it('a page on another port can neither sign in nor sign out, although the browser sends the cookie', async () => {
    const forms = ['/sign-out', '/sign-in']
      .map((path) => `<form method="post" action="${service.url}${path}"><button>${path}</button></form>`)
      .join('');
    // Another port is the same site: SameSite does not protect against it.
    const neighbour = createServer((_request, answer) =>
      answer.setHeader('content-type', 'text/html').end(`<!doctype html><title>n</title>${forms}`),
    );
    await new Promise<void>((resolve) => neighbour.listen(0, '127.0.0.1', resolve));
    const address = neighbour.address();
    const port = typeof address === 'object' && address ? address.port : 0;
    const page = await open('/logs');
    await enter(page, 'guest', 'guest-password');
    await page.waitForURL('**/logs');
    for (const path of ['/sign-out', '/sign-in']) {
      await page.goto(`http://127.0.0.1:${port}/`);
      const [answer] = await Promise.all([
        page.waitForResponse(service.url + path),
        page.getByRole('button', { name: path }).click(),
      ]);
      expect((await answer.request().allHeaders())['sec-fetch-site']).toBe('same-site');
      expect(answer.status()).toBe(403);
    }
    await page.goto(`${service.url}/logs`);
    await page.getByText('for members only').first().waitFor();
    neighbour.close();
    neighbour.closeAllConnections();
  });

  it('the console has no error or warning', () => {
    expect(faults).toEqual([]);
  });
});

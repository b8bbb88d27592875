/** Opens pages in a real browser. Console errors, failed requests, dialogs and CSP violations fail the test. */

import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { HtmlValidate } from 'html-validate';
import type { Browser, BrowserContext, BrowserContextOptions, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, expect } from 'vitest';
import { openChromium, signIn } from '../support/browser.ts';

export type User = 'admin' | 'guest' | null;
/** Opens a page in a new browser context. `allows`: expected errors; `withoutScripts`: script requests are blocked. */
export type OpenPage = (
  path: string,
  who?: User,
  options?: BrowserContextOptions & { allows?: RegExp[]; withoutScripts?: boolean },
) => Promise<Page>;

type Visit = { page: Page; faults: string[]; allowed: RegExp[]; n_aborted: number };
const visits = new Map<Page, Visit>();

/** Allows errors of this page that the test causes on purpose. */
export function allowBrowserErrors(page: Page, ...complaints: RegExp[]): void {
  visits.get(page)?.allowed.push(...complaints);
}

/** The minimum time between two announcements to a screen reader; timers may fire slightly early. */
const announcement_ms_min = 4_900;

/**
 * Runs in the page before its own scripts. The debugger injects it, so the page's CSP does not apply. It reports CSP
 * violations and too frequent announcements on the console.
 */
function watch(pause_ms_min: number): void {
  document.addEventListener('securitypolicyviolation', ({ violatedDirective, blockedURI }) =>
    console.error(`CSP: ${violatedDirective} ${blockedURI}`),
  );
  const last = new Map<string, { text: string; at: number }>();
  new MutationObserver(() => {
    for (const place of document.querySelectorAll('[role=status], [aria-live=polite]')) {
      const text = place.textContent.trim();
      const name = place.id;
      const before = last.get(name);
      if (text === (before?.text ?? '')) continue;
      const at = text === '' ? (before?.at ?? Number.NEGATIVE_INFINITY) : performance.now();
      if (text !== '' && before && at - before.at < pause_ms_min)
        console.error(`announced too soon, after ${Math.round(at - before.at)} ms: ${before.text} | ${text}`);
      last.set(name, { text, at });
    }
  }).observe(document, { subtree: true, childList: true, characterData: true });
}

/** One browser of each kind per test file, because starting one takes longer than most tests. */
const browsers = new Map<() => Promise<Browser>, Promise<Browser>>();

/** Opens pages of a service for this file's tests. After each test the pages are closed and must have no errors. */
export function openPages(urlOf: () => string, open: () => Promise<Browser> = openChromium): OpenPage {
  let browser: Browser | null = null;
  const start = () => {
    const started = browsers.get(open) ?? open();
    browsers.set(open, started);
    return started;
  };
  /** Verifying a password is slow by design, so each user signs in once. */
  const cookies = new Map<User, Awaited<ReturnType<BrowserContext['cookies']>>>();
  async function enter(context: BrowserContext, who: User): Promise<void> {
    if (!who) return;
    if (!cookies.has(who)) await signIn(context, urlOf(), who, `${who}-password`);
    else await context.addCookies(cookies.get(who) ?? []);
    cookies.set(who, await context.cookies());
  }
  beforeAll(async () => {
    browser = await start();
  });
  afterEach(async () => {
    const faults = [...visits.values()].flatMap(({ faults, allowed, n_aborted }) => {
      let excused = n_aborted;
      return faults.filter((fault) => {
        if (allowed.some((pattern) => pattern.test(fault))) return false;
        // In Firefox, htmx says so of each request that a navigation or a newer request aborts.
        if (fault.startsWith('console: htmx: htmx:error: NetworkError') && excused > 0) {
          excused -= 1;
          return false;
        }
        return true;
      });
    });
    const contexts = new Set([...visits.keys()].map((page) => page.context()));
    visits.clear();
    await Promise.all([...contexts].map((context) => context.close()));
    expect(faults).toEqual([]);
  });
  afterAll(async () => {
    browsers.delete(open);
    await browser?.close();
  });

  return async (path, who = 'admin', { allows = [], withoutScripts = false, ...options } = {}) => {
    if (!browser) throw new Error('opened outside of a test');
    const context = await browser.newContext({ viewport: { width: 1200, height: 800 }, ...options });
    context.setDefaultTimeout(30_000);
    await context.addInitScript(watch, announcement_ms_min);
    await enter(context, who);
    const page = await context.newPage();
    if (withoutScripts) await page.route('**/*.js*', (route) => route.abort());
    const faults: string[] = [];
    const visit: Visit = { page, faults, allowed: [...allows], n_aborted: 0 };
    visits.set(page, visit);
    page.on('console', (message) => {
      if (['error', 'warning'].includes(message.type())) faults.push(`console: ${message.text()}`);
    });
    page.on('pageerror', (error) => faults.push(`error: ${error.message}`));
    page.on('dialog', (dialog) => {
      faults.push(`dialog: ${dialog.message()}`);
      void dialog.dismiss();
    });
    page.on('requestfailed', (request) => {
      const why = request.failure()?.errorText ?? '';
      // Expected: a request aborted for a newer one, a stream that the page closed, a blocked script.
      if (/ERR_ABORTED|NS_BINDING_ABORTED|NS_BASE_STREAM_CLOSED/.test(why)) visit.n_aborted += 1;
      else faults.push(`${why}: ${request.url()}`);
    });
    page.on('response', (response) => {
      if (response.status() >= 400) faults.push(`${response.status()}: ${response.url()}`);
    });
    await page.goto(urlOf() + path);
    return page;
  };
}

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const tags = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];

/** The violations that axe finds in the page's current state, one line each. The debugger injects axe, past the CSP. */
export async function axeFindings(page: Page): Promise<string[]> {
  await page.evaluate(axe);
  return page.evaluate<string[]>(
    `axe.run(document, { runOnly: ${JSON.stringify(tags)} }).then(({ violations }) =>
      violations.flatMap(({ id, nodes }) => nodes.map(({ html, failureSummary }) => id + ': ' + html.slice(0, 200) + ' ' + failureSummary)))`,
  );
}

const valid = new HtmlValidate({
  extends: ['html-validate:recommended'],
  rules: {
    'doctype-style': 'off',
    // A list may have a name: the facets are distinguished by it.
    'aria-label-misuse': ['error', { allowAnyNamable: true }],
  },
});

/** The validation errors of a page's HTML as it was served, one line each. */
export async function invalidIn(markup: string): Promise<string[]> {
  const { results } = await valid.validateString(markup);
  return results.flatMap(({ messages }) =>
    messages.map(({ ruleId, message, line, column }) => `${line}:${column} ${ruleId}: ${message}`),
  );
}

/** The ids of the rows in the page, from the top. */
export const idsOf = (page: Page): Promise<number[]> =>
  page.locator('#rows > li[id]').evaluateAll((rows) => rows.map(({ id }) => Number(id.slice(1))));

export const rowsOf = (page: Page) => page.locator('#rows > li[id]');

/** The path and the query of the page's URL. */
export const addressOf = (page: Page): string => {
  const { pathname, search } = new URL(page.url());
  return pathname + search;
};

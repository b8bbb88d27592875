/** Time to the first painted row in Chromium, compared with a file that contains only the same rows. */
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Browser, BrowserContext, Page } from 'playwright-core';
import { type Line, type Shop, timesLine } from './page-service.ts';

const loads_n = 10;

/** Serves static documents by path: the lower bound for the cost of a page. */
export async function openBare(documents: Record<string, string>) {
  const server = createServer((request, answer) => {
    const text = documents[request.url ?? ''];
    answer.writeHead(text === undefined ? 404 : 200, { 'content-type': 'text/html; charset=utf-8' });
    answer.end(text);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: () => {
      server.closeAllConnections();
      server.close();
    },
  };
}

/** A browser context with an empty cache and a session. */
export async function visit(browser: Browser, { url, cookie }: Shop): Promise<BrowserContext> {
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 } });
  await context.addCookies([{ ...cookie, url }]);
  return context;
}

/** The markup of the newest `rows` entries, as the service renders it, 1,000 per page. */
export async function rowsOf({ url, cookie }: Shop, rows: number): Promise<string> {
  let markup = '';
  let path: string | undefined = `/logs?limit=${Math.min(rows, 1_000)}`;
  for (let n = 0; n < rows && path; n += 1_000) {
    const answer: Response = await fetch(url + path, { headers: { cookie: `${cookie.name}=${cookie.value}` } });
    const page: string = await answer.text();
    markup += /<ol id="rows">([\s\S]*?)<\/ol>/.exec(page)?.[1];
    path = /<a id="more" rel="next" href="([^"]+)"/.exec(page)?.[1]?.replaceAll('&amp;', '&');
    if (path && !path.includes('limit=')) path += '&limit=1000';
  }
  const found = markup.match(/<li id="e\d+"/g)?.length;
  if (found !== rows) throw new Error(`${rows} rows were asked for, ${found} came`);
  return markup;
}

export const bareList = (rows: string) =>
  `<!doctype html><html lang="en"><meta charset="utf-8"><title>Rows</title><ol id="rows">${rows}</ol></html>`;

/** Runs in the page. An animation frame callback runs before the paint; a task queued in it runs after the paint. */
const watch = `new MutationObserver((_, observer) => {
  if (!document.querySelector('#rows > li')) return;
  observer.disconnect();
  requestAnimationFrame(() => setTimeout(() => { window.firstRow_ms = performance.now(); }));
}).observe(document, { childList: true, subtree: true });`;

const seen = `(async () => {
  const fcp = () => performance.getEntriesByName('first-contentful-paint')[0];
  while (!(window.firstRow_ms && fcp())) await new Promise((resolve) => setTimeout(resolve, 20));
  const { loadEventEnd } = performance.getEntriesByType('navigation')[0];
  return { row: window.firstRow_ms, paint: fcp().startTime, load: loadEventEnd };
})()`;

type Seen = { row: number; paint: number; load: number };

async function load(page: Page, address: string): Promise<Seen> {
  await page.goto(address, { waitUntil: 'load' });
  return page.evaluate<Seen>(seen);
}

/** Loads the reference and the page alternately, each with an empty cache, and then the page with a warm cache. */
export async function measureFirstRow(browser: Browser, shop: Shop): Promise<Line[]> {
  const bare = await openBare({ '/': bareList(await rowsOf(shop, 50)) });
  const [cold, warm, reference]: [Seen[], Seen[], Seen[]] = [[], [], []];
  // The first load is not counted: it warms up the browser.
  for (let n = 0; n <= loads_n; n++) {
    const context = await visit(browser, shop);
    await context.addInitScript(watch);
    const page = await context.newPage();
    const times = [await load(page, bare.url), await load(page, `${shop.url}/logs`)] as const;
    await page.goto('about:blank');
    const again = await load(page, `${shop.url}/logs`);
    await context.close();
    if (n === 0) continue;
    reference.push(times[0]);
    cold.push(times[1]);
    warm.push(again);
  }
  bare.close();
  const of = (list: Seen[], key: keyof Seen) => list.map((times) => times[key]);
  return [
    timesLine('first row painted', of(cold, 'row'), of(reference, 'row')),
    timesLine('first contentful paint', of(cold, 'paint'), of(reference, 'paint')),
    timesLine('all loaded, scripts have run', of(cold, 'load'), of(reference, 'load')),
    timesLine('second view: first row painted', of(warm, 'row'), of(reference, 'row')),
  ];
}

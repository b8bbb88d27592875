/** The browser's cost of live rows, compared with inserting the same rows into a static page at once. */
import type { Browser, CDPSession, Page } from 'playwright-core';
import { demoLive } from '../src/commands/demo-shop.ts';
import { bareList, openBare, rowsOf, visit } from './page-browser.ts';
import { type Line, median, type Shop } from './page-service.ts';

const live_rows = 2_000;
const runs_n = 3;
/** Rows per POST: sent as fast as they are acknowledged, or slowly enough that every row is rendered. */
const fast_rows = 50;
const slow_rows = 40;
/** Longer than the 250 ms for which the page's stream collects rows. */
const slow_ms = 270;
/** The maximum of rows in the page: viewer.js removes older ones. */
const page_rows_max = 1_000;
/** Time for the requests that the last row causes, mostly new counts. */
const settle_ms = 600;

type Cost = {
  wall: number;
  task: number;
  script: number;
  layout: number;
  style: number;
  nodes: [number, number];
  heap: [number, number];
  longest: number;
  messages: number;
  bytes: number;
  listed: number;
  admitted: number;
};

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

async function metricsOf(cdp: CDPSession): Promise<(name: string) => number> {
  const { metrics } = await cdp.send('Performance.getMetrics');
  return (name) => metrics.find((metric) => metric.name === name)?.value ?? Number.NaN;
}

async function memoryOf(cdp: CDPSession): Promise<[nodes: number, heap: number]> {
  await cdp.send('HeapProfiler.collectGarbage');
  const metric = await metricsOf(cdp);
  return [metric('Nodes'), metric('JSHeapUsedSize')];
}

/** Uses the browser's own entries (from 50 ms): a requestAnimationFrame loop would add cost. */
const watchFrames = `window.longest_ms = 0;
new PerformanceObserver((list) => {
  for (const { duration } of list.getEntries()) window.longest_ms = Math.max(window.longest_ms, duration);
}).observe({ type: 'long-animation-frame' }); 0`;

/** The main thread's time during `act`, which resolves with the ms until all rows were visible. */
async function costOf(page: Page, cdp: CDPSession, act: () => Promise<number>) {
  const before = await memoryOf(cdp);
  const from = await metricsOf(cdp);
  await page.evaluate(watchFrames);
  const wall = await act();
  await pause(settle_ms);
  const to = await metricsOf(cdp);
  const longest = await page.evaluate<number>('window.longest_ms');
  const after = await memoryOf(cdp);
  const spent = (name: string) => (to(name) - from(name)) * 1_000;
  return {
    ...{ wall, longest, task: spent('TaskDuration'), script: spent('ScriptDuration') },
    ...{ layout: spent('LayoutDuration'), style: spent('RecalcStyleDuration') },
    nodes: [before[0], after[0]] as [number, number],
    heap: [before[1], after[1]] as [number, number],
  };
}

/** Resolves in the page, after the paint, when the stream has reported all rows, counted from its messages. */
const untilReported = `window.n_messages = 0;
window.shown = new Promise((resolve) => {
  let told = 0;
  addEventListener('htmx:sse:after:message', ({ detail: { message: { event, data } } }) => {
    if (event || !data) return;
    window.n_messages += 1;
    told += Number(/\\d+/.exec(data));
    if (told >= ${live_rows}) requestAnimationFrame(() => setTimeout(resolve));
  });
}); 0`;

/** The final list: rendered rows, and events that are only counted in the link of a gap. */
const inList = `[
  document.querySelectorAll('#rows > li.new').length,
  [...document.querySelectorAll('#rows > .gap > a')].map((a) => new URL(a.href).searchParams)
    .reduce((sum, to) => sum + Number(to.get('upto')) - Number(to.get('after')), 0),
  document.querySelectorAll('#rows > li').length,
]`;

type Pace = { rows: number; pause_ms: number };

/** One page that follows during writes. Throws unless every row was rendered, counted in a gap, or removed by the limit. */
async function follow(browser: Browser, shop: Shop, { rows, pause_ms }: Pace): Promise<Cost> {
  const context = await visit(browser, shop);
  const page = await context.newPage();
  const cdp = await context.newCDPSession(page);
  await cdp.send('Performance.enable');
  await cdp.send('Network.enable');
  let bytes = 0;
  cdp.on('Network.dataReceived', ({ dataLength }) => {
    bytes += dataLength;
  });
  await page.goto(`${shop.url}/logs?live=1`);
  await page.locator('#live-state').getByText('Live', { exact: true }).waitFor();
  await page.evaluate(untilReported);
  await pause(settle_ms);
  bytes = 0;
  const events = demoLive(7);
  const spent = await costOf(page, cdp, async () => {
    const start = performance.now();
    for (let n = 0; n < live_rows; n += rows) {
      await shop.log(Array.from({ length: rows }, () => events.next().value));
      if (pause_ms) await pause(Math.max(0, start + (n / rows + 1) * pause_ms - performance.now()));
    }
    await page.evaluate('window.shown');
    return performance.now() - start;
  });
  const [drawn, admitted, listed] = await page.evaluate<[number, number, number]>(inList);
  const messages = await page.evaluate<number>('window.n_messages');
  await context.close();
  const isAll = drawn + admitted === live_rows || listed === page_rows_max;
  if (!isAll) throw new Error(`of ${live_rows} events ${drawn} were drawn and ${admitted} admitted`);
  return { ...spent, bytes, messages, listed, admitted };
}

/** Inserts the same rows as one text into an empty list. */
async function insert(browser: Browser, bareUrl: string): Promise<Cost> {
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 } });
  const page = await context.newPage();
  const cdp = await context.newCDPSession(page);
  await cdp.send('Performance.enable');
  await page.goto(bareUrl);
  const bytes = await page.evaluate<number>(
    `fetch('/rows').then((answer) => answer.text()).then((text) => { window.rows = text; return new Blob([text]).size; })`,
  );
  const spent = await costOf(page, cdp, () =>
    page.evaluate<number>(`new Promise((resolve) => {
      const start = performance.now();
      document.getElementById('rows').insertAdjacentHTML('afterbegin', window.rows);
      requestAnimationFrame(() => setTimeout(() => resolve(performance.now() - start)));
    })`),
  );
  await context.close();
  return { ...spent, bytes, messages: 1, listed: live_rows, admitted: 0 };
}

const several = async (run: () => Promise<Cost>, n: number): Promise<Cost[]> => {
  const costs: Cost[] = [];
  while (costs.length < n) costs.push(await run());
  return costs;
};

function linesOf(live: Cost[], bare: Cost[]): Line[] {
  const of = (costs: Cost[], pick: (cost: Cost) => number) => median(costs.map(pick));
  const alone = (what: string, unit: string, pick: (cost: Cost) => number, goal?: number): Line => ({
    ...{ what, unit, value: of(live, pick) },
    ...(goal !== undefined && { goal }),
  });
  const line = (what: string, unit: string, pick: (cost: Cost) => number): Line => ({
    ...alone(what, unit, pick),
    reference: of(bare, pick),
  });
  return [
    line('until all are shown', 'ms', ({ wall }) => wall),
    line('main thread', 'ms', ({ task }) => task),
    line('  of it script', 'ms', ({ script }) => script),
    line('  of it style', 'ms', ({ style }) => style),
    line('  of it layout', 'ms', ({ layout }) => layout),
    line('longest frame (0: none of 50 ms)', 'ms', ({ longest }) => longest),
    alone('messages', '', ({ messages }) => messages),
    line('bytes received', 'bytes', ({ bytes }) => bytes),
    alone('rows in the list at the end', '', ({ listed }) => listed, page_rows_max),
    alone('events counted in a gap', '', ({ admitted }) => admitted),
    alone('DOM nodes before', '', ({ nodes: [before] }) => before),
    line('DOM nodes after', '', ({ nodes: [, after] }) => after),
    alone('JS heap before', 'KiB', ({ heap: [before] }) => before / 1024),
    line('JS heap after', 'KiB', ({ heap: [, after] }) => after / 1024),
  ];
}

/** Measures a burst; `slowly` writes the same rows at a rate at which each of them is rendered. */
export async function measureLive(browser: Browser, shop: Shop) {
  const burst = await several(() => follow(browser, shop, { rows: fast_rows, pause_ms: 0 }), runs_n);
  const bare = await openBare({ '/': bareList(''), '/rows': await rowsOf(shop, live_rows) });
  const reference = await several(() => insert(browser, bare.url), runs_n);
  bare.close();
  return {
    burst: linesOf(burst, reference),
    slowly: async () => linesOf([await follow(browser, shop, { rows: slow_rows, pause_ms: slow_ms })], reference),
  };
}

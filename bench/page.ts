/**
 * The cost of the page on a log of 100,000 events: bytes of the first view, response times, time to the first row in
 * Chromium, and 2,000 live rows, each compared with a reference in the same run. Exits with 1 when the first view
 * exceeds its limit of bytes. `npm run bench:page`
 */
import { cpus } from 'node:os';
import type { Browser } from 'playwright-core';
import { hasChromium, openChromium } from '../test/support/browser.ts';
import { type BenchDatabase, openBenchDatabases } from './databases.ts';
import { measureFirstRow } from './page-browser.ts';
import { measureLive } from './page-live.ts';
import { first_view_bytes_max, measureBytes, measureServer } from './page-server.ts';
import { events_n, type Line, openShop } from './page-service.ts';

/** After this time the slow measurement is skipped with a message. */
const late_ms = 150_000;
const widths = [44, 10, 10, 10, 7, 8] as const;

function number(value: number | undefined, unit: string): string {
  if (value === undefined || Number.isNaN(value)) return '';
  const digits = unit === 'ms' && value < 100 ? 1 : 0;
  return value.toLocaleString('en', { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

function print(title: string, lines: Line[], [first, second]: [string, string] = ['p95', 'reference']): void {
  const cells = (texts: string[]) =>
    texts
      .map((text, i) => (i === 0 ? text.padEnd(widths[0]) : text.padStart(widths[i] ?? 0)))
      .join(' ')
      .trimEnd();
  console.log(`\n${cells([title, '', first, second, 'ratio', 'goal'])}`);
  for (const { what, value, unit, p95, reference, goal } of lines) {
    const ratio = reference ? (value / reference).toFixed(2) : '';
    const texts = [
      number(value, unit),
      number(p95, unit),
      number(reference, unit),
      ratio,
      goal ? `≤ ${number(goal, unit)}` : '',
    ];
    console.log(cells([`  ${what}${unit && `, ${unit}`}`, ...texts]));
  }
}

/** Runs all measurements on one database; returns whether the first view exceeds its limit of bytes. */
async function measure(database: BenchDatabase, browser: Browser | null, hasTime: () => boolean): Promise<boolean> {
  const shop = await openShop(database);
  try {
    const { lines, over } = await measureBytes(shop);
    print(`${database.name}: bytes, gzipped`, lines, ['', 'before']);
    print(`${database.name}: the server`, await measureServer(shop), ['p95', 'as JSON']);
    if (!browser) return over;
    print(`${database.name}: Chromium, nothing cached`, await measureFirstRow(browser, shop), ['p95', 'bare file']);
    const { burst, slowly } = await measureLive(browser, shop);
    print(`${database.name}: 2,000 live rows in a burst`, burst, ['', 'at once']);
    if (hasTime()) print(`${database.name}: 2,000 live rows, slowly`, await slowly(), ['', 'at once']);
    return over;
  } finally {
    await shop.close();
  }
}

async function main(): Promise<void> {
  const started = performance.now();
  const databases = await openBenchDatabases();
  const browser = hasChromium() ? await openChromium() : null;
  console.log(`The page on ${events_n.toLocaleString('en')} events of a made-up shop's month. The service is a process of its own (Node ${process.version},
no TLS, not compressed: gzip is reckoned here); it, the database${browser ? `, Chromium ${browser.version()}` : ''} and this share ${cpus().length} cores.
Medians. The references, in the same run and in turn: the same question as JSON (/api/logs?limit=50); the same rows in
a file without style and script from a bare server; the same 2,000 rows in one insertAdjacentHTML on a bare page.`);
  let over = false;
  try {
    over = await measure(databases.pglite, browser, () => false);
    // The cost of rendering each row does not depend on the database, so it is measured once.
    const hasTime = () => {
      const has = performance.now() - started < late_ms;
      if (!has) console.log('\nThe measurement of slow live rows is skipped: the run already took too long.');
      return has;
    };
    over = (await measure(databases.postgres, browser, hasTime)) || over;
  } finally {
    await browser?.close();
    await databases.close();
  }
  console.log(`\n${((performance.now() - started) / 1000).toFixed(0)} s`);
  if (!over) return;
  console.error(`The first view has more than ${first_view_bytes_max.toLocaleString('en')} bytes.`);
  process.exitCode = 1;
}

await main();

/** `npm run pictures`: takes the pictures of the page in docs/, with events of a demo shop. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { BrowserContextOptions, Page } from 'playwright-core';
import { createClient } from '../../src/client.ts';
import { demoHistory } from '../../src/commands/demo-shop.ts';
import { startNode } from '../../src/runtime/node.ts';
import { readSettings } from '../../src/settings.ts';
import { openChromium, signIn } from './browser.ts';

const folder = await mkdtemp(join(tmpdir(), 'edgetrail-pictures-'));
const settings = (name: string) => readSettings({ PORT: '0', DATA_DIR: join(folder, name) });
const [shop, nothing] = [await startNode(settings('shop')), await startNode(settings('nothing'))];
const browser = await openChromium();

const change = (status: string, more: object = {}) => ({
  event_type: 'UPDATE',
  entity_type: 'order',
  entity_id: '5550',
  user_id: 'ana',
  service: 'checkout',
  trace_id: '4bf92f3577b34da6a3ce929d0e0e4736',
  description: `Order 5550 is ${status.toLowerCase()}`,
  metadata: {
    old_status: 'PENDING',
    new_status: status,
    old_total: 119.7,
    new_total: 99.5,
    carrier: null,
    items: [
      { product: 'p-117', quantity: 2 },
      { product: 'p-104', quantity: 1 },
    ],
  },
  ...more,
});
const log = createClient({ url: shop.url, user: 'admin', password: 'admin123' });

/** Opens a page as a signed-in user, or the sign-in page without a session. */
async function take(
  name: string,
  path: string,
  prepare: (page: Page) => Promise<unknown> = async () => {},
  options: BrowserContextOptions = {},
  { url } = shop,
): Promise<void> {
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, ...options });
  if (!path.startsWith('/sign-in')) await signIn(context, url, 'admin', 'admin123');
  const page = await context.newPage();
  await page.goto(url + path);
  await prepare(page);
  await page.screenshot({ path: fileURLToPath(new URL(`../../docs/${name}.png`, import.meta.url)) });
  await context.close();
}

const live = (page: Page) => page.locator('#live-state').getByText('Live', { exact: true }).waitFor();
async function openFirst(page: Page): Promise<void> {
  await page.locator('#rows > li summary').first().click();
  await page.getByRole('link', { name: 'Permalink' }).waitFor();
}

/** The pages beside the log, each light, dark and narrow. */
const pages = {
  board: '/boards/overview',
  user: '/boards/user?user_id=u-buyer',
  visits: '/visits',
  visit: '/visits/8002',
  trace: `/traces/${change('').trace_id}`,
  entity: '/entities/order/5550',
  unusual: '/unusual',
  patterns: '/patterns',
  digest: `/digests/${new Date().toISOString().slice(0, 10)}`,
};
const looks: Record<string, BrowserContextOptions> = {
  light: {},
  dark: { colorScheme: 'dark' },
  narrow: { viewport: { width: 390, height: 844 } },
};

/** Waits until everything is derived from the events; the reader of what is unusual is made at the first question. */
async function derived(): Promise<void> {
  const headers = { authorization: `Basic ${btoa('admin:admin123')}` };
  const unusual = async () => (await fetch(`${shop.url}/unusual`, { headers })).text();
  while (!(await unusual()).includes('All events are read')) await new Promise((resolve) => setTimeout(resolve, 500));
  const lags = async () => {
    const text = await (await fetch(`${shop.url}/metrics`)).text();
    return [...text.matchAll(/^edgetrail_reader_lag_events\{[^}]*\} (\d+)$/gm)].map(([, lag]) => lag);
  };
  while ((await lags()).some((lag) => lag !== '0')) await new Promise((resolve) => setTimeout(resolve, 500));
}

try {
  const history = demoHistory({ n_events: 8_000, days: 14, seed: 7, now_ms: Date.now() });
  while (history.length > 0) await log(history.splice(0, 1_000));
  await log(change('PAID'));
  await take('light', '/logs?last=7d');
  await take('dark', '/logs?last=7d', undefined, { colorScheme: 'dark' });
  await take('wide', '/logs?last=7d', undefined, { viewport: { width: 2000, height: 900 } });
  await take('narrow', '/logs?last=7d', undefined, { viewport: { width: 360, height: 740 }, deviceScaleFactor: 2 });
  await take('row', '/logs?entity_type=order&event_type=UPDATE', openFirst);
  await take('live', '/logs?live=1', async (page) => {
    await live(page);
    await log([change('PACKED'), change('SENT')]);
    await page.getByText('Order 5550 is sent').waitFor();
    await openFirst(page);
    await log(Array.from({ length: 12 }, (_, n) => change('SENT', { entity_id: String(n) })));
    await page.getByRole('button', { name: '12 new' }).waitFor();
  });
  await log(
    Array.from({ length: 25 }, (_, n) => ({
      event_type: 'DELETE',
      entity_type: 'product',
      entity_id: `p-${100 + n}`,
      user_id: 'u-buyer',
      service: 'orders',
      description: `Product p-${100 + n} removed`,
      ip_address: '203.0.113.7',
    })),
  );
  await derived();
  for (const [name, path] of Object.entries(pages))
    for (const [look, options] of Object.entries(looks))
      await take(`pictures/${name}-${look}`, path, undefined, options);
  await take('sign-in', '/sign-in');
  await take('empty', '/logs', undefined, {}, nothing);
} finally {
  await browser.close();
  await Promise.all([shop.close(), nothing.close()]);
  await rm(folder, { recursive: true, force: true });
}

/** `npm run picture`: takes the README's picture of the page, with the demo's events in it. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createClient } from '../src/client.ts';
import { demoHistory } from '../src/runtime/demo-shop.ts';
import { startNode } from '../src/runtime/node.ts';
import { readSettings } from '../src/settings.ts';
import { openChromium, signIn } from './browser.ts';

const folder = await mkdtemp(join(tmpdir(), 'edgetrail-picture-'));
const service = await startNode(readSettings({ PORT: '0', DATA_DIR: folder }));
const browser = await openChromium();
try {
  const log = createClient({ url: service.url, user: 'admin', password: 'admin123' });
  await log(demoHistory({ n_events: 800, days: 2, seed: 7, now_ms: Date.now() }).slice(-1_000));
  const context = await browser.newContext({ viewport: { width: 1200, height: 900 } });
  await signIn(context, service.url, 'admin', 'admin123');
  const page = await context.newPage();
  await page.goto(`${service.url}/logs?live=1`);
  await page.getByText('Live: new events appear on top.').waitFor();
  await page.locator('#rows > li').nth(2).locator('summary').click();
  await page.screenshot({ path: fileURLToPath(new URL('picture.png', import.meta.url)) });
} finally {
  await browser.close();
  await service.close();
  await rm(folder, { recursive: true, force: true });
}

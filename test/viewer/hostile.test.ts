/** Hostile content in the log (XSS): the page shows it as text everywhere and never executes it. */
import { expect, it } from 'vitest';
import { startService } from '../support/harness.ts';
import { inChromium } from '../support/in-chromium.ts';
import { openPages, rowsOf } from './browser-page.ts';

const payloads = [
  `<img src=x onerror="window.ran=1"><script>window.ran=1</script>`,
  `" onmouseover="window.ran=1" autofocus onfocus="window.ran=1" x="`,
  `' onclick='window.ran=1`,
  `</title></textarea></script><svg onload=window.ran=1>`,
  `javascript:window.ran=1`,
  `{{constructor.constructor("window.ran=1")()}}$\{window.ran=1}`,
  `<a hx-get="/public/style.css" hx-trigger="load" hx-on:click="window.ran=1" hx-vals="js:{x:window.ran=1}">x</a>`,
  `<hx-partial hx-target="body" hx-swap="innerHTML"><h1>taken over</h1></hx-partial>`,
  `<template hx type="partial" hx-target="#log"></template>`,
  `\u202e<b>turned</b>\u2066\u0007`,
  `a\n\nevent: close\ndata: <h1>taken over</h1>\n\nid: 99999999\n\n`,
];
const hostile = payloads.map((payload, n) => ({
  // Long payloads are cut by the service's own limits, not here: a label holds 50 characters.
  event_type: payload.slice(0, 50),
  entity_type: payload.slice(0, 50),
  entity_id: payload,
  user_id: payload,
  service: payload.slice(0, 100),
  trace_id: payload.slice(0, 100),
  session_id: payload,
  user_agent: payload,
  description: payload,
  metadata: {
    [payload]: payload,
    old_x: payload,
    new_x: `${payload}${n}`,
    list: [payload],
    deep: { [payload]: [payload] },
  },
}));

inChromium.describe('hostile content in the log', async () => {
  const service = await startService('postgres');
  const open = openPages(() => service.url);
  const isUntouched = { ran: false, taken: 0, scripts: 3, handlers: 0, headings: 1 };

  it('is never executed: in rows, details, facets, bars, chips, the search line, live rows', async () => {
    const stored = await service.write(hostile);
    const page = await open('/logs?live=1');
    await expect.poll(() => page.locator('#live-state').textContent()).toMatch(/^Live/);
    await service.write(hostile);
    await expect.poll(() => rowsOf(page).count()).toBe(2 * hostile.length);
    const state = () =>
      page.evaluate(() => ({
        ran: 'ran' in window,
        taken: [...document.querySelectorAll('h1')].filter((h1) => /taken over/.test(h1.textContent)).length,
        scripts: document.scripts.length,
        handlers: [...document.querySelectorAll('*')].filter((element) =>
          [...element.attributes].some(({ name }) => /^on|^hx-on|^hx-vals/.test(name)),
        ).length,
        headings: document.querySelectorAll('h1').length,
      }));
    expect(await state()).toEqual(isUntouched);
    for (let i = 0; i < hostile.length; i++) {
      const row = rowsOf(page).nth(i);
      await row.locator('summary').first().click();
      await row.getByRole('link', { name: 'Permalink' }).waitFor();
      await row.hover({ position: { x: 5, y: 5 } });
    }
    await page.locator('#rows details details').evaluateAll((inner) => {
      for (const each of inner) each.setAttribute('open', '');
    });
    expect(await state()).toEqual(isUntouched);
    expect(await rowsOf(page).last().textContent()).toContain(payloads[0]);

    for (const [n, payload] of payloads.entries()) {
      const query = new URLSearchParams([
        ['event_type', payload.slice(0, 50)],
        ['user_id', payload],
        ['entity_id!', `${payload}x`],
        ['search', payload.slice(0, 200)],
      ]);
      await page.goto(`${service.url}/logs?${query}`);
      expect(await state()).toEqual(isUntouched);
      expect(await rowsOf(page).count()).toBe(2);
      // Submitting the search line yields the same filter as the URL.
      await page.getByRole('searchbox').press('Enter');
      await expect.poll(() => rowsOf(page).count()).toBe(2);
      if (n % 3 === 0) {
        await page.goto(`${service.url}/logs/${stored[n]?.id}`);
        expect(await state()).toEqual(isUntouched);
      }
    }
  });

  it('produces no link to another origin', async () => {
    const page = await open('/logs');
    for (const row of await rowsOf(page).all()) await row.locator('summary').first().click();
    const addresses = await page
      .locator('a')
      .evaluateAll((links) => links.map((link) => new URL(link.getAttribute('href') ?? '', location.href).href));
    const foreign = addresses.filter((address) => !address.startsWith(`${service.url}/`));
    expect(foreign).toEqual([]);
  });
});

/** The pages of a trace and of an entity: valid and accessible, wide and narrow, light and dark; what they leave out is said. */
import { HtmlValidate } from 'html-validate';
import { describe, expect, it } from 'vitest';
import { startService } from '../support/harness.ts';
import { inChromium } from '../support/in-chromium.ts';
import { axeFindings, openPages } from '../viewer/browser-page.ts';

const valid = new HtmlValidate({ extends: ['html-validate:recommended'], rules: { 'doctype-style': 'off' } });
const service = await startService('postgres');
const at = (ms: number) => new Date(Date.UTC(2026, 2, 1, 12) + ms).toISOString();
const get = async (path: string) => (await service.request(path, { headers: { accept: 'text/html' } })).text();

const long = 'x'.repeat(200);
const hostile = '<b>a"b</b>&\u200b';
const thing = { entity_type: 'order', entity_id: hostile, trace_id: long.slice(0, 100), session_id: 's' };
await service.write([
  { ...thing, event_type: 'CREATE', service: 'shop', user_id: 'ana', metadata: { name: hostile, [long]: long } },
  { ...thing, event_type: 'UPDATE', service: 'stock', metadata: { old_a: [1, { b: '' }], new_a: '', from: 1 } },
  { ...thing, event_type: long, entity_id: long, user_id: long, description: `${long} ${long}`, timestamp: at(0) },
  { ...thing, event_type: 'DELETE', user_id: hostile, session_id: null },
]);
// A tree deeper than its indentation, with an orphan and a clock that differs.
await service.write(
  Array.from({ length: 16 }, (_, i) => ({
    ...{ event_type: 'STEP', entity_type: 'job', trace_id: 'tree', service: `s${i % 3}`, description: hostile },
    span_id: `${i}`,
    parent_span_id: i === 0 ? hostile : `${i - 1}`,
    caused_by: hostile,
    timestamp: at(i === 9 ? -9_000 : i),
  })),
);
const pages = [
  `/traces/${thing.trace_id}`,
  '/traces/tree',
  `/entities/order/${encodeURIComponent(hostile)}`,
  `/entities/order/${encodeURIComponent(hostile)}?at=2`,
];

describe('a page', () => {
  it.each(pages)('%s is valid, and nothing in it is markup', async (path) => {
    const text = await get(path);
    const { results } = await valid.validateString(text);
    expect(
      results.flatMap(({ messages }) => messages.map(({ ruleId, message, line }) => `${line} ${ruleId}: ${message}`)),
    ).toEqual([]);
    expect(text).not.toContain('<b>a"');
    expect(text).not.toContain('style=');
    expect(text).toContain('⟨U+200B⟩');
  });
});

inChromium.describe('in a browser', () => {
  const open = openPages(() => service.url);
  it.each(pages)('axe finds nothing in %s, and nothing scrolls sideways', async (path) => {
    const page = await open(path);
    expect(await axeFindings(page)).toEqual([]);
    await page.emulateMedia({ colorScheme: 'dark' });
    await page.setViewportSize({ width: 360, height: 740 });
    for (const summary of await page.locator('main summary').all()) await summary.click();
    expect(await axeFindings(page)).toEqual([]);
    expect(await page.evaluate(() => document.documentElement.scrollWidth - innerWidth)).toBeLessThanOrEqual(0);
  });
});

describe('what is left out is said', () => {
  const entityOf = async (id: string) =>
    (await (await service.request(`/api/entities/counter/${id}`)).json()) as {
      state: { fields: object; whole: boolean };
      events: object[];
      older: number;
    };

  it('of the state of an entity with more than 2,000 events', async () => {
    const counted = (i: number) => ({
      event_type: 'UPDATE',
      entity_type: 'counter',
      entity_id: '1',
      timestamp: at(i),
      metadata: { changes: { [i === 0 ? 'first' : 'n']: { from: i, to: i + 1 } } },
    });
    for (const from of [0, 1_000]) await service.write(Array.from({ length: 1_000 }, (_, i) => counted(from + i)));
    const whole = await entityOf('1');
    expect(whole.state).toMatchObject({ whole: true, fields: { first: 1, n: 2_000 } });
    expect(whole.events).toHaveLength(100);
    expect((await entityOf(`1?at=${whole.older}`)).state.fields).toEqual({ first: 1, n: 1_900 });
    await service.write([counted(2_000)]);
    expect((await entityOf('1')).state).toMatchObject({ whole: false, fields: { n: 2_001 } });
    expect(await get('/entities/counter/1')).toContain('Not the whole state:');
  });

  it('of a trace with more than 5,000 events, and each number leads to its events', async () => {
    const event = (i: number) => ({
      event_type: 'STEP',
      entity_type: 'job',
      trace_id: 'large',
      service: `s${i % 30}`,
      // Three in one millisecond, also where the reading ends.
      timestamp: at(Math.floor(i / 3)),
    });
    for (let from = 0; from < 5_200; from += 1_000)
      await service.write(Array.from({ length: Math.min(1_000, 5_200 - from) }, (_, i) => event(from + i)));
    type Trace = { total: number; services: Sum[]; events: object[]; unread: Sum };
    type Sum = { n: number; link: string };
    const trace = (await (await service.request('/api/traces/large')).json()) as Trace;
    expect(trace.total).toBe(5_200);
    expect(trace.services).toHaveLength(25);
    expect(trace.events.length + trace.unread.n).toBe(5_200);
    const page = await get('/traces/large');
    expect(page).toContain(`The first ${trace.events.length.toLocaleString('en-US')} were read`);
    const sums = [...page.matchAll(/href="(\/logs\?[^"]*)"><title>([\d,]+) events? more/g)];
    expect(sums).toHaveLength(25);
    const shown = sums.map(([, link = '', n = '']) => ({
      link: link.replaceAll('&amp;', '&'),
      n: Number(n.replace(',', '')),
    }));
    for (const { n, link } of [...trace.services, trace.unread, ...shown]) {
      const listed = (await (await service.request(`/api${link}`)).json()) as { total: number };
      expect([link, listed.total]).toEqual([link, n]);
    }
  });
});

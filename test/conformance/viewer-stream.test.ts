/** The live stream of the page: times in the reader's time zone, and a link instead of too many rows. */
import { describe, expect, it } from 'vitest';
import { credentials, startService } from '../support/harness.ts';

const service = await startService({ env: { USERS: 'admin:admin:admin-password guest:guest:guest-password' } });
const event = (n: number, more: object = {}) => ({
  event_type: 'CREATE',
  entity_type: 'order',
  entity_id: `${n}`,
  ...more,
});

/** Reads a stream until its text matches, then closes it; returns the text. */
async function readUntil(path: string, text: string | RegExp, headers: Record<string, string> = {}): Promise<string> {
  const over = new AbortController();
  const answer = await fetch(service.url + path, {
    headers: { authorization: credentials.guest, accept: 'text/html', ...headers },
    signal: AbortSignal.any([over.signal, AbortSignal.timeout(10_000)]),
  });
  let received = '';
  const decoder = new TextDecoder();
  for await (const chunk of answer.body ?? []) {
    received += decoder.decode(chunk, { stream: true });
    if (received.match(text)) break;
  }
  over.abort();
  return received;
}

it('shows each reader an event in their own time zone', async () => {
  const [{ id = 0 } = {}] = await service.write([event(0)]);
  const zones = { UTC: 'UTC', 'Asia/Tokyo': 'Asia/Tokyo', 'America/New_York': 'America/New_York' };
  const reading = Object.values(zones).map((zone) =>
    readUntil(`/logs/stream?after=${id}`, /<li/, { cookie: `edgetrail-zone=${encodeURIComponent(zone)}` }),
  );
  await new Promise((resolve) => setTimeout(resolve, 300));
  await service.write([event(1, { timestamp: '2026-01-02T12:00:00Z' })]);
  const texts = await Promise.all(reading);
  expect(texts.map((text) => /title="([^"]+)"/.exec(text)?.[1])).toEqual([
    '2026-01-02 12:00:00.000 UTC',
    '2026-01-02 21:00:00.000 Asia/Tokyo',
    '2026-01-02 07:00:00.000 America/New_York',
  ]);
});

describe('more events than the stream sends at once', async () => {
  const [{ id: before = 0 } = {}] = await service.write([event(0)]);
  await service.write(Array.from({ length: 500 }, (_, n) => event(n, { user_id: n % 2 ? 'odd' : 'even' })));

  it('are a link with their number, which leads to all of them in parts with correct numbers', async () => {
    const received = await readUntil(`/logs/stream?after=${before}&user_id=odd`, /class="gap"/);
    const drawn = received.match(/<li [^>]*id="e\d+"/g)?.length ?? 0;
    expect(drawn).toBeGreaterThan(0);
    let [left, seen] = [250 - drawn, 0];
    let href = /href="(\/logs\/between[^"]+)"[^>]*>([\d,]+) more/.exec(received);
    const rows: number[] = [];
    while (href) {
      expect(Number(href[2]?.replace(',', ''))).toBe(left);
      const answer = await service.request((href[1] ?? '').replaceAll('&amp;', '&'), {
        as: 'guest',
        headers: { 'hx-request': 'true', accept: 'text/html' },
      });
      const part = await answer.text();
      const ids = [...part.matchAll(/<li id="e(\d+)"/g)].map(([, id]) => Number(id));
      rows.unshift(...ids);
      seen += ids.length;
      left -= ids.length;
      href = /href="(\/logs\/between[^"]+)"[^>]*>([\d,]+) more/.exec(part);
    }
    expect([left, seen]).toEqual([0, 250 - drawn]);
    expect(rows).toEqual([...new Set(rows)].toSorted((a, b) => b - a));
  });
});

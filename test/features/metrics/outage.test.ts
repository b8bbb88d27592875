/** A scrape while the database is away, or a feature fails: it says so, and has everything else. */
import { expect, it } from 'vitest';
import { freshPostgres, startService } from '../../support/harness.ts';
import { proxyTo } from '../../support/proxy.ts';
import { scrape } from '../../support/scrape.ts';

it('while the database is away a scrape has the numbers of the process', { timeout: 300_000 }, async () => {
  const proxy = await proxyTo(await freshPostgres());
  const service = await startService('postgres', { place: { DATABASE_URL: proxy.url } });
  await service.write({ event_type: 'CREATE', entity_type: 'order' });
  const up = 'edgetrail_scrape_source_up{source="log"}';
  expect((await scrape(service)).get(up)).toBe(1);
  for (const away of [() => proxy.close(), () => proxy.swallow({ fresh: true })]) {
    await away();
    const samples = await scrape(service);
    expect(samples.get(up)).toBe(0);
    expect(samples.get('edgetrail_append_events_sum')).toBe(1);
    expect(samples.has('edgetrail_log_events_total')).toBe(false);
    if (away.toString().includes('close')) await proxy.open();
  }
});

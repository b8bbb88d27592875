/** Disconnected followers leak nothing on Workers: the Durable Object stops polling. */
import { leakTests } from '../../support/leaks.ts';
import { start } from '../../targets/workers.ts';

leakTests('Workers', {
  n: 500,
  start: async (settings) => {
    const { url, rss_bytes } = await start({ ...settings, HEARTBEAT_MS: '250' });
    return { url, holds: async () => ({ rss_bytes: rss_bytes() }) };
  },
  grown_max: { rss_bytes: 128 * 1024 * 1024 },
});

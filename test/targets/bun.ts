/** Bun, as `npm run start:bun` runs it: a process that a signal ends. */
import { rssOf, spawnService } from '../support/process.ts';
import type { Running } from './running.ts';

export async function start(settings: Record<string, string>): Promise<Running> {
  const service = spawnService(settings, 'bun');
  return {
    url: await service.ready,
    stop: async () => {
      service.child.kill('SIGTERM');
      const code = await service.ended;
      if (code !== 0) throw new Error(`ended with ${code}:\n${service.output()}`);
    },
    rss_bytes: () => rssOf(service.child.pid),
  };
}

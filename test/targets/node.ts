/** Node, in the test's own process: the quickest to start, and a failure's stack leads to its line. */
import { startNode } from '../../src/runtime/node.ts';
import { readSettings } from '../../src/settings.ts';
import type { Running } from './running.ts';

export async function start(settings: Record<string, string>): Promise<Running> {
  const { url, close } = await startNode(readSettings(settings));
  return { url: url.replace('localhost', '127.0.0.1'), stop: close, rss_bytes: () => process.memoryUsage().rss };
}

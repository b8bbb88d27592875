/** Node, in the process of the test: the fastest start, and the stack trace of a failure shows its line. */
import { startNode } from '../../src/runtime/node.ts';
import { readSettings } from '../../src/settings.ts';
import type { Running } from './running.ts';

export async function start(settings: Record<string, string>): Promise<Running> {
  const { url, close } = await startNode(readSettings(settings));
  return { url: url.replace('localhost', '127.0.0.1'), stop: close, rss_bytes: () => process.memoryUsage().rss };
}

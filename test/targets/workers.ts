/** Cloudflare Workers: not yet. */
import type { Running } from './running.ts';

export async function start(_settings: Record<string, string>): Promise<Running> {
  throw new Error('not yet');
}

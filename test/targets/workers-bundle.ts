/** Global set-up of the Workers project: the bundle that `wrangler deploy` would upload, built once. */
import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { TestProject } from 'vitest/node';
import { unstable_getMiniflareWorkerOptions } from 'wrangler';

type MiniflareWorkerOptions = ReturnType<typeof unstable_getMiniflareWorkerOptions>['workerOptions'];

declare module 'vitest' {
  interface ProvidedContext {
    /** The file of the Worker's bundle, and its options from wrangler.toml for Miniflare. */
    worker: { bundle: string; options: MiniflareWorkerOptions };
  }
}

export default async function setup({ provide }: TestProject): Promise<() => Promise<void>> {
  const root = new URL('../..', import.meta.url).pathname;
  const folder = await mkdtemp(join(tmpdir(), 'edgetrail-worker-'));
  await promisify(execFile)(`${root}node_modules/.bin/wrangler`, ['deploy', '--dry-run', '--outdir', folder], {
    cwd: root,
    env: { ...process.env, WRANGLER_SEND_METRICS: 'false' },
  });
  const { workerOptions } = unstable_getMiniflareWorkerOptions(`${root}wrangler.toml`);
  provide('worker', { bundle: join(folder, 'worker.js'), options: workerOptions });
  return () => rm(folder, { recursive: true, force: true });
}

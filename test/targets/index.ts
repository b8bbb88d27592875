/** Where the conformance suite runs: each runtime with the databases it can have. A column of the table is one of them. */
import type { Running } from './running.ts';

export const databases = ['pglite', 'postgres'] as const;
export type DatabaseName = (typeof databases)[number];

export const runtimes = ['node', 'bun', 'workers'] as const;
export type RuntimeName = (typeof runtimes)[number];

export type Target = { runtime: RuntimeName; database: DatabaseName };

export const targets: readonly Target[] = [
  { runtime: 'node', database: 'pglite' },
  { runtime: 'node', database: 'postgres' },
  { runtime: 'bun', database: 'pglite' },
  { runtime: 'bun', database: 'postgres' },
  { runtime: 'workers', database: 'postgres' },
];

export const targetName = ({ runtime, database }: Target) => `${runtime} · ${database}`;

declare module 'vitest' {
  interface ProvidedContext {
    /** What the project of a conformance file runs on; undefined in all other tests, which run on Node. */
    target: Target | undefined;
  }
}

/** Starts the service on a runtime. Only that runtime's file is loaded. */
export async function start(runtime: RuntimeName, settings: Record<string, string>): Promise<Running> {
  const { start } = await {
    node: () => import('./node.ts'),
    bun: () => import('./bun.ts'),
    workers: () => import('./workers.ts'),
  }[runtime]();
  return start(settings);
}

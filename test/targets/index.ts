/** The targets of the conformance suite: each runtime with its databases. Each is a column of the conformance table. */
import { debianBin } from './debian-postgres.ts';
import type { Running } from './running.ts';

export const databases = ['pglite', 'postgres'] as const;
export type DatabaseName = (typeof databases)[number];

export const runtimes = ['node', 'bun', 'workers'] as const;
export type RuntimeName = (typeof runtimes)[number];

export type Target = {
  runtime: RuntimeName;
  database: DatabaseName;
  /** With the server of Debian's package: with JIT, an older version, and a search_path that is not the default. */
  jit?: true;
};

export const targets: readonly Target[] = [
  { runtime: 'node', database: 'pglite' },
  { runtime: 'node', database: 'postgres' },
  { runtime: 'bun', database: 'pglite' },
  { runtime: 'bun', database: 'postgres' },
  { runtime: 'workers', database: 'postgres' },
  ...(debianBin() ? [{ runtime: 'node', database: 'postgres', jit: true } as const] : []),
];

export const targetName = ({ runtime, database, jit }: Target) => `${runtime} · ${database}${jit ? ' with JIT' : ''}`;

declare module 'vitest' {
  interface ProvidedContext {
    /** The target of a conformance project; undefined in all other tests, which run on Node. */
    target: Target | undefined;
    /** The databases of the tests that run on each; without it both. */
    databases?: DatabaseName[];
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

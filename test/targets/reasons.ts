/** Why a promise is not held, or cannot be tried, somewhere: every reason there is. The conformance table and docs/deploy.md list them. */
import type { DatabaseName, RuntimeName } from './index.ts';

export type Reason = {
  /** The runtimes or databases where it is so; `machine` when it depends on what is installed. */
  on: readonly (RuntimeName | DatabaseName | 'machine')[];
  because: string;
};

export const reasons = {
  embedded: {
    on: ['pglite'],
    because: 'the embedded database is in the process: there is no connection to lose, to share or to set up otherwise',
  },
  alone: { on: ['pglite'], because: 'the embedded database belongs to one process' },
  noShutdown: { on: ['workers'], because: 'Cloudflare ends Workers as it likes: there is no signal and no last word' },
  parser: {
    on: ['bun', 'workers'],
    because: 'what the runtime’s own HTTP parser refuses never reaches the service: its refusal has no body of ours',
  },
  edge: {
    on: ['workers'],
    because: 'connections are Cloudflare’s: a Worker cannot keep one open, nor say a header that is about one',
  },
  noChromium: { on: ['machine'], because: 'no Chromium on this machine (apt-get install chromium, or set CHROMIUM)' },
  noPgBouncer: { on: ['machine'], because: 'no PgBouncer on this machine (apt-get install pgbouncer)' },
} as const satisfies Record<string, Reason>;

/** Every reason for which a test may be skipped. The run fails on any other skip; docs/deploy.md lists the reasons. */
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
  noFirefox: { on: ['machine'], because: 'no Firefox on this machine (apt-get install firefox-esr, or set FIREFOX)' },
  noProxy: { on: ['machine'], because: 'no nginx or no Caddy on this machine (apt-get install nginx-light caddy)' },
  noSystemd: { on: ['machine'], because: 'no systemd-analyze on this machine (apt-get install systemd)' },
  noHttpx: { on: ['machine'], because: 'no python3 with httpx on this machine (apt-get install python3-httpx)' },
  noPgBouncer: { on: ['machine'], because: 'no PgBouncer on this machine (apt-get install pgbouncer)' },
} as const satisfies Record<string, Reason>;

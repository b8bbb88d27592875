/** Every reason for which a test may be skipped. The run fails on any other skip; docs/deploy.md lists the reasons. */
import type { DatabaseName, RuntimeName } from './index.ts';

export type Reason = {
  /** The runtimes or databases that the reason holds for; `machine` when it depends on an installed program. */
  on: readonly (RuntimeName | DatabaseName | 'machine')[];
  because: string;
};

export const reasons = {
  embedded: {
    on: ['pglite'],
    because: 'the embedded database is in the process: it has no connection that can fail, be pooled or be configured',
  },
  alone: { on: ['pglite'], because: 'one process alone may open the embedded database' },
  noShutdown: {
    on: ['workers'],
    because: 'Cloudflare ends a Worker without a signal: the service cannot finish requests or close streams first',
  },
  parser: {
    on: ['bun', 'workers'],
    because:
      'the runtime’s HTTP parser refuses the message before the service sees it: the response is not a problem document',
  },
  edge: {
    on: ['workers'],
    because: 'Cloudflare manages the connections: a Worker cannot keep one open or send a connection header',
  },
  isolate: {
    on: ['workers'],
    because: 'the local workerd drops connections while its one isolate hashes many passwords in its own thread',
  },
  compressed: { on: ['workers'], because: 'Cloudflare compresses responses itself' },
  hyperdrive: {
    on: ['workers'],
    because:
      'Hyperdrive keeps the connections to PostgreSQL and ends a query after 60 s: a Worker has no socket to close',
  },
  noCounters: {
    on: ['workers'],
    because:
      'a Worker runs in many isolates, each with counters of its own that it loses: only the numbers of the log are given out',
  },
  noChromium: { on: ['machine'], because: 'no Chromium on this machine (apt-get install chromium, or set CHROMIUM)' },
  noFirefox: { on: ['machine'], because: 'no Firefox on this machine (apt-get install firefox-esr, or set FIREFOX)' },
  noProxy: { on: ['machine'], because: 'no nginx or no Caddy on this machine (apt-get install nginx-light caddy)' },
  noSystemd: { on: ['machine'], because: 'no systemd-analyze on this machine (apt-get install systemd)' },
  noHttpx: { on: ['machine'], because: 'no python3 with httpx on this machine (apt-get install python3-httpx)' },
  noMount: { on: ['machine'], because: 'this user may not mount a small file system (run the tests as root)' },
  noPgBouncer: { on: ['machine'], because: 'no PgBouncer on this machine (apt-get install pgbouncer)' },
  noPrometheus: { on: ['machine'], because: 'no Prometheus on this machine (apt-get install prometheus)' },
  noOpenssl: { on: ['machine'], because: 'no openssl on this machine (apt-get install openssl)' },
  noAlertmanager: {
    on: ['machine'],
    because: 'no Alertmanager on this machine (apt-get install prometheus-alertmanager)',
  },
  noSyslog: {
    on: ['machine'],
    because: 'no rsyslog with rsyslog-openssl, or no syslog-ng on this machine (.ci/run installs both)',
  },
  noSwift: { on: ['machine'], because: 'no OpenStack Swift on this machine (.ci/run installs its four servers)' },
} as const satisfies Record<string, Reason>;

/** Cloudflare Workers: the bundle in workerd, started by Miniflare with the options of wrangler.toml. */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { Miniflare } from 'miniflare';
import { inject } from 'vitest';
import { rssOf } from '../support/process.ts';
import type { Running } from './running.ts';

export async function start({
  DATABASE_URL = '',
  TEST_AUTHORITY,
  ...settings
}: Record<string, string>): Promise<Running> {
  const { bundle, options } = inject('worker');
  const before = children();
  const trustedCertificates = TEST_AUTHORITY ? [TEST_AUTHORITY] : [];
  const miniflare = new Miniflare({
    ...options,
    modules: [{ type: 'ESModule', path: bundle }],
    modulesRoot: dirname(bundle),
    // The connection string of Hyperdrive without Miniflare's emulation: when the database drops a connection, that
    // emulation throws in this process and keeps the Worker's side open.
    hyperdrives: {},
    bindings: { ...settings, HYPERDRIVE: { connectionString: DATABASE_URL } },
    // Authorities that the runtime trusts besides the public ones: a test's own.
    outboundService: {
      network: { allow: ['public', 'private'], tlsOptions: { trustBrowserCas: true, trustedCertificates } },
    },
    cf: false,
    host: '127.0.0.1',
    port: 0,
  });
  const { origin } = await miniflare.ready;
  const [pid] = children().filter((child) => !before.includes(child));
  return {
    url: origin,
    stop: () => miniflare.dispose(),
    rss_bytes: () => rssOf(pid),
    scheduled: async () => void (await (await miniflare.getWorker()).scheduled()),
  };
}

/** The workerd processes that this process started. */
function children(): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      try {
        const [, name, parent] = /^\d+ \((.*)\) \S (\d+)/s.exec(readFileSync(`/proc/${pid}/stat`, 'utf8')) ?? [];
        return name === 'workerd' && Number(parent) === process.pid;
      } catch {
        return false; // The process has ended meanwhile.
      }
    })
    .map(Number);
}

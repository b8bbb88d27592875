/** Runs the Worker bundle in workerd: prints its address, and ends on SIGTERM. */
import { dirname } from 'node:path';
import { Miniflare } from 'miniflare';
import { unstable_getMiniflareWorkerOptions } from 'wrangler';

const [bundle = '', DATABASE_URL = ''] = process.argv.slice(2);
const { workerOptions } = unstable_getMiniflareWorkerOptions(new URL('../wrangler.toml', import.meta.url).pathname);
const { USERS = '', TOKENS = '' } = process.env;

const miniflare = new Miniflare({
  ...workerOptions,
  modules: [{ type: 'ESModule', path: bundle }],
  modulesRoot: dirname(bundle),
  hyperdrives: {},
  bindings: { USERS, TOKENS, HYPERDRIVE: { connectionString: DATABASE_URL } },
  cf: false,
  host: '127.0.0.1',
  port: 0,
});
process.once('SIGTERM', () => miniflare.dispose().then(() => process.exit(0)));
console.log(`  address   ${(await miniflare.ready).origin}`);

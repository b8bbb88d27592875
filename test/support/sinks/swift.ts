/** OpenStack Swift with its S3 API, where Debian's packages are installed: a proxy, and one server each for its accounts, containers and objects. */
import { type ChildProcess, execFile, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { type Credentials, encodePath, signed } from '../../../src/features/shipping/s3.ts';
import { atEnd } from '../at-end.ts';
import { eventually } from '../harness.ts';
import { freePort } from '../postgres-server.ts';

const storage = ['account', 'container', 'object'] as const;
const program = (name: string) => `/usr/bin/swift-${name}-server`;

// Swift keeps what it knows of an object in attributes of its file, which not every file system has.
const tryAttributes = `
import os, tempfile
with tempfile.NamedTemporaryFile(dir=${JSON.stringify(tmpdir())}) as file: os.setxattr(file.name, 'user.edgetrail', b'1')
`;

export const hasSwift = () =>
  ['proxy', ...storage].every((name) => existsSync(program(name))) &&
  spawnSync('/usr/bin/python3', ['-c', tryAttributes]).status === 0;

export type SwiftSide = {
  url: string;
  /** A signed request for a path of the store. */
  ask(method: string, path: string): Promise<Response>;
  /** The names of a bucket's objects, in the order in which Swift lists them. */
  names(bucket: string): Promise<string[]>;
};

/** An account of `tempauth`. Its default region is not that of the sink. */
export const swiftUser: Credentials = {
  access_key_id: 'test:tester',
  secret_access_key: 'a-secret-of-swift',
  region: 'eu-1',
};

/** Rings of one device and one replica. */
const rings = (folder: string, ports: number[]) => `
from swift.common.ring import RingBuilder
for name, port in zip(${JSON.stringify(storage)}, ${JSON.stringify(ports)}):
    ring = RingBuilder(1, 1, 0)
    ring.add_dev({'id': 0, 'region': 1, 'zone': 1, 'weight': 1, 'ip': '127.0.0.1', 'port': port, 'device': 'd1'})
    ring.rebalance()
    ring.get_ring().save('${folder}/%s.ring.gz' % name)
`;

const common = (folder: string, port: number) => `[DEFAULT]
bind_ip = 127.0.0.1
bind_port = ${port}
user = ${userInfo().username}
workers = 0
swift_dir = ${folder}
devices = ${folder}/devices
mount_check = false
fallocate_reserve = 0
`;

const storageConfig = (name: string) => `[pipeline:main]
pipeline = ${name}-server
[app:${name}-server]
use = egg:swift#${name}
`;

// Signed requests need no tokens, so what tempauth would keep in memcached is never asked for: nothing listens on port 1.
const proxyConfig = `[pipeline:main]
pipeline = catch_errors cache s3api tempauth copy slo dlo proxy-server
[filter:catch_errors]
use = egg:swift#catch_errors
[filter:cache]
use = egg:swift#memcache
memcache_servers = 127.0.0.1:1
[filter:s3api]
use = egg:swift#s3api
location = ${swiftUser.region}
[filter:tempauth]
use = egg:swift#tempauth
user_${swiftUser.access_key_id.replace(':', '_')} = ${swiftUser.secret_access_key} .admin
[filter:copy]
use = egg:swift#copy
[filter:slo]
use = egg:swift#slo
[filter:dlo]
use = egg:swift#dlo
[app:proxy-server]
use = egg:swift#proxy
# Asked before the others listen, the proxy would not ask them again for a minute.
error_suppression_limit = 1000000
conn_timeout = 10
node_timeout = 30
recoverable_node_timeout = 30
account_autocreate = true
`;

const run = promisify(execFile);
const none = new Uint8Array();

/** Starts them with a bucket that is empty; they are ended, and what they have stored is removed, after the file's tests. */
export async function startSwift(bucket: string): Promise<SwiftSide> {
  const folder = await mkdtemp(join(tmpdir(), 'edgetrail-swift-'));
  const children: ChildProcess[] = [];
  let output = '';
  atEnd(async () => {
    for (const child of children) {
      const ended = child.exitCode === null && child.signalCode === null && once(child, 'exit');
      child.kill('SIGKILL');
      await ended;
    }
    await rm(folder, { recursive: true, force: true });
  });
  await mkdir(join(folder, 'devices', 'd1'), { recursive: true });
  const ports = [await freePort(), await freePort(), await freePort()];
  await run('/usr/bin/python3', ['-c', rings(folder, ports)]);
  const start = async (name: string, config: string) => {
    const file = join(folder, `${name}-server.conf`);
    await writeFile(file, config);
    const child = spawn('/usr/bin/python3', [program(name), file, '--verbose'], { stdio: ['ignore', 'pipe', 'pipe'] });
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (output += chunk));
    children.push(child);
  };
  for (const [i, name] of storage.entries()) await start(name, common(folder, ports[i] ?? 0) + storageConfig(name));
  const port = await freePort();
  await start('proxy', common(folder, port) + proxyConfig);

  const url = `http://127.0.0.1:${port}`;
  const ask = async (method: string, path: string): Promise<Response> => {
    const pathname = encodePath(path);
    const headers = await signed(method, { host: `127.0.0.1:${port}`, pathname }, none, {}, swiftUser, new Date());
    return fetch(url + pathname, { method, headers });
  };
  await eventually('Swift has made a bucket', async () => {
    if (children.some(({ exitCode }) => exitCode !== null)) throw new Error(`Swift has ended:\n${output}`);
    return ask('PUT', `/${bucket}`).then(
      ({ ok }) => ok,
      () => false,
    );
  });
  return {
    url,
    ask,
    names: async (bucket) => {
      const listed = await (await ask('GET', `/${bucket}`)).text();
      return [...listed.matchAll(/<Key>([^<]+)<\/Key>/g)].map(([, key]) => key ?? '');
    },
  };
}

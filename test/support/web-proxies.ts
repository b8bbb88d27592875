/** nginx and Caddy with the files of deploy/, on free ports of loopback, in front of a service under test. */
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { eventually } from './harness.ts';
import { freePort } from './postgres-server.ts';

export const proxyNames = ['nginx', 'caddy'] as const;
export type ProxyName = (typeof proxyNames)[number];

const run = promisify(execFile);
const deploy = new URL('../../deploy/', import.meta.url);
// Debian installs nginx in a folder that is only in the PATH of root.
const env = { PATH: `${process.env.PATH ?? ''}:/usr/sbin` };
const versions: Record<ProxyName, [string, string]> = { nginx: ['nginx', '-v'], caddy: ['caddy', 'version'] };

/** True where a program is installed and runs. */
export function has(command: string, ...args: string[]): Promise<boolean> {
  return run(command, args, { env }).then(
    () => true,
    () => false,
  );
}

export const hasProxy = async (name: ProxyName) => (await has(...versions[name])) && (await has('openssl', 'version'));

export type WebProxy = {
  /** The public URL. */
  url: string;
  stop(): Promise<void>;
};

/** Replaces values that depend on the machine; throws when the shipped file does not contain one of them. */
function replace(text: string, changes: Record<string, string>): string {
  return Object.entries(changes).reduce((changed, [from, to]) => {
    if (!changed.includes(from)) throw new Error(`the shipped file does not contain: ${from}`);
    return changed.replace(from, to);
  }, text);
}

/**
 * Starts one with the shipped file: other ports, a certificate made for it, and a `proxy_read_timeout` short enough
 * for a test. The caller must stop it: otherwise the process outlives this one.
 */
export async function startProxy(name: ProxyName, services: string[], read_timeout_s = 60): Promise<WebProxy> {
  const folder = await mkdtemp(join(tmpdir(), 'edgetrail-proxy-'));
  await chmod(folder, 0o755); // nginx drops the rights of root and must be able to enter the folder.
  const [certificate, key, config] = ['cert.pem', 'key.pem', 'config'].map((file) => join(folder, file)) as [
    string,
    string,
    string,
  ];
  const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1'];
  const make = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2'];
  await run('openssl', [...make, '-keyout', key, '-out', certificate, ...subject]);
  const [port, plainPort] = [await freePort(), await freePort()];
  const hosts = services.map((service) => new URL(service).host);
  const url = `https://127.0.0.1:${port}`;

  if (name === 'nginx') {
    const shipped = replace(await readFile(new URL('nginx.conf', deploy), 'utf8'), {
      'listen 80;': `listen 127.0.0.1:${plainPort};`,
      'listen [::]:80;': '',
      'listen 443 ssl http2;': `listen 127.0.0.1:${port} ssl http2;`,
      'listen [::]:443 ssl http2;': '',
      '/etc/ssl/edgetrail.crt': certificate,
      '/etc/ssl/private/edgetrail.key': key,
      '127.0.0.1:9000': hosts[0] ?? '',
      ...(hosts[1] && { '# server 127.0.0.1:9001': `server ${hosts[1]}` }),
      'proxy_read_timeout 60s': `proxy_read_timeout ${read_timeout_s}s`,
    });
    const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
      (kind) => `${kind}_temp_path ${folder}/${kind};`,
    );
    // Options of a main configuration file that are bad for streams.
    const main = 'access_log off; gzip on; gzip_types *; gzip_proxied any; gzip_min_length 0;';
    await writeFile(
      config,
      `daemon off; pid ${folder}/pid; error_log stderr; events {}\nhttp { ${main} ${temporary.join(' ')}\n${shipped} }`,
    );
  } else {
    const shipped = replace(await readFile(new URL('Caddyfile', deploy), 'utf8'), {
      'log.example.com {': `${url} {\n\tbind 127.0.0.1\n\ttls ${certificate} ${key}`,
      '127.0.0.1:9000': hosts.join(' '),
    });
    await writeFile(config, `{\n\tadmin off\n\tauto_https disable_redirects\n\tskip_install_trust\n}\n${shipped}`);
  }

  const args = {
    nginx: ['-p', folder, '-c', config, '-e', 'stderr'],
    caddy: ['run', '--config', config, '--adapter', 'caddyfile'],
  };
  const child = spawn(name, args[name], { env: { ...env, HOME: folder, XDG_DATA_HOME: folder } });
  let output = '';
  child.stdout.on('data', (chunk) => (output += chunk));
  child.stderr.on('data', (chunk) => (output += chunk));
  const ended = once(child, 'exit');
  const stop = async () => {
    child.kill('SIGTERM');
    const late = setTimeout(() => child.kill('SIGKILL'), 5_000);
    await ended;
    clearTimeout(late);
    await rm(folder, { recursive: true, force: true });
  };
  const answers = () =>
    fetch(`${url}/livez`).then(
      ({ ok }) => ok,
      () => false,
    );
  await eventually(`${name} answers`, answers).catch(async (error) => {
    await stop();
    throw new Error(`${error.message}\n${output}`);
  });
  return { url, stop };
}

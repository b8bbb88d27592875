/** Prometheus and promtool, where Debian's package is installed: a second reader of our metrics and rules. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { atEnd } from './at-end.ts';
import { eventually } from './harness.ts';
import { freePort } from './postgres-server.ts';
import { has } from './web-proxies.ts';

export const hasPrometheus = () => has('promtool', '--version');

/** Runs promtool with a text as its input; returns its output and its exit code. */
export async function promtool(args: string[], input = ''): Promise<{ output: string; code: number }> {
  const child = spawn('promtool', args);
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (output += chunk));
  child.stdin.on('error', () => {});
  child.stdin.end(input);
  const [code] = await once(child, 'close');
  return { output, code };
}

export type Prometheus = {
  /** The value of each series of a query, by its labels as JSON. */
  query(text: string): Promise<{ labels: Record<string, string>; value: number }[]>;
  /** The names of the loaded alert rules. */
  rules(): Promise<string[]>;
};

/**
 * Starts Prometheus with this configuration; stops it after the file's tests. Left running it scrapes for ever, and
 * its port may be another test's by then.
 */
export async function startPrometheus(config: string): Promise<Prometheus> {
  const folder = await mkdtemp(join(tmpdir(), 'edgetrail-prometheus-'));
  const port = await freePort();
  await writeFile(join(folder, 'prometheus.yml'), config);
  const flags = [
    `--config.file=${join(folder, 'prometheus.yml')}`,
    `--storage.tsdb.path=${join(folder, 'data')}`,
    `--web.listen-address=127.0.0.1:${port}`,
  ];
  const child = spawn('prometheus', flags);
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (output += chunk));
  const ended = once(child, 'exit');
  atEnd(async () => {
    child.kill('SIGKILL');
    await ended;
    await rm(folder, { recursive: true, force: true });
  });
  const get = async (path: string) => {
    const answer = await fetch(`http://127.0.0.1:${port}${path}`);
    if (!answer.ok) throw new Error(`${answer.status} ${await answer.text()}`);
    return answer;
  };
  const isReady = () =>
    get('/-/ready').then(
      () => true,
      () => child.exitCode !== null,
    );
  await eventually('Prometheus is ready', isReady);
  if (child.exitCode !== null) throw new Error(`Prometheus ended with ${child.exitCode}:\n${output}`);
  return {
    query: async (text) => {
      const answer = await (await get(`/api/v1/query?query=${encodeURIComponent(text)}`)).json();
      const { result } = (answer as { data: { result: { metric: Record<string, string>; value: [number, string] }[] } })
        .data;
      return result.map(({ metric, value }) => ({ labels: metric, value: Number(value[1]) }));
    },
    rules: async () => {
      const answer = await (await get('/api/v1/rules')).json();
      const { groups } = (answer as { data: { groups: { rules: { name: string }[] }[] } }).data;
      return groups.flatMap(({ rules }) => rules.map(({ name }) => name));
    },
  };
}

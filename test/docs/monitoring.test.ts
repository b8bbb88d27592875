/** docs/monitoring.md: its examples run as they are printed, and its table has every metric. */
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';
import { cutReasons, transports } from '../../src/http/meter.ts';
import { startService } from '../support/harness.ts';
import { samplesOf } from '../support/samples.ts';
import { scrape } from '../support/scrape.ts';
import { blocks, plain, root, table, textOf } from './pages.ts';

const page = 'docs/monitoring.md';
const service = await startService('pglite');
await service.write({ event_type: 'CREATE', entity_type: 'order' });

/** Type and labels of each metric of a scrape. Labels of histograms' buckets are not their own. */
async function scraped(): Promise<string[][]> {
  const text = await (await service.request('/metrics')).text();
  const types = [...text.matchAll(/^# TYPE (\S+) (\S+)$/gm)].map(([, name = '', type = '']) => [name, type]);
  const labelsOf = (name: string) => {
    const [, labels = ''] = new RegExp(`^${name}(?:_count)?\\{(.*)\\} `, 'm').exec(text) ?? [];
    return [...labels.matchAll(/(\w+)="/g)].map(([, label]) => label);
  };
  return types.map(([name = '', type = '']) => [name, type, labelsOf(name).join(', ')]);
}

it('the example asks for the metrics', async () => {
  const [command = ''] = blocks.filter((block) => block.page === page).map(({ text }) => text);
  const here = command.replace('http://localhost:9000', service.url);
  const { stdout } = await promisify(execFile)('sh', ['-c', here]);
  expect(samplesOf(stdout).get('edgetrail_log_events_total')).toBe(1);
});

it('the table has every metric with its type and its labels, in the order of a scrape', async () => {
  await scrape(service);
  const documented = table(page, 'metric').map((row) => row.map((cell) => plain(cell).replaceAll('`', '')));
  expect(documented.map(([name = '', type = '', labels = '']) => [name, type, labels])).toEqual(await scraped());
  expect(documented.filter(([, , , means]) => !means)).toEqual([]);
});

it('the values of labels are those of the code', () => {
  const text = textOf(page);
  expect(text).toContain(`open live streams: ${transports.map((name) => `\`${name}\``).join(', ')}`);
  const [cuts = ''] = /^\| `edgetrail_follower_cuts_total` .*$/m.exec(text) ?? [];
  expect([...cuts.matchAll(/`(\w+)`/g)].slice(2).map(([, name]) => name)).toEqual(cutReasons);
});

it('the table of alerts has every rule', () => {
  const rules = readFileSync(new URL('docs/prometheus/edgetrail.rules.yml', root), 'utf8');
  const names = [...rules.matchAll(/^ +- alert: (\w+)$/gm)].map(([, name]) => name);
  expect(table(page, 'alert').map(([name = '']) => plain(name))).toEqual(names);
});

it('the table of a log line has every key of the example', () => {
  const [line = ''] = blocks
    .filter(({ page: on, language }) => on === page && language === 'json')
    .map(({ text }) => text);
  expect(
    table(page, 'key')
      .map(([name = '']) => plain(name))
      .toSorted(),
  ).toEqual(Object.keys(JSON.parse(line)).toSorted());
});

it('the version is that of the package', async () => {
  const { version } = JSON.parse(readFileSync(new URL('package.json', root), 'utf8')) as { version: string };
  const [row = ''] = [...(await scrape(service)).keys()].filter((name) => name.startsWith('edgetrail_build_info'));
  expect(row).toBe(`edgetrail_build_info{version="${version}",runtime="node",database="pglite"}`);
});

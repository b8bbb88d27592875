/** Prometheus and promtool read our metrics and our rules. */
import { readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { credentials, eventually, startService } from '../../support/harness.ts';
import { hasPrometheus, promtool, startPrometheus } from '../../support/prometheus.ts';
import { notOn } from '../../targets/not-on.ts';
import { reasons } from '../../targets/reasons.ts';

const docs = new URL('../../../docs/prometheus/', import.meta.url);
const pathOf = (name: string) => new URL(name, docs).pathname;

notOn(reasons.noPrometheus, !(await hasPrometheus())).describe('with Prometheus', async () => {
  const service = await startService('postgres');
  await service.write([
    { event_type: 'CREATE', entity_type: 'order' },
    { event_type: 'UPDATE', entity_type: 'order' },
  ]);
  const text = async () => (await service.request('/metrics')).text();

  it('promtool finds no fault in the metrics', async () => {
    expect(await promtool(['check', 'metrics'], await text())).toEqual({ output: '', code: 0 });
  });

  it('promtool finds a fault where there is one', async () => {
    const faulty = (await text()).replaceAll('edgetrail_log_events_total', 'edgetrail_log_events');
    expect(await promtool(['check', 'metrics'], faulty)).toMatchObject({ code: 3 });
  });

  it('promtool accepts the alert rules, and their tests pass', async () => {
    expect(await promtool(['check', 'rules', pathOf('edgetrail.rules.yml')])).toMatchObject({
      code: 0,
      output: expect.stringContaining('SUCCESS: 3 rules found'),
    });
    expect(await promtool(['test', 'rules', pathOf('edgetrail.rules.test.yml')])).toMatchObject({ code: 0 });
  });

  it('the tests of the rules fail when a rule is wrong', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'edgetrail-rules-'));
    onTestFinished(() => rm(folder, { recursive: true }));
    const rules = readFileSync(pathOf('edgetrail.rules.yml'), 'utf8');
    for (const wrong of [rules.replace('> 300', '> 302'), rules.replace('> 0', '> 2'), rules.replace('< 1', '< 2')]) {
      expect(wrong).not.toBe(rules);
      await writeFile(join(folder, 'edgetrail.rules.yml'), wrong);
      await writeFile(join(folder, 'test.yml'), readFileSync(pathOf('edgetrail.rules.test.yml')));
      expect(await promtool(['test', 'rules', join(folder, 'test.yml')])).toMatchObject({ code: 1 });
    }
  });

  it('a Prometheus with the configuration of the documentation scrapes it, and knows the rules', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'edgetrail-token-'));
    onTestFinished(() => rm(folder, { recursive: true }));
    const token = join(folder, 'token');
    await writeFile(token, credentials.scraper.replace('Bearer ', ''));
    const config = readFileSync(pathOf('prometheus.yml'), 'utf8');
    const changes = {
      'edgetrail.rules.yml': pathOf('edgetrail.rules.yml'),
      '15s': '1s',
      '/etc/prometheus/edgetrail.token': token,
      'localhost:9000': new URL(service.url).host,
    };
    const changed = Object.entries(changes).reduce((text, [from, to]) => text.replace(from, to), config);
    const prometheus = await startPrometheus(changed);
    const value = async (query: string) => (await prometheus.query(query))[0]?.value;
    await eventually('the service is up', async () => (await value('up{job="edgetrail"}')) === 1);
    expect(await value('edgetrail_log_events_total')).toBe(2);
    expect(await value('edgetrail_scrape_source_up{source="log"}')).toBe(1);
    expect(await value('edgetrail_append_events_sum')).toBe(2);
    // Every series of the scrape arrived, besides those that Prometheus adds.
    const lines = (await text()).split('\n').filter((line) => /^(edgetrail|process)_/.test(line));
    const scraped = await value('count({__name__=~"(edgetrail|process)_.+"})');
    // Prometheus asks for /metrics, and that request has a row from the second scrape on.
    expect(Math.abs((scraped ?? 0) - lines.length)).toBeLessThanOrEqual(2 * 15);
    expect(await prometheus.rules()).toEqual([
      'EdgetrailReaderLag',
      'EdgetrailInboxRefused',
      'EdgetrailPartitionMissing',
    ]);
  });
});

/** GET /metrics: the numbers of the log and of this process, for Prometheus and whatever reads its formats. */
import type { MiddlewareHandler } from 'hono';
import type { Metric } from '../../http/metric.ts';
import { pause } from '../../http/pause.ts';
import { type App, allowMethods, type Env, type Feature, type Parts, requireRight } from '../../parts.ts';
import { isFromLoopback } from './access.ts';
import { contentTypes, expose, formatFor } from './exposition.ts';
import { logMetrics, watchInbox } from './log-metrics.ts';
import { appendMetrics, buildMetric, processMetrics, requestMetrics } from './process-metrics.ts';

/** How long a scrape waits for the database, or for a feature, before it is answered without them. */
const source_ms_max = 3_000;

type Source = { name: string; read(): Promise<Metric[]> | Metric[] };

function routes(app: App, parts: Parts): void {
  const inboxSince = watchInbox();
  const sources: Source[] = [
    { name: 'log', read: () => logMetrics(parts.store, parts.build.usage ? inboxSince : null, Date.now()) },
    ...parts.features.flatMap(({ name, metrics }) => (metrics ? [{ name, read: () => metrics(parts) }] : [])),
  ];
  const readSource = sourceReader(parts);

  app.get('/metrics', fromLoopbackOrWithRight(parts), async (c) => {
    const { build } = parts;
    const read = await Promise.all(sources.map(readSource));
    const metrics = [
      buildMetric(build),
      {
        name: 'edgetrail_scrape_source_up',
        help: 'Whether a source of this scrape could be read: the log, or a feature',
        type: 'gauge',
        rows: sources.map(({ name }, i) => ({ labels: { source: name }, value: read[i] ? 1 : 0 })),
      } satisfies Metric,
      ...read.flatMap((found) => found ?? []),
      ...(build.usage ? [...appendMetrics(parts), ...requestMetrics(parts), ...processMetrics(build.usage)] : []),
    ];
    const format = formatFor(c.req.header('accept'));
    return c.body(expose(metrics, format), 200, { 'content-type': contentTypes[format] });
  });
  allowMethods(app, '/metrics', 'GET');
}

const fromLoopbackOrWithRight = (parts: Parts): MiddlewareHandler<Env> => {
  const withRight = requireRight(parts, 'metrics');
  return (c, next) => (!c.req.header('authorization') && isFromLoopback(c, parts) ? next() : withRight(c, next));
};

/**
 * Reads a source, or null when it fails or takes too long: while the database is away, the process has still something to
 * say. Of an outage the first failure is reported.
 */
function sourceReader({ report }: Parts) {
  const failing = new Set<string>();
  return async ({ name, read }: Source): Promise<Metric[] | null> => {
    const over = new AbortController();
    try {
      const late = pause(source_ms_max, over.signal).then(() => {
        throw new Error(`no answer within ${source_ms_max} ms`);
      });
      const found = await Promise.race([Promise.resolve().then(read), late]);
      failing.delete(name);
      return found;
    } catch (error) {
      if (!failing.has(name)) report(`the metrics of ${name} could not be read`, error);
      failing.add(name);
      return null;
    } finally {
      over.abort();
    }
  };
}

export const metrics: Feature = { name: 'metrics', routes };

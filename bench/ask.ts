/** Questions to the generated log: the time of one request, also of filters that no index answers. */
import type { Context, Measurement, Row } from './measurement.ts';
import { quantile } from './measurement.ts';
import { authorization, startServer, withServers } from './service.ts';

/** Each filter with the reason why it is hard. */
const hardFilters: [query: string, why: string][] = [
  ['search=x', 'a text of one letter'],
  ['search=zq', 'two letters that are nowhere'],
  ['search=via', 'three letters that are nearly everywhere'],
  ['search=nowhere', 'an absent word'],
  ['search=DHL', 'a word of old months'],
  ['search=recalled', 'a rare word of the first month'],
  ['search=nowhere&search=Postal', 'an absent word and a frequent one'],
  ['metadata.channel=web', 'a frequent value of the metadata'],
  ['metadata.channel=fax', 'an absent value of the metadata'],
  ['metadata.express=true&metadata.channel=ios', 'two frequent values of the metadata'],
  ['search!=via', 'a text that is nearly everywhere, excluded'],
  ['event_type!=UPDATE&event_type!=CREATE&event_type!=PAYMENT&event_type!=DELETE', 'rare by exclusion'],
  ['service!=checkout&search!=Postal&metadata.channel!=web&user_id!=user-1&entity_type!=order', 'five negations'],
  ['event_type=REFUND&entity_type=customer', 'two fields, rare together'],
  ['event_type=UPDATE&event_type=CREATE', 'two frequent values of one field'],
  ['service=checkout', 'a field without an index'],
  ['event_type=DELETE&user_id=user-3&search=paid', 'three fields'],
];

const tries = 5;
/** Given on the request, and in the goal of the issue. */
const answer_ms_max = 400;

async function ask(port: number, path: string): Promise<{ ms: number; body: string }> {
  const started = performance.now();
  const response = await fetch(`http://127.0.0.1:${port}${path}`, { headers: { authorization } });
  const body = await response.text();
  if (!response.ok) throw new Error(`${path}: ${response.status} ${body}`);
  return { ms: performance.now() - started, body };
}

/** The median and the longest time of a path. `again`: makes each request another one, as a cache would see it. */
async function timesOf(port: number, path: string): Promise<{ median: number; longest: number; body: string }> {
  const times: number[] = [];
  let body = '';
  for (let i = 0; i < tries; i++) {
    const answer = await ask(port, path);
    times.push(answer.ms);
    body = answer.body;
  }
  return { median: quantile(times, 0.5), longest: Math.max(...times), body };
}

async function measureHard({ generatedLog }: Context): Promise<Row[]> {
  const service = await startServer({ DATABASE_URL: await generatedLog() });
  return withServers([service], async () => {
    const rows: Row[] = [];
    for (const [query, why] of hardFilters) {
      const { median, longest, body } = await timesOf(service.port, `/api/logs?limit=50&${query}`);
      const page = JSON.parse(body) as { logs: unknown[]; searched_to?: string };
      rows.push({
        name: `list: ${why}`,
        value: longest,
        unit: 'ms at most',
        goal: { at_most: answer_ms_max },
        steady: false,
        more: { 'median ms': median, rows: page.logs.length, partial: page.searched_to ? 1 : 0 },
      });
    }
    return rows;
  });
}

async function measureCounts({ generatedLog, rows_n }: Context): Promise<Row[]> {
  const service = await startServer({ DATABASE_URL: await generatedLog() });
  return withServers([service], async () => {
    await derived(service.port);
    const rows: Row[] = [];
    for (const [path, what] of [
      ['/api/logs/stats', 'statistics'],
      ['/api/logs/stats?event_type=UPDATE&entity_type=order', 'statistics of two fields'],
      ['/api/logs?limit=1&event_type=UPDATE', 'a list with its total'],
    ] as const) {
      const { median, longest } = await timesOf(service.port, path);
      rows.push({
        name: `count: ${what}, ${rows_n.toLocaleString('en')} rows`,
        value: median,
        unit: 'ms',
        goal: { at_most: 20 },
        steady: false,
        more: { 'longest ms': longest },
      });
    }
    return rows;
  });
}

/** Waits until the statistics are quick: the rollup of a generated log is derived after the start. */
async function derived(port: number): Promise<void> {
  const deadline = Date.now() + 600_000;
  while ((await ask(port, '/api/logs/stats?service=checkout')).ms > 60) {
    if (Date.now() > deadline) throw new Error('the rollup was not derived in time');
    await new Promise((resolve) => setTimeout(resolve, 1_000));
  }
}

export const askMeasurements: Measurement[] = [
  { name: 'list: hard questions', measure: measureHard },
  { name: 'count', measure: measureCounts },
];

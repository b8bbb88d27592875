/** First pages of the generated log: hard filters, many combinations of filters, and a page far behind the first one. */
import { ask, timesOf, withBothLogs } from './ask.ts';
import { type Context, type Measurement, quantile, type Row } from './measurement.ts';
import { startServer, withServers } from './service.ts';

/** Each filter with the reason why it is hard. */
export const hardFilters: [query: string, why: string][] = [
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

const day_ms = 86_400_000;
const ago = (days: number) => new Date(Date.now() - days * day_ms).toISOString();
const lastWeek = `start_date=${ago(7)}`;
const oldMonth = `start_date=${ago(600)}&end_date=${ago(570)}`;

/** Combinations of the fields, of frequent, rare and absent values, and of times. */
const combinations = [
  '',
  'event_type=UPDATE',
  'event_type=DELETE',
  'event_type=REFUND',
  'event_type=NONE',
  'entity_type=order',
  'entity_type=product',
  'user_id=user-3',
  'user_id=user-13333',
  'user_id=nobody',
  'entity_id=order-3',
  'entity_id=order-150001',
  'entity_type=order&entity_id=order-3',
  'service=checkout',
  'session_id=session-1000',
  'trace_id=100064',
  'event_type=UPDATE&entity_type=order',
  'event_type=DELETE&entity_type=order',
  'event_type=REFUND&entity_type=customer',
  'event_type=DELETE&user_id=user-3',
  'event_type=REFUND&user_id=user-13333',
  'entity_type=order&user_id=user-3',
  'service=checkout&event_type=REFUND',
  'service=checkout&user_id=user-3',
  'event_type=DELETE&entity_type=order&user_id=user-3',
  'event_type=UPDATE&event_type=CREATE',
  'user_id=user-3&user_id=user-4',
  'entity_type=order&entity_type=payment&event_type=REFUND',
  'event_type!=UPDATE',
  'user_id!=user-3',
  'service!=checkout',
  'event_type!=UPDATE&entity_type!=order',
  lastWeek,
  `${lastWeek}&event_type=DELETE`,
  `${lastWeek}&user_id=user-3`,
  oldMonth,
  `${oldMonth}&event_type=DELETE`,
  `${oldMonth}&user_id=user-13333`,
  `${oldMonth}&search=recalled`,
  `end_date=${ago(300)}&event_type=REFUND`,
  'metadata.channel=web',
  'metadata.channel=web&event_type=DELETE',
  'search=paid',
  'search=paid&event_type=DELETE',
  'search=Postal&user_id=user-3',
  'search=recalled',
];

const tries = 30;
const hard_tries = 5;
const answer_ms_max = 400;
const list = '/api/logs?limit=50';

async function measureHard({ generatedLog }: Context): Promise<Row[]> {
  const service = await startServer({ DATABASE_URL: await generatedLog() });
  return withServers([service], async () => {
    const rows: Row[] = [];
    for (const [query, why] of hardFilters) {
      const { median, longest, last } = await timesOf(service.port, `${list}&${query}`, hard_tries);
      const page = JSON.parse(last.body) as { logs: unknown[]; searched_to?: string };
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

async function measureCombinations(context: Context): Promise<Row[]> {
  const { rows_n } = context;
  return withBothLogs(context, async (large, small) => {
    const [ofLarge, ofSmall]: [number[], number[]] = [[], []];
    let slowest = { query: '', p99: 0 };
    for (const query of combinations) {
      const { p99 } = await timesOf(large.port, `${list}&${query}`, tries);
      if (p99 > slowest.p99) slowest = { query, p99 };
      ofLarge.push(p99);
      ofSmall.push((await timesOf(small.port, `${list}&${query}`, tries)).p99);
    }
    const name = `list: ${combinations.length} combinations, ${rows_n.toLocaleString('en')} rows`;
    return [
      {
        name: `${name}, p99 of the slowest`,
        value: slowest.p99,
        unit: 'ms',
        goal: { at_most: 100 },
        steady: false,
        more: { 'median p99 ms': quantile(ofLarge, 0.5) },
        note: slowest.query,
      },
      {
        name: `${name}, against 100,000`,
        value: slowest.p99,
        unit: 'ms',
        reference: { name: 'ms for 100,000 rows', value: Math.max(...ofSmall) },
        goal: { at_most: 2 },
        steady: true,
      },
    ];
  });
}

const pages_deep = 100;

/** The cursor of the page that follows the first 100,000 rows. */
async function deepCursor(port: number): Promise<string> {
  let path = '/api/logs?limit=1000&count=none';
  for (let page = 0; page < pages_deep; page++) {
    const { link } = await ask(port, path);
    const [, next] = /<([^>]+)>; rel="next"/.exec(link) ?? [];
    if (!next) throw new Error(`the log has only ${page + 1} pages of 1,000`);
    path = next.replace(/^https?:\/\/[^/]+/, '');
  }
  return path.replace('limit=1000', 'limit=50').replace('count=none', 'count=fast');
}

async function measureDeep({ generatedLog }: Context): Promise<Row[]> {
  const service = await startServer({ DATABASE_URL: await generatedLog() });
  return withServers([service], async () => {
    const deep = await deepCursor(service.port);
    const [first, later]: [number[], number[]] = [[], []];
    for (let i = 0; i < 2 * tries; i++) {
      first.push((await ask(service.port, list)).ms);
      later.push((await ask(service.port, deep)).ms);
    }
    return [
      {
        name: 'list: a page 100,000 rows behind the first, by cursor',
        value: quantile(later, 0.5),
        unit: 'ms',
        reference: { name: 'ms for the first page', value: quantile(first, 0.5) },
        goal: { at_most: 1.5 },
        steady: true,
      },
    ];
  });
}

export const listMeasurements: Measurement[] = [
  { name: 'list: hard questions', measure: measureHard },
  { name: 'list: combinations', measure: measureCombinations },
  { name: 'list: deep page', measure: measureDeep },
];

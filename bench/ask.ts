/** Questions to the generated log: the time of one request, also of filters that no index answers. */
import { generateLog } from './generate.ts';
import { runLoad } from './load.ts';
import { type Context, type Measurement, quantile, type Row } from './measurement.ts';
import { authorization, startServer, token, withServers } from './service.ts';

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

const guests = 8;
const writers = 8;
const turn_ms = 5_000;
const turns = 3;

/** Single POSTs while guests ask the hard questions all the time, compared with the same POSTs alone, in turns. */
async function measureGuests(name: string, { databases, rows_n }: Context): Promise<Row[]> {
  const place = await databases.postgres.fresh();
  if ('DATABASE_URL' in place) await generateLog(place.DATABASE_URL, rows_n);
  const service = await startServer(place);
  const { port } = service;
  const posts = async () =>
    (await runLoad({ port, token, callers: writers, rows: 1, warm_ms: 500, ms: turn_ms })).rows / (turn_ms / 1000);
  const [alone, beside]: [number[], number[]] = [[], []];
  let asked = 0;
  const guest = async (until: { over: boolean }, from: number) => {
    for (let i = from; !until.over; i++) {
      const [query] = hardFilters[i % hardFilters.length] ?? [''];
      const path = i % 4 === 0 ? `/api/logs/stats?${query}` : `/api/logs?limit=50&${query}`;
      await fetch(`http://127.0.0.1:${port}${path}`, { headers: { authorization } }).then((answer) => answer.text());
      asked += 1;
    }
  };
  await withServers([service], async () => {
    for (let turn = 0; turn < turns; turn++) {
      alone.push(await posts());
      const until = { over: false };
      const asking = Promise.all(Array.from({ length: guests }, (_, i) => guest(until, i * 2)));
      beside.push(await posts());
      until.over = true;
      await asking;
    }
  });
  return [
    {
      name,
      value: quantile(beside, 0.5),
      unit: 'rows/s',
      reference: { name: 'rows/s alone', value: quantile(alone, 0.5) },
      goal: { at_least: 0.7 },
      steady: false,
      more: { 'questions a second': asked / ((turns * turn_ms) / 1000) },
    },
  ];
}

const guestsName = `guests: POSTs of ${writers} callers while ${guests} guests ask hard questions`;

export const askMeasurements: Measurement[] = [
  { name: guestsName, measure: (context) => measureGuests(guestsName, context) },
  { name: 'list: hard questions', measure: measureHard },
  { name: 'count', measure: measureCounts },
];

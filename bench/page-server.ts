/** The page's bytes and response times, compared with the same rows as JSON. */
import { Agent, get } from 'node:http';
import { gzipSync } from 'node:zlib';
import { type Line, type Shop, timesLine } from './page-service.ts';

/** The limit of the first view, gzipped: document with 50 rows, style sheet, scripts. */
export const first_view_bytes_max = 30_720;
/** zlib's default; nginx's default, which deploy/nginx.conf keeps, is 1. */
const gzip_level = 6;
const nginx_gzip_level = 1;

const warm_n = 5;
const measured_n = 50;

const filters: [string, string][] = [
  ['whole log', ''],
  ['filter', 'entity_type=order&event_type=UPDATE'],
  ['text search', 'search=failed'],
];

const headersOf = ({ cookie }: Shop) => ({ cookie: `${cookie.name}=${cookie.value}` });

const fetchWhole = async (shop: Shop, path: string, more: Record<string, string> = {}) => {
  const answer = await fetch(shop.url + path, { headers: { ...headersOf(shop), ...more } });
  return { answer, body: Buffer.from(await answer.arrayBuffer()) };
};

/** The style sheets and scripts that the document refers to, so that a new file is counted. */
const filesIn = (markup: string) =>
  [...markup.matchAll(/<(?:link rel="stylesheet" href|script src)="([^"]+)"/g)].map(([, path = '']) => path);

type Weighed = { name: string; raw: number; gzipped: number; fastest: number; again: number; later: number };

/** A file's bytes in the first view, in the next view, and in a view after its cache entry has expired. */
async function weigh(shop: Shop, path: string, name: string): Promise<Weighed> {
  const { answer, body } = await fetchWhole(shop, path);
  if (answer.status !== 200) throw new Error(`${path}: ${answer.status}`);
  const [cached, tag, date] = ['cache-control', 'etag', 'last-modified'].map((key) => answer.headers.get(key) ?? '');
  const gzipped = gzipSync(body, { level: gzip_level }).length;
  const isKept = /max-age=[1-9]/.test(cached ?? '');
  const asked = { ...(tag && { 'if-none-match': tag }), ...(date && { 'if-modified-since': date }) };
  const isStored = !cached?.includes('no-store') && Boolean(tag || date);
  const isSame = isStored && (await fetchWhole(shop, path, asked)).answer.status === 304;
  const isForGood = cached?.includes('immutable') ?? false;
  return {
    name,
    raw: body.length,
    gzipped,
    fastest: gzipSync(body, { level: nginx_gzip_level }).length,
    again: isKept || isSame ? 0 : gzipped,
    later: isForGood || isSame ? 0 : gzipped,
  };
}

/** The bytes of the first and the second view; `over` when the first view exceeds the limit. */
export async function measureBytes(shop: Shop): Promise<{ lines: Line[]; over: boolean }> {
  const markup = String((await fetchWhole(shop, '/logs')).body);
  const rows = markup.match(/<li id="e\d+"/g)?.length;
  if (rows !== 50) throw new Error(`the page has ${rows} rows`);
  const files = await Promise.all(
    filesIn(markup).map((path) => weigh(shop, path, path.replace(/^.*\/|\?.*$|-[\d.]+\.min/g, ''))),
  );
  const all = [await weigh(shop, '/logs', 'document with 50 rows'), ...files];
  const sum = (key: 'raw' | 'gzipped' | 'fastest' | 'again' | 'later') => all.reduce((n, file) => n + file[key], 0);
  const bytes = (what: string, value: number, goal?: number): Line => ({
    ...{ what, value, unit: 'bytes' },
    ...(goal && { goal }),
  });
  return {
    lines: [
      ...all.map(({ name, raw, gzipped }) => ({ ...bytes(name, gzipped), reference: raw })),
      { ...bytes('first view', sum('gzipped'), first_view_bytes_max), reference: sum('raw') },
      {
        ...bytes(`first view, gzip level ${nginx_gzip_level}`, sum('fastest'), first_view_bytes_max),
        reference: sum('raw'),
      },
      { ...bytes('second view, soon', sum('again')), reference: sum('gzipped') },
      { ...bytes('second view, a year later', sum('later')), reference: sum('gzipped') },
    ],
    over: sum('gzipped') > first_view_bytes_max,
  };
}

type Timed = { first: number; rows: number; last: number };

/** One request on a kept connection: ms to the first byte, to the end of the rows, and to the last byte. */
function ask(shop: Shop, agent: Agent, path: string): Promise<Timed> {
  return new Promise((resolve, reject) => {
    const start = performance.now();
    const since = () => performance.now() - start;
    const request = get(shop.url + path, { agent, headers: headersOf(shop) }, (answer) => {
      const times = { first: since(), rows: Number.NaN, last: Number.NaN };
      if (answer.statusCode !== 200) reject(new Error(`${path}: ${answer.statusCode}`));
      let text = '';
      answer.setEncoding('utf8');
      answer.on('data', (chunk) => {
        if (!Number.isNaN(times.rows)) return;
        text += chunk;
        if (/<ol id="rows">[\s\S]*<\/ol>/.test(text)) times.rows = since();
      });
      answer.on('end', () => resolve({ ...times, last: since() }));
      answer.on('error', reject);
    });
    request.on('error', reject);
  });
}

/** Requests page and JSON alternately, so that other load affects both. No ETag is sent, so no response is a 304. */
export async function measureServer(shop: Shop): Promise<Line[]> {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const lines: Line[] = [];
  for (const [name, query] of filters) {
    const [page, json]: [Timed[], Timed[]] = [[], []];
    for (let n = 0; n < warm_n + measured_n; n++) {
      const times = [
        await ask(shop, agent, `/api/logs?limit=50${query && `&${query}`}`),
        await ask(shop, agent, `/logs${query && `?${query}`}`),
      ] as const;
      if (n < warm_n) continue;
      json.push(times[0]);
      page.push(times[1]);
    }
    const of = (list: Timed[], key: keyof Timed) => list.map((times) => times[key]);
    lines.push(
      timesLine(`${name}: first byte`, of(page, 'first'), of(json, 'first')),
      timesLine(`${name}: 50 rows`, of(page, 'rows'), of(json, 'last')),
      timesLine(`${name}: last byte, counted`, of(page, 'last'), of(json, 'last')),
    );
  }
  agent.destroy();
  return lines;
}

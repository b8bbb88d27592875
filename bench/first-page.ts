/** First pages per second, compared with a bare server that runs the bare SQL of the page. */
import { derived } from './ask.ts';
import { runLoad } from './load.ts';
import type { Context, Measurement, Row } from './measurement.ts';
import { startServer, token, withServers } from './service.ts';

const callers = 8;
const warm_ms = 500;
const measured_ms = 2_000;
const turns = 3;

/** What is asked for, as the service's query; the bare server has an SQL statement of the same name. */
export const pages = {
  'no filter': '',
  'two filters': '&event_type=UPDATE&entity_type=order',
  'a user': '&user_id=user-3',
  'a search': '&search=paid',
} as const;

const bareServer = new URL('./bare-page.ts', import.meta.url).href;

async function measurePages({ generatedLog }: Context): Promise<Row[]> {
  const place = { DATABASE_URL: await generatedLog() };
  const service = await startServer(place);
  const bare = await startServer(place, bareServer);
  return withServers([service, bare], async () => {
    await derived(service.port);
    const rows: Row[] = [];
    for (const [what, query] of Object.entries(pages)) {
      let [ours, theirs] = [0, 0];
      const load = async (port: number, path: string) =>
        (await runLoad({ port, token, callers, rows: 0, path, warm_ms, ms: measured_ms })).rows;
      for (let turn = 0; turn < turns; turn++) {
        ours += await load(service.port, `/api/logs?limit=50${query}`);
        theirs += await load(bare.port, `/${encodeURIComponent(what)}`);
      }
      const seconds = (turns * measured_ms) / 1000;
      rows.push({
        name: `first page: ${what}`,
        value: ours / seconds,
        unit: 'pages/s',
        reference: { name: 'pages/s by a bare server', value: theirs / seconds },
        goal: { at_least: 0.6 },
        steady: true,
      });
    }
    return rows;
  });
}

export const pageMeasurements: Measurement[] = [{ name: 'first page', measure: measurePages }];

/** A far side that is away for minutes: appends do not notice, it is not asked earlier than it wants, and it catches up. */
import postgres from 'postgres';
import { samplesOf } from '../support/samples.ts';
import { elasticsearch } from '../support/sinks/elasticsearch.ts';
import { type Asked, type Reply, seeded } from '../support/sinks/far-side.ts';
import { type Fleet, ordersFrom, startFleet, wait } from '../support/sinks/fleet.ts';
import { pacedAppends } from './paced.ts';
import { type FaultRun, quantile, rounded } from './run.ts';

const appends_per_s = 200;
const window_ms = 5_000;
const scrape_ms = 1_000;

/** A far side that is too busy, and says until when; `early` counts the requests that came before. */
function busySide(random: () => number) {
  let notBefore_ms = 0;
  const seen = { early: 0, asked: 0, by_date: 0, closest_ms: Number.POSITIVE_INFINITY };
  return {
    seen,
    /** Of every request, also of one that is answered with something else. */
    look(): void {
      if (notBefore_ms === 0) return;
      const margin_ms = Date.now() - notBefore_ms;
      if (margin_ms < 0) seen.early += 1;
      seen.closest_ms = Math.min(seen.closest_ms, margin_ms);
      notBefore_ms = 0;
    },
    reply(): Reply {
      const seconds = 3 + Math.floor(random() * 25);
      seen.asked += 1;
      // Both forms of RFC 9110 §10.2.3.
      const date = new Date(Date.now() + seconds * 1_000).toUTCString();
      const isDate = random() < 0.5;
      if (isDate) seen.by_date += 1;
      notBefore_ms = isDate ? Date.parse(date) : Date.now() + seconds * 1_000;
      return { status: 503, headers: { 'retry-after': isDate ? date : String(seconds) } };
    },
  };
}

/** Scrapes, and reads head and cursor from the database before and after: the lag must be one of a moment in between. */
function lagWatch(fleet: Fleet, sql: postgres.Sql, name: string) {
  const seen = { scrapes: 0, exact: 0, wrong: [] as object[] };
  const read = async () => {
    const [row] = await sql<{ head: number; cursor: number }[]>`
      select (select coalesce(max(last_id), 0)::float8 from log_batches) as head,
             (select cursor::float8 from log_readers where name = ${`sink/${name}`}) as cursor`;
    return row ?? { head: 0, cursor: 0 };
  };
  async function look(): Promise<void> {
    const before = await read();
    const answer = await fetch(`${fleet.url()}/metrics`).catch(() => null);
    // It was killed.
    if (!answer) return;
    const text = await answer.text();
    const after = await read();
    const lag = samplesOf(text).get(`edgetrail_sink_lag_events{sink="${name}"}`) ?? Number.NaN;
    const [least, most] = [before.head - after.cursor, after.head - before.cursor];
    seen.scrapes += 1;
    if (least === most) seen.exact += 1;
    if (!(lag >= least && lag <= most)) seen.wrong.push({ lag, before, after });
  }
  return { seen, read, look };
}

export const away: FaultRun = async ({ fresh, say, args: [minutes = '10'] }) => {
  const away_ms = Number(minutes) * 60_000;
  const ms_max = away_ms + 20 * 60_000;
  const urls = [await fresh(), await fresh()];
  // One after the other: the databases' set-up would only slow each other down.
  const withSink = await startFleet({ DATABASE_URL: urls[0] as string, ms_max });
  const without = await startFleet({ DATABASE_URL: urls[1] as string, ms_max });
  const sql = postgres(urls[0] as string, { max: 1, onnotice: () => {} });
  const far = await elasticsearch();
  const busy = busySide(seeded(5));
  let isBusy = false;
  far.faulty.instead = (_asked: Asked) => {
    busy.look();
    return isBusy ? busy.reply() : null;
  };
  await withSink.put('search', { kind: 'elasticsearch', url: far.url });
  await withSink.upToDate('search');
  const lag = lagWatch(withSink, sql, 'search');

  let isOver = false;
  const scraping = (async () => {
    while (!isOver) {
      await lag.look();
      // The other service has the same work.
      await (await fetch(`${without.url()}/metrics`)).text();
      await wait(scrape_ms);
    }
  })();
  const event = () => ordersFrom(0, 1)[0] as object;
  const append = (fleet: Fleet, ms: number) => pacedAppends(fleet.url(), appends_per_s, ms, event);
  for (const fleet of [withSink, without]) await append(fleet, window_ms);
  await withSink.upToDate('search');

  say(`the far side is away for ${minutes} minutes`);
  isBusy = true;
  const latencies: [number[], number[]] = [[], []];
  const ratios: number[] = [];
  const started = performance.now();
  let refusing = false;
  for (let n = 0; performance.now() - started < away_ms; n += 1) {
    // The middle third of the time nobody listens.
    const third = Math.floor((3 * (performance.now() - started)) / away_ms);
    if ((third === 1) !== refusing) {
      refusing = third === 1;
      await (refusing ? far.close() : far.open());
    }
    const order = n % 2 === 0 ? ([0, 1] as const) : ([1, 0] as const);
    const p99: [number, number] = [0, 0];
    for (const i of order) {
      const taken = await append(i === 0 ? withSink : without, window_ms);
      latencies[i].push(...taken);
      p99[i] = quantile(taken, 0.99);
    }
    ratios.push(p99[0] / p99[1]);
  }
  const asked_away = far.asked.length;
  // What the far side has asked for outlives the process.
  await (await withSink.kill()).ready;

  say('the far side is there again');
  isBusy = false;
  const back = performance.now();
  const drained = { from_ms: 0, from: 0, to_ms: 0, to: 0, head_from: 0, head_to: 0 };
  const watching = (async () => {
    await withSink.until('something is kept', () => far.documents.size > 0 && far.asked.length > asked_away, 5);
    const { cursor, head } = await lag.read();
    Object.assign(drained, { from_ms: performance.now(), from: cursor, head_from: head });
    await withSink.until('it is up to date', async () => {
      const now = await lag.read();
      // Up to what arrives within a second: the sink sends once a second when it has caught up.
      if (now.head - now.cursor > appends_per_s) return false;
      Object.assign(drained, { to_ms: performance.now(), to: now.cursor, head_to: now.head });
      return true;
    });
  })();
  let hasCaughtUp = false;
  void watching.finally(() => {
    hasCaughtUp = true;
  });
  while (!hasCaughtUp) await append(withSink, 1_000);
  await watching;
  await withSink.upToDate('search');
  isOver = true;
  await scraping;
  const head = await withSink.head();
  await Promise.all([withSink.end(), without.end()]);
  await sql.end();
  await far.close();

  const seconds = (drained.to_ms - drained.from_ms) / 1_000;
  const [kept_per_s, arrived_per_s] = [
    (drained.to - drained.from) / seconds,
    (drained.head_to - drained.head_from) / seconds,
  ];
  const p99 = latencies.map((taken) => quantile(taken, 0.99));
  const ratio = (p99[0] ?? Number.NaN) / (p99[1] ?? Number.NaN);
  return {
    numbers: {
      away_minutes: Number(minutes),
      appends: latencies[0].length + latencies[1].length,
      p50_ms: latencies.map((taken) => rounded(quantile(taken, 0.5))),
      p99_ms: p99.map((ms) => rounded(ms)),
      p99_ratio: rounded(ratio),
      p99_ratio_of_windows: rounded(quantile(ratios, 0.5)),
      requests_while_away: asked_away,
      retry_after: { ...busy.seen, closest_ms: Math.round(busy.seen.closest_ms) },
      first_kept_after_s: rounded((drained.from_ms - back) / 1_000, 1),
      behind_by: drained.head_from - drained.from,
      kept_per_s: Math.round(kept_per_s),
      arrived_per_s: Math.round(arrived_per_s),
      scrapes: lag.seen.scrapes,
      scrapes_at_one_moment: lag.seen.exact,
      wrong_lags: lag.seen.wrong.slice(0, 3),
      events: head,
      documents: far.documents.size,
      faults: far.faults,
    },
    claims: {
      'append p99 is within 10 % of that without a sink': ratio <= 1.1,
      'no request came before Retry-After': busy.seen.asked > 0 && busy.seen.early === 0,
      'it catches up at 5 times the arrival rate': kept_per_s >= 5 * arrived_per_s,
      'edgetrail_sink_lag_events is head − cursor at every scrape': lag.seen.exact > 0 && lag.seen.wrong.length === 0,
      'every event is there once': far.documents.size === head && far.faults.length === 0,
    },
  };
};

/** 1,000 streams and 200 WebSockets at 20 events a second, with 50 that never read beside them: nothing is lost, and nobody else waits. */
import { connect } from 'node:net';
import { rssOf, spawnService } from '../support/process.ts';
import { samplesOf } from '../support/samples.ts';
import { wait } from '../support/sinks/fleet.ts';
import { pacedAppends } from './paced.ts';
import { type FaultRun, quantile, rounded } from './run.ts';
import { followAlong, sentNow } from './stream-load.ts';

const n_streams = 1_000;
const n_sockets = 200;
const n_stalled = 50;
const events_per_s = 20;
const event_chars = 300;
const warm_ms = 10_000;
const window_ms = 10_000;
const rss_every_ms = 1_000;
const mib = 1024 * 1024;
const grown_mib_max = 50;
const p99_ratio_max = 1.2;
const late_ms_max = 30_000;
const authorization = `Basic ${btoa('admin:admin-password')}`;

const event = () => ({
  event_type: 'UPDATE',
  entity_type: 'order',
  user_id: 'ana',
  description: `${sentNow()} ${'x'.repeat(event_chars)}`,
});

/** Followers that send their request and never read. A paused socket does not notice either when the service cuts it. */
function stall(url: string): { end(): void } {
  const { hostname, port, host } = new URL(url);
  const sockets = Array.from({ length: n_stalled }, () => {
    const socket = connect(Number(port), hostname);
    socket.pause();
    socket.on('error', () => {});
    socket.write(`GET /api/logs/stream HTTP/1.1\r\nhost: ${host}\r\nauthorization: ${authorization}\r\n\r\n`);
    return socket;
  });
  return {
    end: () => {
      for (const socket of sockets) socket.destroy();
    },
  };
}

/** How many followers the service has cut. */
async function cutsOf(url: string): Promise<number> {
  const answer = await fetch(`${url}/metrics`, { headers: { authorization } });
  const samples = [...samplesOf(await answer.text())];
  return samples.reduce((sum, [name, n]) => (name.startsWith('edgetrail_follower_cuts_total') ? sum + n : sum), 0);
}

/** Minutes with those that never read; an eighth of them before, and after, is without. */
export const streams: FaultRun = async ({ fresh, say, args: [minutes = '10', name = 'node'] }) => {
  const runtime = name === 'bun' ? 'bun' : 'node';
  const DATABASE_URL = await fresh();
  const settings = { DATABASE_URL, USERS: 'admin:admin:admin-password', UNUSUAL_PER_DAY_MAX: '0' };
  const service = spawnService(settings, runtime);
  const url = await service.ready;
  const followers = await followAlong({ url, authorization, n_streams, n_sockets });
  say('all followers are open');
  const total = async () => {
    const answer = await fetch(`${url}/api/logs?limit=1`, { headers: { authorization } });
    return ((await answer.json()) as { total: number }).total;
  };
  const whole_ms = Number(minutes) * 60_000;
  const rss: { at: number; mib: number }[] = [];
  const watching = setInterval(() => {
    rss.push({ at: performance.now(), mib: rssOf(service.child.pid) / mib });
  }, rss_every_ms);

  /** Events for so long; what the followers saw of them. */
  async function phase(ms: number) {
    const before = await total();
    const seen = { delivered: 0, wrong: 0, ended: 0, behind: 0 };
    const latencies: number[] = [];
    const p99s: number[] = [];
    const take = async () => {
      const more = await followers.take(await total());
      seen.delivered += more.delivered;
      seen.wrong += more.wrong;
      seen.ended += more.ended;
      seen.behind = more.behind_most;
      latencies.push(...more.latencies);
      return more.latencies;
    };
    for (let done_ms = 0; done_ms < ms; done_ms += window_ms) {
      await pacedAppends(url, events_per_s, Math.min(window_ms, ms - done_ms), event);
      p99s.push(quantile(await take(), 0.99));
    }
    for (const late = performance.now(); seen.behind > 0 && performance.now() - late < late_ms_max; ) {
      await wait(100);
      await take();
    }
    const events = (await total()) - before;
    return {
      events,
      missing: events * (n_streams + n_sockets) - seen.delivered,
      ...seen,
      p50_ms: rounded(quantile(latencies, 0.5), 1),
      p99_ms: rounded(quantile(latencies, 0.99), 1),
      // Of the machine's other processes each may disturb a few windows.
      p99_ms_of_windows: rounded(quantile(p99s, 0.5), 1),
    };
  }

  await phase(warm_ms);
  const before = await phase(whole_ms / 8);
  say(`without: ${JSON.stringify(before)}`);
  const stalled = stall(url);
  const started = performance.now();
  const beside = await phase(whole_ms);
  const over = performance.now();
  const cut = await cutsOf(url);
  say(`with ${n_stalled} that never read: ${JSON.stringify(beside)}`);
  stalled.end();
  const after = await phase(whole_ms / 8);
  say(`without: ${JSON.stringify(after)}`);
  clearInterval(watching);
  followers.end();
  service.child.kill('SIGTERM');
  const code = await service.ended;

  const without = (before.p99_ms_of_windows + after.p99_ms_of_windows) / 2;
  const ratio = beside.p99_ms_of_windows / without;
  // From the second minute on, or the second fifth of a short run: until then buffers and pools grow.
  const settled = started + Math.min(120_000, whole_ms / 5);
  const kept = rss.filter(({ at }) => at >= settled && at <= over).map(({ mib }) => mib);
  const fifth = Math.max(1, Math.floor(kept.length / 5));
  const ends = [kept.slice(0, fifth), kept.slice(-fifth)].map((some) => quantile(some, 0.5)) as [number, number];
  const phases = [before, beside, after];
  return {
    numbers: {
      runtime,
      minutes: Number(minutes),
      followers: n_streams + n_sockets,
      stalled: n_stalled,
      stalled_cut: cut,
      before: before,
      beside: beside,
      after: after,
      p99_ratio: rounded((2 * beside.p99_ms) / (before.p99_ms + after.p99_ms)),
      p99_ratio_of_windows: rounded(ratio),
      rss_mib: { settled: Math.round(ends[0]), at_the_end: Math.round(ends[1]), most: Math.round(Math.max(...kept)) },
    },
    claims: {
      'every follower has every event once, in order': phases.every(
        ({ events, missing, wrong, behind }) => events > 0 && missing === 0 && wrong === 0 && behind === 0,
      ),
      'no follower that reads was ended': phases.every(({ ended }) => ended === 0),
      'beside those that never read p99, of windows of 10 s, is at most 1.2 times that of without':
        ratio <= p99_ratio_max,
      'the memory grows by less than 50 MiB': ends[1] - ends[0] < grown_mib_max,
      'it ends with 0 at SIGTERM': code === 0,
    },
  };
};

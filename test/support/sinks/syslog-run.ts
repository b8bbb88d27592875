/** The long run of syslog: hostile events through a service of its own, and a receiver that is killed again and again. */
import { runAtEnd } from '../at-end.ts';
import { spawnService } from '../process.ts';
import { hostileEvents } from './hostile-events.ts';
import { compare, hasSyslog, type SyslogServer, startSyslog } from './syslog-servers.ts';

export type SyslogRun = { DATABASE_URL: string; n_events: number; n_kills: number; seed: number };

export type SyslogResult = {
  events: number;
  truncated: number;
  changed: string[];
  lost: number;
  doubled: number;
  /** Of as many events again, while the receiver was killed. */
  killed: { kills: number; lost: number; doubled: number; changed: string[] };
  seconds: number;
};

const headers = { authorization: `Basic ${btoa('admin:admin-password')}`, 'content-type': 'application/json' };
const wait = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
const run_ms_max = 20 * 60_000;

/** Runs it with one of the two receivers; null where its package is not installed. */
export async function syslogRun(name: SyslogServer, run: SyslogRun): Promise<SyslogResult | null> {
  if (!hasSyslog(name)) return null;
  const started = performance.now();
  const service = spawnService({
    DATABASE_URL: run.DATABASE_URL,
    USERS: 'admin:admin:admin-password',
    OUTBOUND_ALLOW: '127.0.0.0/8',
  });
  const url = await service.ready;
  const far = await startSyslog(name);
  const ask = async (method: string, path: string, body?: object): Promise<Response> => {
    const answer = await fetch(url + path, { method, headers, ...(body && { body: JSON.stringify(body) }) });
    if (!answer.ok) throw new Error(`${answer.status} ${await answer.text()}`);
    return answer;
  };
  const write = async (events: object[]) => {
    for (let at = 0; at < events.length; at += 100) await ask('POST', '/api/logs', events.slice(at, at + 100));
  };
  /** Resolves when the sink is up to date and the receiver has written all that it will. */
  async function settled(): Promise<void> {
    for (let known = -1; ; ) {
      if (performance.now() - started > run_ms_max) throw new Error('the run takes too long');
      await wait(500);
      const { lag_events } = (await (await ask('GET', '/api/sinks/far')).json()) as { lag_events: number };
      const { length } = await far.received();
      if (lag_events === 0 && length === known) return;
      known = length;
    }
  }
  const stored = async (service: string) =>
    (await (await ask('GET', `/api/logs/export?format=ndjson&service=${service}`)).text())
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
  try {
    await write(hostileEvents(run.n_events, run.seed, 'hostile'));
    await ask('PUT', '/api/sinks/far', {
      kind: 'syslog',
      url: far.url,
      ca: far.ca,
      filter: 'service=hostile&service=killed',
    });
    await settled();
    const hostile = compare(await stored('hostile'), await far.received());
    const before = (await far.received()).length;

    let isWriting = true;
    const writing = write(hostileEvents(run.n_events, run.seed + 1, 'killed')).finally(() => {
      isWriting = false;
    });
    let kills = 0;
    for (; kills < run.n_kills; kills += 1) {
      // In the middle of a request, as often as chance will have it.
      await wait(50 + ((kills * 37) % 200));
      await far.stop(kills % 4 === 3 ? 'SIGTERM' : 'SIGKILL');
      await far.start();
      // Not the pause of the sink: what it would wait for is there again.
      await ask('POST', '/api/sinks/far/resume');
    }
    await writing;
    if (isWriting) throw new Error('not everything is written');
    await settled();
    const killed = compare(await stored('killed'), (await far.received()).slice(before));
    return {
      events: run.n_events,
      truncated: hostile.truncated.length,
      changed: hostile.changed,
      lost: hostile.lost.length,
      doubled: hostile.doubled,
      killed: { kills, lost: killed.lost.length, doubled: killed.doubled, changed: killed.changed },
      seconds: Math.round((performance.now() - started) / 1_000),
    };
  } finally {
    await ask('DELETE', '/api/sinks/far').catch(() => {});
    service.child.kill('SIGTERM');
    await service.ended;
    await runAtEnd();
  }
}

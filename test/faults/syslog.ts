/** 10,000 hostile events through rsyslog and syslog-ng, and as many again while the receiver is killed and restarted. */
import { syslogRun } from '../support/sinks/syslog-run.ts';
import { syslogServers } from '../support/sinks/syslog-servers.ts';
import type { FaultRun } from './run.ts';

const n_kills = 20;
const request_events_max = 500;

export const syslog: FaultRun = async ({ fresh }) => {
  const numbers: Record<string, unknown> = {};
  const claims: Record<string, boolean> = {};
  for (const name of syslogServers) {
    const result = await syslogRun(name, { DATABASE_URL: await fresh(), n_events: 10_000, n_kills, seed: 7 });
    numbers[name] = result ?? 'not installed';
    if (!result) continue;
    const { lost, doubled, changed, killed } = result;
    claims[`${name}: each event came out once, as it went in or marked as truncated`] =
      lost === 0 && doubled === 0 && changed.length === 0;
    claims[`${name}: no event is changed by a kill`] = killed.changed.length === 0;
    claims[`${name}: a kill loses less than a request`] = killed.lost < killed.kills * request_events_max;
  }
  return { numbers, claims };
};

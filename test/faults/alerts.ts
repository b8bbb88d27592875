/** 50 kills while rules watch what is written: the alerts of the log are those of a preview and of the oracle. */
import { alertRun } from '../support/alerts/kill-run.ts';
import type { FaultRun } from './run.ts';

export const alerts: FaultRun = async ({ fresh, say, args: [kills = '50'] }) => {
  const run = { n_events: 30_000, n_kills: Number(kills), quiet_s: 10, seed: 7 };
  const { rules, events } = await alertRun({ ...run, DATABASE_URL: await fresh(), say }, 40 * 60_000);
  const every = (holds: (rule: (typeof rules)[string]) => boolean) => Object.values(rules).every(holds);
  return {
    numbers: {
      events,
      ...Object.fromEntries(Object.entries(rules).map(([name, { live }]) => [`alerts of ${name}`, live.length])),
    },
    claims: {
      'each rule made alerts': every(({ live }) => live.length > 0),
      'the alerts of the log are those of the oracle': every((rule) => same(rule.live, rule.expected)),
      'the alerts of a preview are those of the oracle': every((rule) => same(rule.shown, rule.expected)),
    },
  };
};

const same = (a: object[], b: object[]) => JSON.stringify(a) === JSON.stringify(b);

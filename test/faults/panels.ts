/** Random panels over a log: each number is a recount of the export, and the total of the list behind its link. */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { demoHistory } from '../../src/commands/demo-shop.ts';
import { panelClaims } from '../support/panel-claims.ts';
import { spawnService } from '../support/process.ts';
import type { FaultRun } from './run.ts';

const batch_events = 1_000;
const seed = 12;

/** Events in the form of POST /api/logs: of the files of a folder, or of the demo shop. */
async function eventsOf(folder: string | undefined): Promise<object[]> {
  if (folder === undefined) return demoHistory({ n_events: 20_000, days: 120, seed, now_ms: Date.now() });
  const files = (await readdir(folder)).filter((name) => name.endsWith('.ndjson.gz')).sort();
  const texts = await Promise.all(files.map((name) => readFile(join(folder, name))));
  return texts.flatMap((text) =>
    gunzipSync(text)
      .toString()
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line)),
  );
}

export const panels: FaultRun = async ({ fresh, say, args: [n = '200', folder] }) => {
  const service = spawnService({ DATABASE_URL: await fresh(), USERS: 'admin:admin:admin-password' });
  const url = (await service.ready).replace(/\/$/, '');
  const ask = (path: string, init: RequestInit = {}) => {
    const headers = new Headers(init.headers);
    headers.set('authorization', `Basic ${btoa('admin:admin-password')}`);
    headers.set('origin', url);
    return fetch(url + path, { ...init, headers });
  };
  const events = await eventsOf(folder);
  for (let i = 0; i < events.length; i += batch_events) {
    const body = JSON.stringify(events.slice(i, i + batch_events));
    const answer = await ask('/api/logs', { method: 'POST', headers: { 'content-type': 'application/json' }, body });
    if (!answer.ok) throw new Error(`${answer.status} ${await answer.text()}`);
  }
  // A story that fires is an event: the log is left alone once all are told.
  const lag = async () => ((await (await ask('/api/unusual')).json()) as { lag_events: number }).lag_events;
  while ((await lag()) > 0) await new Promise((resolve) => setTimeout(resolve, 500));
  say(`${events.length} events are written and judged`);
  const { wrong, ...counts } = await panelClaims(ask, Number(n), seed, Number.POSITIVE_INFINITY);
  for (const line of wrong.slice(0, 20)) say(line);
  service.child.kill('SIGTERM');
  await service.ended;
  return {
    numbers: { events: events.length, ...counts, wrong: wrong.length },
    claims: {
      'all panels were asked for': counts.panels === Number(n) && counts.numbers > counts.panels,
      'each number is a recount of the export, and the list behind its link has as many': wrong.length === 0,
    },
  };
};

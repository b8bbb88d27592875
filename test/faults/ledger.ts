/** Writers that note what was answered to each event, and the comparison of their notes with the log. */
import { Agent, request } from 'node:http';
import { createInterface } from 'node:readline';
import { Readable } from 'node:stream';
import type { Followed } from '../support/resuming.ts';
import { wait } from '../support/sinks/fleet.ts';

const authorization = `Basic ${btoa('admin:admin-password')}`;
const answer_ms_max = 10_000;
/** Before an event is sent again, or the next one after a refusal. */
const retry_ms = 50;
const stop_ms_max = 60_000;

/** What the writers were answered. A key is the `entity_id` of one event. */
export type Ledger = {
  /** The ids in the acknowledgements. */
  acknowledged: Map<string, number>;
  /** Refused, and the answer said that nothing was stored. */
  refused: Set<string>;
  /** Without an answer, or with one that said that it is unknown whether it was stored. */
  unknown: Set<string>;
  /** How often each status came. 0: no answer. */
  statuses: Record<string, number>;
  /** Answers that name something of the database. */
  leaks: string[];
  latencies: number[];
  /** When the last acknowledgement came. */
  acknowledged_at: number;
};

/** What an answer may not have: words of SQL and of drivers, tables, places. `<select>` is of HTML. */
const leak =
  /ECONN|ENOSPC|CONNECTION_|127\.0\.0\.1|postgres|pglite|relation "|(?<!<)\bselect |insert into|append_logs|log_lock|SQLSTATE|\bat [^ ]+\.ts/i;

/** A refusal that names something of the database, with what is around it. */
export function leaksOf(status: number, text: string): string[] {
  const at = status >= 400 ? text.search(leak) : -1;
  return at < 0 ? [] : [`${status} …${text.slice(Math.max(0, at - 80), at + 120)}`];
}

/** The answer to one request; status 0 when none came. */
function post(url: string, agent: Agent, body: string): Promise<{ status: number; text: string }> {
  return new Promise((resolve) => {
    const none = () => resolve({ status: 0, text: '' });
    const headers = { authorization, 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) };
    const sent = request(`${url}/api/logs`, { method: 'POST', agent, headers, timeout: answer_ms_max }, (answer) => {
      let text = '';
      answer.setEncoding('utf8');
      answer.on('data', (chunk) => {
        text += chunk;
      });
      answer.once('end', () => resolve({ status: answer.statusCode ?? 0, text }));
      // Cut in the middle of the body.
      answer.once('close', none);
    });
    sent.once('timeout', () => sent.destroy());
    sent.once('error', none);
    sent.end(body);
  });
}

export type Writing = {
  ledger: Ledger;
  /** Ends when each writer has the answer to its last event, or has tried for a minute. */
  stop(): Promise<void>;
};

/**
 * Starts writers that each send one event after the other, with a pause. Each second writer gives its events an `event_uid`
 * and sends an event until it is acknowledged; the others send an event once. `urlOf` is the address for a writer.
 */
export function startWriters(n: number, urlOf: (writer: number) => string, pause_ms = 10, prefix = 'w'): Writing {
  const ledger: Ledger = {
    acknowledged: new Map(),
    refused: new Set(),
    unknown: new Set(),
    statuses: {},
    leaks: [],
    latencies: [],
    acknowledged_at: 0,
  };
  let isOver = false;
  let isGivenUp = false;
  async function send(key: string, body: string, writer: number, agent: Agent): Promise<boolean> {
    const started = performance.now();
    const { status, text } = await post(urlOf(writer), agent, body);
    ledger.statuses[status] = (ledger.statuses[status] ?? 0) + 1;
    ledger.leaks.push(...leaksOf(status, text));
    if (status === 201 || status === 200) {
      ledger.acknowledged_at = performance.now();
      ledger.latencies.push(ledger.acknowledged_at - started);
      ledger.acknowledged.set(key, (JSON.parse(text) as { id: number }).id);
      ledger.unknown.delete(key);
      return true;
    }
    const isNothing = status > 0 && (status < 500 || (JSON.parse(text) as { stored?: string }).stored === 'nothing');
    if (isNothing && !ledger.unknown.has(key)) ledger.refused.add(key);
    if (!isNothing) ledger.unknown.add(key);
    return false;
  }
  async function write(writer: number): Promise<void> {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    const isRetried = writer % 2 === 0;
    for (let i = 0; !isOver; i += 1) {
      const key = `${prefix}${writer}/${i}`;
      const event = { event_type: 'CREATE', entity_type: 'fault', entity_id: key, user_id: `user-${writer % 8}` };
      const body = JSON.stringify(isRetried ? { ...event, event_uid: key } : event);
      while (!(await send(key, body, writer, agent))) {
        await wait(retry_ms);
        if (!isRetried || isGivenUp) break;
        ledger.refused.delete(key);
      }
      await wait(pause_ms);
    }
    agent.destroy();
  }
  const writers = Array.from({ length: n }, (_, writer) => write(writer));
  return {
    ledger,
    stop: async () => {
      isOver = true;
      const late = setTimeout(() => {
        isGivenUp = true;
      }, stop_ms_max);
      await Promise.all(writers);
      clearTimeout(late);
    },
  };
}

/** The numbers and the claims that every run with writers has. */
export async function compare(
  url: string,
  ledger: Ledger,
  followers: Record<string, Followed> = {},
): Promise<{ numbers: Record<string, unknown>; claims: Record<string, boolean> }> {
  const answer = await fetch(`${url}/api/logs/export?format=ndjson`, { headers: { authorization } });
  if (!answer.ok || !answer.body) throw new Error(`the export answered ${answer.status} ${await answer.text()}`);
  const ids = new Map<string, number[]>();
  const all = new Set<number>();
  let doubled_ids = 0;
  let head = 0;
  for await (const line of createInterface({ input: Readable.fromWeb(answer.body as never) })) {
    if (line === '') continue;
    const { id, entity_type, entity_id } = JSON.parse(line) as { id: number; entity_type: string; entity_id: string };
    if (all.has(id)) doubled_ids += 1;
    all.add(id);
    head = Math.max(head, id);
    if (entity_type === 'fault') ids.set(entity_id, [...(ids.get(entity_id) ?? []), id]);
  }
  const stats = await fetch(`${url}/api/logs/stats`, { headers: { authorization } });
  const { total_logs } = (await stats.json()) as { total_logs: number };
  const acknowledged = [...ledger.acknowledged];
  const lost = acknowledged.filter(([key]) => !ids.has(key)).length;
  const misnamed = acknowledged.filter(([key, id]) => ids.has(key) && !ids.get(key)?.includes(id)).length;
  const doubled = [...ids.values()].filter(({ length }) => length > 1).length;
  const refused_stored = [...ledger.refused].filter((key) => ids.has(key)).length;
  const unknown_stored = [...ledger.unknown].filter((key) => ids.has(key)).length;
  const gaps = Object.entries(followers).map(([name, followed]) => [name, gapsOf(followed, head)] as const);
  return {
    numbers: {
      acknowledged: acknowledged.length,
      lost,
      doubled,
      misnamed,
      doubled_ids,
      ids_missing: head - all.size,
      head,
      counted: total_logs,
      refused: ledger.refused.size,
      refused_stored,
      unknown: ledger.unknown.size,
      unknown_stored,
      statuses: ledger.statuses,
      leaks: ledger.leaks.slice(0, 3),
      followers: Object.fromEntries(
        Object.entries(followers).map(([name, { ids, n_connected }]) => [
          name,
          { events: ids.length, connected: n_connected, gaps: Object.fromEntries(gaps)[name] },
        ]),
      ),
    },
    claims: {
      'every acknowledged event is there, with its id': acknowledged.length > 0 && lost === 0 && misnamed === 0,
      'no event is there twice': doubled === 0 && doubled_ids === 0,
      'no id is missing': head === all.size,
      'the statistics count each event': total_logs === all.size,
      'nothing is stored of which the answer said that it was not': refused_stored === 0,
      'no answer was a 500, and none names anything of the database':
        ledger.leaks.length === 0 && !('500' in ledger.statuses),
      ...Object.fromEntries(
        gaps.map(([name, n]) => [`the follower by ${name} has every event once, in order`, n === 0]),
      ),
    },
  };
}

/** In how many places the ids of a follower are not 1, 2, 3, … up to the newest. */
function gapsOf({ ids }: Followed, head: number): number {
  const wrong = ids.filter((id, i) => id !== (ids[i - 1] ?? 0) + 1).length;
  return wrong + (ids.at(-1) === head ? 0 : 1);
}

/** Waits until the followers have the newest event; they may not, and the claims then say so. */
export async function caughtUp(followers: Record<string, Followed>, url: string, ms_max = 60_000): Promise<void> {
  const until = performance.now() + ms_max;
  const answer = await fetch(`${url}/api/logs?limit=1`, { headers: { authorization } });
  const { total } = (await answer.json()) as { total: number };
  while (Object.values(followers).some(({ ids }) => (ids.at(-1) ?? 0) < total) && performance.now() < until)
    await wait(50);
}

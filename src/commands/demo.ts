/** `npm run demo`: writes a week of sample events of a shop, and then live ones, to a running service. */
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { CommandError, connect, interrupted_status, runAsCommand } from './connect.ts';
import { demoHistory, demoLive } from './demo-shop.ts';

const history = { n_events: 1_500, days: 7 };
const batch_events_max = 500;
const seconds_default = '60';

function readSeconds(text: string): number {
  if (text === 'forever') return Number.POSITIVE_INFINITY;
  if (!/^\d{1,7}$/.test(text)) throw new CommandError('usage: npm run demo -- [--seconds <n> | --seconds forever]');
  return Number(text);
}

function throwIfInterrupted({ reason }: AbortSignal): void {
  if (reason instanceof CommandError) throw reason;
}

async function main(): Promise<void> {
  const { values } = parseArgs({ options: { seconds: { type: 'string', default: seconds_default } } });
  const seconds = readSeconds(values.seconds);
  const { log, url } = connect(process.env);
  const stop = new AbortController();
  process.stdout.once('error', () => stop.abort());
  process.once('SIGINT', () => stop.abort(new CommandError('interrupted', interrupted_status)));
  const seed = Date.now();
  const events = demoHistory({ ...history, seed, now_ms: Date.now() });
  for (let from = 0; from < events.length && !stop.signal.aborted; from += batch_events_max)
    await log(events.slice(from, from + batch_events_max));
  throwIfInterrupted(stop.signal);
  console.log(`wrote ${events.length} events of a shop's last ${history.days} days to ${url}`);
  if (seconds === 0) return;

  const length = seconds === Number.POSITIVE_INFINITY ? 'until Ctrl-C' : `for ${seconds} s`;
  console.log(`now about two a second ${length}: watch ${new URL('/logs', url)}`);
  const until = performance.now() + seconds * 1_000;
  let n = 0;
  for (const event of demoLive(seed + 1)) {
    if (stop.signal.aborted || performance.now() >= until) break;
    await log(event);
    n += 1;
    await sleep(250 + Math.random() * 500, undefined, { signal: stop.signal }).catch(() => {});
  }
  console.log(`wrote ${n} more`);
  throwIfInterrupted(stop.signal);
}

runAsCommand(import.meta.url, main);

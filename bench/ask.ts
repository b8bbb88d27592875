/** Requests to a service with a generated log, one after the other, and their times. */
import { type Context, quantile } from './measurement.ts';
import { authorization, type RunningServer, startServer, withServers } from './service.ts';

/** The time until the whole body had come, and the body and the Link header. */
export type Answer = { ms: number; body: string; link: string };

export async function ask(port: number, path: string): Promise<Answer> {
  const started = performance.now();
  const response = await fetch(`http://127.0.0.1:${port}${path}`, { headers: { authorization } });
  const body = await response.text();
  if (!response.ok) throw new Error(`${path}: ${response.status} ${body}`);
  return { ms: performance.now() - started, body, link: response.headers.get('link') ?? '' };
}

export type Times = { median: number; p99: number; longest: number; last: Answer };

/** The times of a path that is asked `tries` times. The first answer is not counted: its plan and pages may be cold. */
export async function timesOf(port: number, path: string, tries: number): Promise<Times> {
  let last = await ask(port, path);
  const times: number[] = [];
  for (let i = 0; i < tries; i++) {
    last = await ask(port, path);
    times.push(last.ms);
  }
  return { median: quantile(times, 0.5), p99: quantile(times, 0.99), longest: Math.max(...times), last };
}

/** Waits until the rollup of a generated log is derived, which begins when a service starts: then statistics are quick. */
export async function derived(port: number): Promise<void> {
  const deadline = Date.now() + 1_200_000;
  // Before, they are counted from the entries, which may take too long: then the answer is a 503.
  const isQuick = () =>
    ask(port, '/api/logs/stats?service=checkout').then(
      ({ ms }) => ms <= 60,
      (error: Error) => {
        if (!error.message.includes(': 503 ')) throw error;
        return false;
      },
    );
  while (!(await isQuick())) {
    if (Date.now() > deadline) throw new Error('the rollup was not derived in time');
    await new Promise((resolve) => setTimeout(resolve, 1_000));
  }
}

/** Runs `work` with a service of the generated log and one of the small log, whose rollups are derived. */
export async function withBothLogs<T>(
  { generatedLog, smallLog }: Context,
  work: (large: RunningServer, small: RunningServer) => Promise<T>,
): Promise<T> {
  const large = await startServer({ DATABASE_URL: await generatedLog() });
  const small = await startServer({ DATABASE_URL: await smallLog() });
  return withServers([large, small], async () => {
    for (const { port } of [large, small]) await derived(port);
    return work(large, small);
  });
}

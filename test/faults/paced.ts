/** Appends at a rate that does not depend on the answers. */
import { Agent, request } from 'node:http';
import { wait } from '../support/sinks/fleet.ts';

const agent = new Agent({ keepAlive: true });
const authorization = `Basic ${btoa('admin:admin-password')}`;

/** `body` is one event or an array of them. Returns how long each request took, in ms, from when it was due: a late request counts as a slow one. */
export async function pacedAppends(url: string, per_s: number, ms: number, body: () => object): Promise<number[]> {
  const latencies: number[] = [];
  const started = performance.now();
  const running: Promise<void>[] = [];
  for (let n = 0; (n * 1_000) / per_s < ms; n += 1) {
    const due = started + (n * 1_000) / per_s;
    const early_ms = due - performance.now();
    if (early_ms > 0) await wait(early_ms);
    running.push(
      post(`${url}/api/logs`, JSON.stringify(body())).then(() => void latencies.push(performance.now() - due)),
    );
  }
  await Promise.all(running);
  return latencies;
}

function post(url: string, body: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const headers = { authorization, 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) };
    const sent = request(url, { method: 'POST', agent, headers }, (answer) => {
      answer.resume();
      answer.once('end', () => (answer.statusCode === 201 ? resolve() : reject(new Error(`${answer.statusCode}`))));
    });
    sent.once('error', reject);
    sent.end(body);
  });
}

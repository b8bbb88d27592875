/** A scrape of GET /metrics, read as Prometheus reads it. */
import { credentials, type TestService } from './harness.ts';

/** The headers of a request that a reverse proxy on this machine has passed on: it does not come from loopback. */
export const forwarded = { 'x-forwarded-for': '203.0.113.9' };

/** The samples by name and labels, as they are written: `edgetrail_followers{transport="sse"}`. */
export type Samples = ReadonlyMap<string, number>;

export function samplesOf(text: string): Samples {
  const samples = text
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line): [string, number] => {
      const space = line.lastIndexOf(' ');
      return [line.slice(0, space), Number(line.slice(space + 1).replace('+Inf', 'Infinity'))];
    });
  const found = new Map(samples);
  if (found.size < samples.length) throw new Error('a series is written twice');
  return found;
}

/** Scrapes with the token of the tests that has the right. */
export async function scrape(service: Pick<TestService, 'url'>): Promise<Samples> {
  const answer = await fetch(`${service.url}/metrics`, { headers: { authorization: credentials.scraper } });
  const text = await answer.text();
  if (answer.status !== 200) throw new Error(`${answer.status} ${text}`);
  return samplesOf(text);
}

/** A scrape of GET /metrics, read as Prometheus reads it. */
import { credentials, type TestService } from './harness.ts';
import { type Samples, samplesOf } from './samples.ts';

/** The headers of a request that a reverse proxy on this machine has passed on: it does not come from loopback. */
export const forwarded = { 'x-forwarded-for': '203.0.113.9' };

/** Scrapes with the token of the tests that has the right. */
export async function scrape(service: Pick<TestService, 'url'>): Promise<Samples> {
  const answer = await fetch(`${service.url}/metrics`, { headers: { authorization: credentials.scraper } });
  const text = await answer.text();
  if (answer.status !== 200) throw new Error(`${answer.status} ${text}`);
  return samplesOf(text);
}

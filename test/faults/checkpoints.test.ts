/** What the fault runs say of the tree: a checkpoint of another history is seen. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, it } from 'vitest';
import { atEnd } from '../support/at-end.ts';
import { credentials, eventually, startService } from '../support/harness.ts';
import { keepCheckpoints } from './checkpoints.ts';

const service = await startService('postgres');
/** Stands before the service; may give out a root of its own. */
let isForging = false;
const seen = new Set<string>();
const between = createServer(async ({ url = '' }, answer) => {
  const real = await fetch(service.url + url, { headers: { authorization: credentials.admin } });
  const lines = (await real.text()).split('\n');
  if (url === '/checkpoint' && isForging) lines[2] = Buffer.alloc(32, 7).toString('base64');
  // Without events there is none, which is a 404.
  if (url === '/checkpoint' && real.ok) seen.add(lines.join('\n'));
  answer.writeHead(real.status).end(lines.join('\n'));
});
await new Promise<void>((resolve) => between.listen(0, '127.0.0.1', resolve));
atEnd(() => new Promise((resolve) => between.close(resolve)));

/** What is said after two checkpoints. */
async function said(): Promise<boolean> {
  const url = `http://127.0.0.1:${(between.address() as AddressInfo).port}`;
  seen.clear();
  const verified = keepCheckpoints([url]);
  for (const n of [1, 2]) {
    await service.write({ event_type: 'CREATE', entity_type: 'order' });
    await eventually('there is another checkpoint', () => seen.size >= n);
  }
  const { claims } = await verified(url);
  return Object.values(claims).every((isSo) => isSo);
}

it('a log that goes on from every checkpoint has no fork', async () => {
  expect(await said()).toBe(true);
});

it('a checkpoint of another history is seen', async () => {
  isForging = true;
  expect(await said()).toBe(false);
});

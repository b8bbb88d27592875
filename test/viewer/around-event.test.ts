/** "±30 s around this": the event is in the middle of the page and marked, even in a range of several pages. */
import { expect, it } from 'vitest';
import { startService } from '../support/harness.ts';
import { order } from './sample-events.ts';

const service = await startService('postgres');
const first_ms = Date.parse('2026-05-01T12:00:00Z');
const ids = (
  await service.write(
    Array.from({ length: 300 }, (_, n) => order(n, { timestamp: new Date(first_ms + n * 100).toISOString() })),
  )
).map(({ id }) => id);
const read = async (path: string) =>
  (await service.request(path, { as: 'guest', headers: { accept: 'text/html' } })).text();

it.each([
  ['in the middle of the range', 150, 25, 24],
  ['the newest', 299, 0, 49],
  ['the oldest', 0, 25, 0],
  ['with 25 newer rows', 274, 25, 24],
  ['with 24 newer rows', 275, 24, 25],
])('the page around an event: %s', async (_, n, n_newer, n_older) => {
  const id = ids[n] ?? 0;
  const link =
    /href="([^"]*)"[^>]*>±30 s around this/.exec(await read(`/logs/${id}`))?.[1]?.replaceAll('&amp;', '&') ?? '';
  expect(link).toMatch(new RegExp(`#e${id}$`));
  const text = await read(link.replace(/#.*/, ''));
  const shown = [...text.matchAll(/<li id="e(\d+)"/g)].map(([, id]) => Number(id));
  expect([shown.indexOf(id), shown.length - 1 - shown.indexOf(id)]).toEqual([n_newer, n_older]);
  expect(shown).toEqual(ids.slice(n - n_older, n + n_newer + 1).toReversed());
  expect([...text.matchAll(/<li id="e(\d+)" class="marked" aria-current="true"/g)].map(([, id]) => Number(id))).toEqual(
    [id],
  );
});

it('an id that is not a number is refused with 400, which names the parameter', async () => {
  const answer = await service.request('/logs?around=x', { as: 'guest' });
  expect([answer.status, await answer.text()]).toEqual([400, expect.stringContaining('around')]);
});

/** Patterns: the groups of a log add up to it, and the filter of each finds exactly its events, wherever a filter is taken. */
import { describe, expect, it } from 'vitest';
import { startService } from '../support/harness.ts';
import { follow, take } from './follow.ts';

type Group = { pattern: string; n: number; filter: string; last_id: number };
type View = { n: number; head: number; upto: number; other: number; groups: Group[] };

describe('the patterns of a log', async () => {
  const service = await startService();
  const ids = Array.from({ length: 40 }, (_, i) => i);
  await service.write(
    ids.map((i) => ({
      event_type: 'UPDATE',
      entity_type: 'order',
      service: [null, 'checkout', 'lager ü'][i % 3],
      description: [`order-${i} paid by user ${i % 4}`, `{"id":${i},"tags":[${i}]}`, null, `größe of C:\\${i}`][i % 4],
    })),
  );
  const read = async (path: string) => (await service.request(path)).text();
  const view = JSON.parse(await read('/api/patterns')) as View;

  it('add up to its events', () => {
    expect(view).toMatchObject({ n: 40, head: 40, upto: 40, other: 0 });
    expect(view.groups.reduce((sum, { n }) => sum + n, 0)).toBe(40);
    expect(view.groups).toHaveLength(12);
  });

  it('are filters of the list, the statistics and the export', async () => {
    for (const { filter, n } of view.groups) {
      expect(JSON.parse(await read(`/api/logs?${filter}`))).toMatchObject({ total: n, total_is_exact: true });
      expect(JSON.parse(await read(`/api/logs?${filter.replaceAll('=', '!=')}`))).toMatchObject({ total: 40 - n });
      expect(JSON.parse(await read(`/api/logs/stats?${filter}`))).toMatchObject({ total_logs: n });
      expect((await read(`/api/logs/export?format=ndjson&${filter}`)).trim().split('\n')).toHaveLength(n);
    }
  });

  it('are filters of a live stream', async () => {
    const [group] = view.groups;
    const last_id = group?.last_id ?? 0;
    const [message] = await take(await follow(service, `?after=${last_id - 1}&${group?.filter}`), 1);
    expect(message?.id).toBe(String(last_id));
  });
});

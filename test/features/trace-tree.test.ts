/** The tree of a trace whose events name each other in a circle. */
import { expect, it } from 'vitest';
import { treeOf } from '../../src/features/traces/tree.ts';

type Entry = Parameters<typeof treeOf>[0][number];
const entry = (id: number, span_id: string, parent_span_id: string) =>
  ({
    id,
    span_id,
    parent_span_id,
    caused_by: null,
    event_uid: null,
    timestamp: `2026-03-01T00:00:0${id}.000Z`,
  }) as Entry;

it('what hangs on a circle is below it, and no orphan, also where it is the oldest', () => {
  const nodes = treeOf([entry(1, 'x', 'a'), entry(2, 'a', 'b'), entry(3, 'b', 'a')]);
  expect(nodes?.map(({ id, parent, orphan }) => ({ id, parent, orphan }))).toEqual([
    { id: 2, parent: null, orphan: true },
    { id: 1, parent: 2, orphan: false },
    { id: 3, parent: 2, orphan: false },
  ]);
});

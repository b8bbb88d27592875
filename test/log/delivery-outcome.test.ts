/** What a step makes of an answer: sizes of requests after a refusal. */
import { expect, it } from 'vitest';
import { outcomeOf, type State } from '../../src/log/delivery-outcome.ts';
import type { Sent } from '../../src/log/delivery-sink.ts';
import type { Entry } from '../../src/log/schema.ts';

/** Delivers the ids up to 16, at most 8 in a request; returns the sizes of the requests and the last state. */
function run(answerTo: (ids: number[], nth: number) => Sent) {
  let state: State = {};
  const sizes: number[] = [];
  for (let from = 0; from < 16; ) {
    const ids = Array.from({ length: Math.min(state.size ?? 8, 16 - from) }, (_, i) => from + i + 1);
    const sent = ids.map((id) => ({ id }) as Entry);
    const range = { from, pending: null, to: ids.at(-1) ?? from, unsettled: sent, sent, more: true };
    const before = { state, attempts: 0, events_max: 8, neverKept: false, random: () => 0 };
    sizes.push(ids.length);
    const { to, move } = outcomeOf(range, answerTo(ids, sizes.length), before);
    state = (move.state ?? {}) as State;
    from = to;
  }
  return { sizes, state };
}

it('A refusal that was of one moment makes requests smaller for the range that was refused, and no longer', () => {
  const { sizes, state } = run((_ids, nth) => (nth === 1 ? { verdict: 'refused' } : { verdict: 'kept' }));
  expect(sizes).toEqual([8, 4, 4, 8]);
  expect(state.size).toBeUndefined();
});

it.each([
  [3, [8, 4, 2, 2, 1, 8, 5]],
  [8, [8, 4, 4, 2, 2, 1, 1, 8]],
])(
  'A request that has the refused event %i is halved until the event is alone, and the next one is whole again',
  (poison, wanted) => {
    const { sizes } = run((ids) => ({ verdict: ids.includes(poison) ? 'refused' : 'kept' }));
    expect(sizes).toEqual(wanted);
  },
);

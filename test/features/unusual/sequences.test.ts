/** What the order of the events of a trace, a session or an entity says, and what it does not. */
import { describe, expect, it } from 'vitest';
import { newWhole } from '../../../src/features/unusual/actor.ts';
import { type Budget, rank } from '../../../src/features/unusual/budget.ts';
import { readVerdict } from '../../../src/features/unusual/verdicts.ts';
import { factHref, factWords } from '../../../src/features/unusual/words.ts';
import { day_ms, flow, flows, type Happened, hour_ms, orders } from '../../support/unusual/team.ts';
import { numbered, run as runOf } from './run.ts';

const start = Date.UTC(2026, 0, 5);
const budget: Budget = { per_day_max: 1, kinds: ['sequence'] };
const { usual, wrong } = flows;
const days = (n: number, by?: string) => orders(start, n, 30, by);
const run = (events: Happened[]) => runOf(numbered(events), budget);
const at = start + 12 * day_ms + 60_000;

describe('a sequence', () => {
  it('in an order that never was fires once, and says which step and whose it is', () => {
    const { fired } = run([...days(14), ...flow(at, wrong, { trace_id: 'strange' })]);
    expect(fired).toHaveLength(1);
    expect(fired[0]?.facts.map(factWords)).toEqual([
      expect.stringMatching(
        /^.*CREATE order → SHIP order.*, which was hardly ever in this order \(\d+ bits\), in the 4 events of the trace strange$/,
      ),
    ]);
  });

  it.each([
    ['trace_id', { trace_id: 'strange', 'service!': 'edgetrail' }, []],
    ['session_id', { session_id: 'strange' }, ['trace_id']],
    ['entity_id', { entity_id: 'strange', entity_type: 'order' }, ['trace_id', 'session_id']],
  ])('by %s is linked to exactly its events', (by, expected, without) => {
    const { fired } = run([...days(14, by), ...flow(at, wrong, { [by]: 'strange' })]);
    const [fact] = fired[0]?.facts ?? [];
    const query = new URL(factHref('s:shop', fact ?? ({} as never)), 'http://x').searchParams;
    expect(Object.fromEntries(query)).toMatchObject({
      ...{ ...expected, first_id: String(fact?.first_id), last_id: String(fact?.last_id) },
    });
    expect(query.getAll('without')).toEqual(without);
  });

  it('in the usual order does not fire, nor in the first week of the log, nor with fewer than three events', () => {
    expect(run(days(14)).fired).toEqual([]);
    expect(run([...days(7), ...flow(start + 5 * day_ms, wrong, { trace_id: 'strange' })]).fired).toEqual([]);
    expect(run([...days(14), ...flow(at, ['SHIP', 'CREATE'], { trace_id: 'strange' })]).fired).toEqual([]);
  });

  it('that comes again within a day is listed, and does not fire', () => {
    const again = [1, 5, 9].flatMap((hours) => flow(at + hours * hour_ms, wrong, { trace_id: `strange-${hours}` }));
    const { fired, stories } = run([...days(14), ...again]);
    expect(fired).toHaveLength(1);
    expect(stories.size).toBe(3);
  });

  it('is learned after a week, and at once when it is expected', () => {
    const second = flow(at + 8 * day_ms, wrong, { trace_id: 'second' });
    const events = [...days(24), ...flow(at, wrong, { trace_id: 'first' }), ...second];
    const { fired, world } = run(events);
    const story = fired[0];
    expect(world.sequences.waiting.map(({ story: id }) => id)).not.toContain(story?.id);
    const verdict = readVerdict({ verdict: 'expected', story: story?.id, subject: 's:shop', facts: story?.facts });
    const said = { at: at + day_ms, service: 'edgetrail', verdict };
    const third = flow(at + 2 * day_ms, wrong, { trace_id: 'third' });
    expect(run([...days(16), ...flow(at, wrong, { trace_id: 'first' }), said, ...third]).fired).toHaveLength(1);
    expect(run([...days(16), ...flow(at, wrong, { trace_id: 'first' }), ...third]).fired).toHaveLength(2);
  });

  it('keeps at most 400 groups open, and what is cut is judged without an end', () => {
    const many = Array.from({ length: 3_000 }, (_, i) => flow(at + i, usual, { trace_id: `many-${i}` })).flat();
    const { world, fired } = run([...days(14), ...many]);
    expect(Object.keys(world.sequences.open).length).toBeLessThanOrEqual(400);
    expect(world.sequences.n_open).toBe(Object.keys(world.sequences.open).length);
    expect(fired).toEqual([]);
  });

  it('with a step of its own in each of 250 traces: 200 steps of a day are remembered', () => {
    const strange = Array.from({ length: 250 }, (_, i) =>
      flow(at + i, ['CREATE', `X${i}`, 'PAY'], { trace_id: `x-${i}` }),
    );
    const { world } = run([...days(14), ...strange.flat()]);
    expect(Object.keys(world.sequences.told)).toHaveLength(200);
  });

  it('that comes again makes the ranking forget none that may fire', () => {
    const three: Budget = { per_day_max: 3, kinds: ['sequence'] };
    const whole = newWhole(start);
    for (let i = 0; i < 300; i += 1) rank(three, whole, 'sequence', [i, start, `o${i}`]);
    expect(rank(three, whole, 'sequence', [500, start, 'o500'], true)).toEqual({ fires: false, kept: true });
    expect(whole.ranked.sequence).toHaveLength(3 * 90);
  });
});

/** What the hours of a service say: surges, drops and silence, and what they do not. */
import { describe, expect, it } from 'vitest';
import type { Story } from '../../../src/features/unusual/actor.ts';
import type { Budget } from '../../../src/features/unusual/budget.ts';
import { readVerdict } from '../../../src/features/unusual/verdicts.ts';
import { factHref, factWords } from '../../../src/features/unusual/words.ts';
import { day_ms, type Happened, hour_ms, team, till } from '../../support/unusual/team.ts';
import { numbered, run as runOf } from './run.ts';

const start = Date.UTC(2026, 0, 5);
const budget: Budget = { per_day_max: 1, kinds: ['surge', 'drop', 'silence'] };
const run = (events: Happened[]) => runOf(numbered(events), budget);
/** A Monday, two weeks after the beginning. */
const at = start + 14 * day_ms + 10 * hour_ms;
const within = (from: number, hours: number, times: number) => (when: number) =>
  when >= from && when < from + hours * hour_ms ? times : 1;
const ofTill = (fired: Story[]) => fired.filter(({ subject }) => subject === 's:till');
const isOfHour = (words: string) => /usual at this hour|no event/.test(words);
const told = (events: Happened[]) => {
  const { fired, stories } = run(events);
  return ofTill(fired).map(({ id }) => stories.get(id)?.facts.map(factWords).filter(isOfHour));
};

describe('an hour of a service', () => {
  it('of many times as many events as usual at this time fires, and says what is usual', () => {
    expect(told([...team(start, 18), ...till(start, 18, 5, within(at, 1, 8))])).toEqual([
      [
        '96 events between 10:00 and 10:59; usual at this hour are 7 to 19 (the last 10)',
        expect.stringMatching(/^96 SALE/),
      ],
    ]);
  });

  it('of a few events where many are usual fires', () => {
    const few = (when: number) => (when >= at && when < at + hour_ms && when % (30 * 60_000) !== 0 ? 0 : 1);
    expect(told([...team(start, 18), ...till(start, 18, 5, few)])[0]?.[0]).toMatch(
      /^2 events between 10:00 and 10:59; usual at this hour are 7 to 19 \(the last 10\)/,
    );
  });

  it('of as many as at this time on other days does not', () => {
    const busy = (when: number) => (new Date(when).getUTCHours() === 10 ? 8 : 1);
    expect(told([...team(start, 18), ...till(start, 18, 5, busy)])).toEqual([]);
  });

  it('is told in the first week of a service no more than of a log', () => {
    const few = (when: number) => (when >= at && when < at + 30 * hour_ms ? 0 : 1);
    const others = till(start, 16, 20).map((event) => ({ ...event, service: 'other' }));
    expect(told([...others, ...till(at - 5 * day_ms, 6, 5, few)])).toEqual([]);
    expect(told([...others, ...till(at - 8 * day_ms, 9, 5, few)])).toHaveLength(1);
  });
});

describe('silence', () => {
  it('of a service that always writes fires once while others go on, and grows until it ends', () => {
    const { fired, stories } = run([...team(start, 18), ...till(start, 18, 30, within(at + 60_000, 30, 0))]);
    const [story, ...others] = ofTill(fired);
    expect(others).toEqual([]);
    const facts = stories.get(story?.id ?? '')?.facts ?? [];
    expect(facts.map(({ kind }) => kind)).toEqual(['silence']);
    expect(facts.map(factWords)[0]).toMatch(
      /^no event since 2026-01-19 10:00, for \d+ hours in which others had some; the longest silence before were 0$/,
    );
  });

  it('is linked to a list that is empty: of the service, after its last event, as the log was then', () => {
    const { fired } = run([...team(start, 18), ...till(start, 18, 30, within(at + 60_000, 30, 0))]);
    const [fact] = ofTill(fired)[0]?.facts ?? [];
    const query = new URL(factHref('s:till', fact ?? ({} as never)), 'http://x').searchParams;
    expect(Object.fromEntries(query)).toMatchObject({
      ...{ service: 'till', start_date: new Date(at + 1).toISOString(), last_id: String(fact?.last_id) },
    });
  });

  it('of a night that is always quiet does not fire', () => {
    const byDay = (when: number) => (new Date(when).getUTCHours() >= 8 && new Date(when).getUTCHours() < 20 ? 1 : 0);
    const others = till(start, 18, 20).map((event) => ({ ...event, service: 'other' }));
    expect(told([...others, ...till(start, 18, 20, byDay)])).toEqual([]);
  });

  it('of a night in which others write for the first time does not fire', () => {
    const others = till(start + 9 * day_ms, 9, 20).map((event) => ({ ...event, service: 'other' }));
    expect(run([...team(start, 18), ...others]).fired).toEqual([]);
  });

  it('of the whole log is not that of a service: an hour without any event is not judged', () => {
    const off = within(at, 40, 0);
    const others = till(start, 18, 20, off).map((event) => ({ ...event, service: 'other' }));
    expect(told([...others, ...till(start, 18, 20, off)])).toEqual([]);
  });

  it('is not told because of one clock that is a day ahead', () => {
    const ahead = { at: at + 20 * hour_ms, service: 'other', user_id: null };
    const events = numbered([...team(start, 18), ...till(start, 18, 5)]);
    // Just after the hour has begun: the rest of it, and of the day, would be late.
    const i = events.findIndex((event) => event.at > at + 10 * 60_000);
    const mixed = events
      .toSpliced(i, 0, { ...events[i], ...ahead, id: 0 } as never)
      .map((event, n) => ({ ...event, id: n + 1 }));
    expect(ofTill(runOf(mixed, budget).fired)).toEqual([]);
  });
});

describe('a verdict on a silence', () => {
  it('expected holds the next one', () => {
    const silence = (when: number) =>
      Math.min(within(at + 60_000, 30, 0)(when), within(at + 7 * day_ms + 60_000, 30, 0)(when));
    const events = [...team(start, 26), ...till(start, 26, 30, silence)];
    const { fired } = run(events);
    const [story, second] = ofTill(fired);
    const verdict = readVerdict({
      ...{ verdict: 'expected', story: story?.id, subject: 's:till', facts: story?.facts },
    });
    expect(verdict).not.toBeNull();
    const said = { at: at + 3 * day_ms, service: 'edgetrail', verdict };
    expect(ofTill(run([...events, said]).fired)).toHaveLength(1);
    // Without one, what was never usual fires again, unless it was shorter than the first.
    expect(second === undefined || second.to > at + 7 * day_ms).toBe(true);
  });
});

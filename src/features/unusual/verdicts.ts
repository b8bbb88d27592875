/** What people say of a story: expected, confirmed, muted, or none of these any more. Each verdict is an event of the log. */
import { day_ms, type FactKind, type Whole } from './actor.ts';
import { judgeKinds } from './ended-hours.ts';
import { unsee } from './firsts.ts';
import { learnNow } from './learn.ts';
import { judgeSequences } from './sequences.ts';
import { allowanceKey } from './stories.ts';
import { actorOf, type World } from './world.ts';

export const verdicts = ['expected', 'confirmed', 'muted', 'none'] as const;

export type Verdict = {
  verdict: (typeof verdicts)[number];
  story: string;
  subject: string;
  facts: { kind: FactKind; what: string; n: number }[];
  /** The end of a mute, in epoch ms. */
  until: number | null;
};

export const verdictEvent = { event_type: 'VERDICT', entity_type: 'story' } as const;
const expected_ms = 28 * day_ms;
const mute_ms = 28 * day_ms;
const allowances_max = 200;

/** The verdict of an event's metadata, or null: whoever may write may write any. */
export function readVerdict(metadata: unknown): Verdict | null {
  const { verdict, story, subject, facts, until } = (metadata ?? {}) as Record<string, unknown>;
  const isFact = (fact: unknown) => {
    const { kind, what, n } = (fact ?? {}) as Record<string, unknown>;
    return typeof kind === 'string' && typeof what === 'string' && Number.isFinite(n);
  };
  if (
    !verdicts.some((one) => one === verdict) ||
    typeof story !== 'string' ||
    typeof subject !== 'string' ||
    !/^[us]:.|^a$/s.test(subject) ||
    !Array.isArray(facts) ||
    !facts.every(isFact)
  )
    return null;
  const until_ms = typeof until === 'string' ? Date.parse(until) : Number.NaN;
  return { verdict, story, subject, facts, until: Number.isNaN(until_ms) ? null : until_ms } as Verdict;
}

/** Applies a verdict to its subject. The last one of a story counts. */
export function judge(
  world: World,
  whole: Whole,
  subject: string,
  { verdict, story, facts, until }: Verdict,
  at: number,
): void {
  const actor = actorOf(world, subject);
  for (const fact of facts) delete actor.allowed[allowanceKey(fact)];
  for (const [key, allowance] of Object.entries(actor.allowed)) if (allowance.until <= at) delete actor.allowed[key];
  if (verdict === 'expected' || verdict === 'muted')
    for (const fact of facts.slice(0, Math.max(0, allowances_max - Object.keys(actor.allowed).length)))
      actor.allowed[allowanceKey(fact)] = {
        verdict,
        until: verdict === 'muted' ? (until ?? at + mute_ms) : at + expected_ms,
        n: fact.n,
      };
  const isOfStory = (late: { story: string }) => late.story === story;
  const held = actor.unlearned.filter(isOfStory);
  if (verdict === 'expected') for (const late of held) learnNow(whole, actor, late);
  if (verdict === 'confirmed')
    for (const { kind, what } of facts) {
      const [field = '', ...value] = what.split(':');
      if (kind === 'first_seen') unsee(actor, field, value.join(':'));
    }
  if (verdict !== 'expected' && verdict !== 'confirmed') return;
  if (!subject.startsWith('u:'))
    judgeKinds(world, subject === 'a' ? null : subject.slice(2), story, verdict === 'expected');
  judgeSequences(world.sequences, story, verdict === 'expected');
  actor.unlearned = actor.unlearned.filter((late) => !isOfStory(late));
}

/** What a rule would have made of a part of the log: the fold of a rule that is on, without writing anything. */
import * as v from 'valibot';
import { checked, whole } from '../../api/changes.ts';
import { badField } from '../../http/problem.ts';
import type { Json } from '../../log/entry.ts';
import type { Parts } from '../../parts.ts';
import { foldPart } from './find.ts';
import { type Fold, readFold, writeFold } from './fold-groups.ts';
import type { Verdict } from './fold-verdicts.ts';
import { type Rule, ruleOf } from './rule.ts';
import { readRule } from './spec.ts';
import { eventsHref } from './words.ts';

export const previewLimits = { preview_ms_max: 10_000, preview_alerts_max: 1_000 } as const;

type PreviewAlert = Pick<Verdict, 'group' | 'n' | 'first_id' | 'last_id' | 'note'> & { at: string; link: string };
/** Where `cursor` is below `until`, a request with `after` = `cursor` and this `state` goes on. */
export type Preview = { alerts: PreviewAlert[]; resolved: number; cursor: number; until: number; state?: Json };

const id = whole(0, Number.MAX_SAFE_INTEGER);
const Asked = v.strictObject({
  rule: v.unknown(),
  after: v.optional(id, 0),
  until: v.optional(id),
  state: v.optional(v.unknown()),
});

/** What a preview has answered with comes back from a client: it is checked as far as the fold relies on its form. */
function isState(state: unknown): state is Json {
  const { at, size, cell, groups } = (state ?? {}) as Record<string, unknown>;
  return (
    [at, size, cell].every(Number.isFinite) &&
    Array.isArray(groups) &&
    groups.every((each) => typeof each?.[0] === 'string' && Array.isArray(each[1]?.points))
  );
}

export async function preview({ store }: Parts, body: unknown): Promise<Preview> {
  const asked = checked(Asked, body, 'a preview');
  const { after, until = Number.POSITIVE_INFINITY, state } = asked;
  const { spec, filter } = readRule(asked.rule);
  const rule = ruleOf(spec, filter);
  const end = Math.min(until, await store.head());
  if (state !== undefined && !isState(state)) throw badField('state', 'must be what a preview has answered');
  return run(store, rule, state === undefined ? null : readFold(rule, state), after, end);
}

async function run(
  store: Parts['store'],
  rule: Rule,
  known: Fold | null,
  after: number,
  until: number,
): Promise<Preview> {
  const deadline = Date.now() + previewLimits.preview_ms_max;
  const alerts: PreviewAlert[] = [];
  let resolved = 0;
  let fold = known;
  let cursor = after;
  while (cursor < until && Date.now() < deadline && alerts.length < previewLimits.preview_alerts_max) {
    const part = await foldPart(rule, fold, cursor, until, store);
    ({ fold, to: cursor } = part);
    for (const { kind, group, n, first_id, last_id, at, note } of part.verdicts) {
      if (kind === 'ALERT_RESOLVED') resolved += 1;
      if (kind !== 'ALERT') continue;
      const link = eventsHref(rule, { group, first_id, last_id });
      alerts.push({ first_id, last_id, group, n, at: new Date(at).toISOString(), ...(note && { note }), link });
    }
  }
  return { alerts, resolved, cursor, until, ...(cursor < until && fold && { state: writeFold(fold) }) };
}

/** What people do with rules: make, change, mute, delete. Each change is an event of the log. */
import type { Context } from 'hono';
import * as v from 'valibot';
import { type Change, changeReader, checked, whole } from '../../api/changes.ts';
import { badField, Problem } from '../../http/problem.ts';
import type { DeliveryState } from '../../log/delivery-rows.ts';
import type { Metadata } from '../../log/entry.ts';
import type { Env, Parts } from '../../parts.ts';
import { type RuleSpec, readerKind, readerName } from './spec.ts';
import { type RuleView, specOf, viewOf } from './view.ts';

const rules_max = 100;

export async function rulesOf({ store }: Parts): Promise<RuleView[]> {
  const all = await store.deliveries.list();
  return all.filter(({ kind }) => kind === readerKind).map((rule) => viewOf(rule, Date.now()));
}

const noSuchRule = () => new Problem(404, 'There is no rule of this name.');

async function storedRule({ store }: Parts, name: string): Promise<DeliveryState> {
  const rule = await store.deliveries.one(readerName(name));
  if (!rule) throw noSuchRule();
  return rule;
}

export const ruleViewOf = async (parts: Parts, name: string): Promise<RuleView> =>
  viewOf(await storedRule(parts, name), Date.now());

/** The spec of a rule, as it is put. */
export const ruleSpecOf = async (parts: Parts, name: string): Promise<Metadata> =>
  specOf(await storedRule(parts, name)).fields;

const changeRule = (c: Context<Env>, parts: Parts, name: string, change: Change) =>
  changeReader(c, parts, readerKind, name, change);

/**
 * Makes a rule, which begins after the newest event unless it says where, or changes it: a changed rule goes on at its
 * place and has forgotten what it knew. Returns whether it is new.
 */
export async function putRule(
  c: Context<Env>,
  parts: Parts,
  name: string,
  { spec: given, filter, after: wanted }: RuleSpec,
): Promise<boolean> {
  const { id: head } = await parts.store.newest();
  if (wanted !== null && wanted > head) throw badField('after', 'must not be above the newest id');
  let isNew = false;
  await changeRule(c, parts, name, async (deliveries) => {
    const rules = (await deliveries.list()).filter(({ kind }) => kind === readerKind);
    const known = rules.find((rule) => rule.name === readerName(name));
    if (!known && rules.length >= rules_max) throw new Problem(400, `There may be at most ${rules_max} rules.`);
    const { after = wanted ?? head, mutes } = (known?.spec ?? {}) as { after?: number; mutes?: Metadata[] };
    if (known && wanted !== null && wanted !== after) throw badField('after', 'a rule that exists keeps its place');
    const spec: Metadata = { ...given, after, ...(mutes && { mutes }) };
    // A rule that is put again as it is keeps what it knows.
    if (known && known.filter === filter && isSame(known.spec, spec)) return null;
    isNew = (await deliveries.put({ name: readerName(name), kind: readerKind, spec, filter }, after)) === 'made';
    const metadata = { spec: given, filter, after };
    return isNew
      ? { type: 'RULE_CREATED', description: `Rule ${name} was made`, metadata }
      : { type: 'RULE_CHANGED', description: `Rule ${name} was changed`, metadata };
  });
  return isNew;
}

/** jsonb keeps no order of keys. */
const isSame = (a: Metadata | null, b: Metadata) => sorted(a) === sorted(b);
const sorted = (value: Metadata | null) =>
  JSON.stringify(Object.entries(value ?? {}).sort(([a], [b]) => (a < b ? -1 : 1)));

const mutes_max = 100;
const Asked = v.strictObject({
  group: v.optional(v.nullable(v.string('must be text')), null),
  for_s: whole(0, 30 * 86_400),
});

/** Mutes a group of a rule, or all of it, for a time: its alerts are then events of another type. */
export async function muteRule(c: Context<Env>, parts: Parts, name: string, body: unknown): Promise<void> {
  const { group, for_s } = checked(Asked, body, 'a mute');
  const now = Date.now();
  await changeRule(c, parts, name, async (deliveries) => {
    const rule = await deliveries.one(readerName(name));
    if (!rule) throw noSuchRule();
    const others = specOf(rule).mutes.filter((mute) => mute.group !== group && Date.parse(mute.until) > now);
    if (others.length >= mutes_max) throw new Problem(400, `A rule may have at most ${mutes_max} muted groups.`);
    const until = new Date(now + for_s * 1_000).toISOString();
    await deliveries.amend(rule.name, { ...rule.spec, mutes: for_s > 0 ? [...others, { group, until }] : others });
    const whom = group === null ? `Rule ${name}` : `The group ${group} of rule ${name}`;
    return for_s > 0
      ? { type: 'RULE_MUTED', description: `${whom} is muted until ${until}`, metadata: { group, until } }
      : { type: 'RULE_UNMUTED', description: `${whom} is not muted any more`, metadata: { group } };
  });
}

export async function deleteRule(c: Context<Env>, parts: Parts, name: string): Promise<void> {
  const { cursor } = await storedRule(parts, name);
  await changeRule(c, parts, name, async (deliveries) =>
    (await deliveries.drop(readerName(name)))
      ? { type: 'RULE_DELETED', description: `Rule ${name} was deleted`, metadata: { cursor } }
      : null,
  );
}

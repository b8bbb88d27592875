/** What is asked of the stories, and what people say of them. */
import type { Context } from 'hono';
import * as v from 'valibot';
import { checked } from '../../api/changes.ts';
import { badField, Problem } from '../../http/problem.ts';
import { type Status, statusOf } from '../../log/delivery-status.ts';
import { own_service, readEntry } from '../../log/entry.ts';
import { parseInstant } from '../../log/instant.ts';
import type { Env, Parts } from '../../parts.ts';
import { day_ms, factKinds, type Whole, warmUp } from './actor.ts';
import { ensureReader, readerName } from './find.ts';
import { type StoryQuery, storiesOf, storyOfId, verdictsOf } from './tables.ts';
import { verdictEvent, verdicts } from './verdicts.ts';
import { type StoryView, viewOf } from './view.ts';
import { sentenceOf } from './words.ts';

const listLimits = { stories_default: 50, stories_max: 500 } as const;
const storyId = /^[usadqno]\d{1,16}$/;

export type Listed = {
  stories: StoryView[];
  /** The query of the next page. */
  next: string | null;
  /** Until when the log is too young to tell what is unusual; null when it is not. */
  learning_until: string | null;
  budget: { per_day_max: number; kinds: readonly string[] };
  status: Status;
  cursor: number;
  lag_events: number;
};

export function readQuery(query: URLSearchParams): StoryQuery {
  const one = (name: string) => query.get(name) || null;
  for (const name of query.keys())
    if (!['user_id', 'service', 'kind', 'fired', 'before', 'limit'].includes(name))
      throw badField(name, 'is not a parameter of this request');
  const [user, service, kind, fired, before] = ['user_id', 'service', 'kind', 'fired', 'before'].map(one);
  if (kind && !factKinds.some((known) => known === kind))
    throw badField('kind', `must be one of ${factKinds.join(', ')}`);
  if (fired && !/^(true|false)$/.test(fired)) throw badField('fired', 'must be true or false');
  const limit = Number(one('limit') ?? listLimits.stories_default);
  if (!Number.isInteger(limit) || limit < 1 || limit > listLimits.stories_max)
    throw badField('limit', `must be a whole number from 1 to ${listLimits.stories_max}`);
  const [, ended = '', story = ''] = /^(-?\d{1,15})\.([usadqno]\d{1,16})$/.exec(before ?? '') ?? [];
  if (before && !story) throw badField('before', 'must be that of the page before');
  return {
    subject: user ? `u:${user}` : service ? `s:${service}` : null,
    kind: kind ?? null,
    fired: fired ? fired === 'true' : null,
    before: before ? { ended: Number(ended), story } : null,
    limit,
  };
}

export async function list(parts: Parts, query: URLSearchParams): Promise<Listed> {
  const asked = readQuery(query);
  const { store, outbound, limits } = parts;
  await ensureReader(store);
  outbound.wake();
  const reader = await store.deliveries.one(readerName);
  const stories = await store.reads(async (db) => {
    const found = await storiesOf(db, asked);
    const said = await verdictsOf(
      db,
      found.map(({ id }) => id),
    );
    return found.map((story) => ({ story, view: viewOf(story, said.get(story.id)) }));
  });
  const last = stories.length === asked.limit ? stories.at(-1)?.story : undefined;
  const next = new URLSearchParams(query);
  if (last) next.set('before', `${last.to}.${last.id}`);
  const whole = (reader?.state ?? null) as unknown as Whole | null;
  const until = whole && whole.start + warmUp.log_days * day_ms;
  return {
    stories: stories.map(({ view }) => view),
    next: last ? next.toString() : null,
    learning_until: until !== null && whole && whole.newest < until ? new Date(until).toISOString() : null,
    budget: { per_day_max: limits.UNUSUAL_PER_DAY_MAX, kinds: limits.UNUSUAL_KINDS },
    status: reader ? statusOf(reader) : 'behind',
    cursor: reader?.cursor ?? 0,
    lag_events: reader?.lag_events ?? 0,
  };
}

const noSuchStory = () => new Problem(404, 'There is no story of this name.');

export async function one({ store }: Parts, id: string): Promise<StoryView> {
  if (!storyId.test(id)) throw noSuchStory();
  return store.reads(async (db) => {
    const story = await storyOfId(db, id);
    if (!story) throw noSuchStory();
    return viewOf(story, (await verdictsOf(db, [id])).get(id));
  });
}

const Asked = v.strictObject({
  verdict: v.picklist(verdicts, `must be one of ${verdicts.join(', ')}`),
  until: v.optional(v.string('must be a time')),
});

/** Says something of a story: an event of the log, which the models read in its turn. The newest one counts. */
export async function say(c: Context<Env>, { store, tail, outbound }: Parts, id: string, body: unknown): Promise<void> {
  const { verdict, until } = checked(Asked, body, 'a verdict');
  const end = until === undefined ? null : parseInstant(until);
  if (until !== undefined && (verdict !== 'muted' || !end)) throw badField('until', 'is the time at which a mute ends');
  if (!storyId.test(id)) throw noSuchStory();
  const story = await store.reads((db) => storyOfId(db, id));
  if (!story) throw noSuchStory();
  const facts = story.facts.map(({ kind, what, n }) => ({ kind, what, n }));
  const read = readEntry({
    ...verdictEvent,
    entity_id: id,
    user_id: c.get('principal').name,
    service: own_service,
    description: `${verdict}: ${sentenceOf(story)}`.slice(0, 10_000).toWellFormed(),
    metadata: {
      verdict,
      story: id,
      subject: story.subject,
      facts,
      ...(end && { until: new Date(end.ms).toISOString() }),
    },
  });
  if ('faults' in read)
    throw new Problem(400, read.faults.map(({ field, reason }) => `${field}: ${reason}`).join('; '));
  const [appended] = await store.append([read.entry]);
  if (appended) tail.notifyAppended(appended.entry.id);
  outbound.wake();
}

/** The tables of what is unusual, and their queries. */
import { and, desc, eq, gte, inArray, isNotNull, isNull, lt, lte, or, type SQL, sql } from 'drizzle-orm';
import { bigint, doublePrecision, index, jsonb, pgTable, text } from 'drizzle-orm/pg-core';
import { own_service } from '../../log/entry.ts';
import { isoOf } from '../../log/instant.ts';
import { literal } from '../../log/literals.ts';
import { type Database, instant, activityLogs as log } from '../../log/schema.ts';
import type { Fact, Story } from './actor.ts';
import type { Event } from './fold.ts';
import { readVerdict, verdictEvent } from './verdicts.ts';

/** What the models remember: of a subject, u:<user>, s:<service> or a, and of all, m:<model>. */
export const logActor = pgTable('log_actor', {
  subject: text().primaryKey(),
  state: jsonb().notNull(),
});

/** The stories. */
export const logStory = pgTable(
  'log_story',
  {
    story: text().primaryKey(),
    subject: text().notNull(),
    began: instant().notNull(),
    ended: instant().notNull(),
    score: doublePrecision().notNull(),
    /** The id of the event with which it fired. */
    fired_at: bigint({ mode: 'number' }),
    facts: jsonb().$type<Fact[]>().notNull(),
  },
  (t) => [index('idx_log_story_ended').on(t.ended, t.story), index('idx_log_story_subject').on(t.subject, t.ended)],
);

const rowsOf = async <R>(db: Database, query: SQL): Promise<R[]> => {
  const result: unknown = await db.execute(query);
  return (Array.isArray(result) ? result : (result as { rows: unknown[] }).rows) as R[];
};

/** An event with the time at which the log took it. */
export type TakenEvent = Event & { taken: string };

type LogRow = Omit<TakenEvent, 'id' | 'at' | 'verdict'> & { id: unknown; happened: number | null; said: string | null };

const agent_chars_max = 300;

/** The events after an id and up to another that models read. Those at no finite time are not. */
export async function eventsAfter(db: Database, after: number, upto: number): Promise<TakenEvent[]> {
  const isVerdict = sql`${log.service} = ${own_service} and ${log.entity_type} = ${verdictEvent.entity_type} and ${log.event_type} = ${verdictEvent.event_type}`;
  const rows = await rowsOf<LogRow>(
    db,
    sql`select ${log.id} as id, (extract(epoch from ${log.timestamp}) * 1000)::float8 as happened,
      ${log.event_type} as event_type, ${log.entity_type} as entity_type, ${log.user_id} as user_id,
      ${log.service} as service, ${log.entity_id} as entity_id, ${log.trace_id} as trace_id,
      ${log.session_id} as session_id, ${log.ip_address}::text as ip_address,
      left(${log.user_agent}, ${literal(agent_chars_max)}) as user_agent, ${log.created_at}::text as taken,
      case when ${isVerdict} then ${log.metadata}::text end as said
      from ${log} where ${log.id} > ${literal(after)} and ${log.id} <= ${literal(upto)}
        and (${log.service} is distinct from ${own_service} or ${isVerdict})
        and ${log.timestamp} between '0001-01-01T00:00:00Z' and '9999-12-31T23:59:59Z'
      order by ${log.id}`,
  );
  return rows.map(({ id, happened, said, ...row }) => ({
    ...row,
    id: Number(id),
    at: Math.round(Number(happened)),
    verdict: said === null ? null : readVerdict(JSON.parse(said)),
  }));
}

/** What is remembered, by the subject or the name of the model. */
export async function statesOf(db: Database, subjects: string[]): Promise<Map<string, unknown>> {
  const rows = await rowsOf<{ subject: string; state: string }>(
    db,
    sql`select ${logActor.subject} as subject, ${logActor.state}::text as state from ${logActor}
      where ${logActor.subject} in (select jsonb_array_elements_text(${JSON.stringify(subjects)}::jsonb))`,
  );
  return new Map(rows.map(({ subject, state }) => [subject, JSON.parse(state) as unknown]));
}

/** Writes what a step has changed. `isFirst`: the reader begins, and what was there is of another log. */
export async function keepRows(
  db: Database,
  isFirst: boolean,
  states: { subject: string; state: unknown }[],
  stories: Iterable<Story>,
): Promise<void> {
  const told = [...stories].map(({ id, from, to, ...story }) => ({
    ...story,
    story: id,
    began: new Date(from).toISOString(),
    ended: new Date(to).toISOString(),
  }));
  await db.execute(
    sql`select keep_unusual(${isFirst}::boolean, ${JSON.stringify(states)}::jsonb, ${JSON.stringify(told)}::jsonb)`,
  );
}

export type StoryQuery = {
  subject: string | null;
  kind: string | null;
  fired: boolean | null;
  /** The end of the last story of the page before, in epoch ms, and its name. */
  before: { ended: number; story: string } | null;
  limit: number;
};

export async function storiesOf(db: Database, query: StoryQuery): Promise<Story[]> {
  const { subject, kind, fired, before, limit } = query;
  const rows = await db
    .select()
    .from(logStory)
    .where(
      and(
        subject === null ? undefined : eq(logStory.subject, subject),
        kind === null ? undefined : sql`${logStory.facts} @> ${JSON.stringify([{ kind }])}::jsonb`,
        fired === null ? undefined : fired ? isNotNull(logStory.fired_at) : isNull(logStory.fired_at),
        before === null
          ? undefined
          : or(
              lt(logStory.ended, isoOf(before.ended)),
              and(eq(logStory.ended, isoOf(before.ended)), lt(logStory.story, before.story)),
            ),
      ),
    )
    .orderBy(desc(logStory.ended), desc(logStory.story))
    .limit(limit);
  return rows.map(toStory);
}

/** The newest stories that fired and ended within a period, whose ends are in epoch ms; of these subjects, if any are named. */
export async function firedStories(
  db: Database,
  subjects: string[] | undefined,
  from: number,
  to: number,
  limit: number,
): Promise<Story[]> {
  const rows = await db
    .select()
    .from(logStory)
    .where(
      and(
        subjects && inArray(logStory.subject, subjects),
        isNotNull(logStory.fired_at),
        gte(logStory.ended, isoOf(from)),
        lte(logStory.ended, isoOf(to)),
      ),
    )
    .orderBy(desc(logStory.ended), desc(logStory.story))
    .limit(limit);
  return rows.map(toStory);
}

export async function storyOfId(db: Database, id: string): Promise<Story | null> {
  const [row] = await db.select().from(logStory).where(eq(logStory.story, id));
  return row ? toStory(row) : null;
}

function toStory({ story, subject, began, ended, score, fired_at, facts }: typeof logStory.$inferSelect): Story {
  return { id: story, subject, from: Date.parse(began), to: Date.parse(ended), score, fired_at, facts };
}

export type Said = { verdict: string; by: string | null; at: string; event_id: number; until?: string };

/** The newest verdict of each story that has one: from the log itself, so that it is there at once. */
export async function verdictsOf(db: Database, stories: string[]): Promise<Map<string, Said>> {
  if (stories.length === 0) return new Map();
  const rows = await db
    .select({ id: log.id, story: log.entity_id, by: log.user_id, at: log.timestamp, metadata: log.metadata })
    .from(log)
    .where(
      and(
        inArray(log.entity_id, stories),
        eq(log.entity_type, verdictEvent.entity_type),
        eq(log.event_type, verdictEvent.event_type),
        eq(log.service, own_service),
      ),
    )
    .orderBy(log.id);
  const found = new Map<string, Said>();
  for (const { id, story, by, at, metadata } of rows) {
    const said = readVerdict(metadata);
    if (!said || said.story !== story) continue;
    const until = said.until === null ? {} : { until: new Date(said.until).toISOString() };
    found.set(story, { verdict: said.verdict, by, at, event_id: id, ...until });
  }
  return found;
}

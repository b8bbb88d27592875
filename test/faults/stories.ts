/** Two instances that are killed while they look for what is unusual: the stories are those of an undisturbed run. */
import postgres from 'postgres';
import { demoHistory } from '../../src/commands/demo-shop.ts';
import { readerName, storyEvent } from '../../src/features/unusual/find.ts';
import { seeded } from '../support/sinks/far-side.ts';
import { type Fleet, startFleet, wait } from '../support/sinks/fleet.ts';
import type { FaultRun } from './run.ts';

const n_events = 120_000;
const days = 150;
const seed = 12;
const batch_events = 1_000;
/** A user who deletes 20 orders within two minutes, each so many events. */
const burst = { each: 4_000, n: 20, ms: 6_000 };
const ms_max = 20 * 60_000;

/** The history of a shop with bursts in it. Every run gives the same. */
function history(): object[] {
  const events = demoHistory({ n_events, days, seed, now_ms: Date.parse('2026-06-01T00:00:00Z') });
  return events.flatMap((event, i) => {
    if (i % burst.each !== burst.each - 1) return [event];
    const from = Date.parse(String((event as { timestamp: string }).timestamp));
    const deletions = Array.from({ length: burst.n }, (_, k) => ({
      event_type: 'DELETE',
      entity_type: 'order',
      entity_id: `${i}-${k}`,
      user_id: 'ana',
      timestamp: new Date(from + k * burst.ms).toISOString(),
    }));
    return [event, ...deletions];
  });
}

/** What a run has found: the rows that the models keep, and the events of the stories. */
async function found(sql: postgres.Sql): Promise<Record<string, string>> {
  const digest = (rows: ReturnType<typeof sql>) => sql<{ n: number; digest: string }[]>`
    select count(*)::integer as n, md5(coalesce(string_agg(r, e'\n' order by r), '')) as digest from (${rows}) t (r)`;
  const all = {
    log_story: digest(sql`select t::text from log_story t`),
    log_actor: digest(sql`select t::text from log_actor t`),
    // Without the revision of the reader, which begins with the time.
    events: digest(sql`select concat_ws(' ', entity_id, split_part(event_uid, '/', 4), description) from activity_logs
                       where service = 'edgetrail' and event_type = ${storyEvent}`),
  };
  const entries = Object.entries(all).map(async ([name, rows]) => {
    const [row] = await rows;
    return [name, `${row?.n} rows ${row?.digest}`] as const;
  });
  return Object.fromEntries(await Promise.all(entries));
}

export const stories: FaultRun = async ({ fresh, say, args: [kills = '20'] }) => {
  const events = history();
  const run = async (n_instances: number, disturb: (fleet: Fleet, cursor: () => Promise<number>) => Promise<void>) => {
    const DATABASE_URL = await fresh();
    // It writes first, so that there is something to read when the readers start.
    const env = { SINK_LEASE_MS: '1000', UNUSUAL_PER_DAY_MAX: '0' };
    const writer = await startFleet({ DATABASE_URL, env, ms_max });
    for (let i = 0; i < events.length; i += batch_events) await writer.write(events.slice(i, i + batch_events));
    await writer.end();
    const fleet = await startFleet({ DATABASE_URL, n_instances, env: { ...env, UNUSUAL_PER_DAY_MAX: '3' }, ms_max });
    const sql = postgres(DATABASE_URL, { max: 1, onnotice: () => {} });
    const cursor = async () => {
      const [row] = await sql<{ cursor: number }[]>`select cursor::float8 from log_readers where name = ${readerName}`;
      return row?.cursor ?? 0;
    };
    await disturb(fleet, cursor);
    await fleet.until('everything is read', async () => (await cursor()) >= events.length, 200);
    await fleet.end();
    const result = await found(sql);
    await sql.end();
    return result;
  };
  const undisturbed = await run(1, async () => {});
  let at_work = 0;
  const disturbed = await run(2, (fleet, cursor) =>
    fleet.disturb({
      n_kills: Number(kills),
      random: seeded(seed),
      until: async () => {
        if ((await cursor()) < events.length) at_work += 1;
        await wait(0);
      },
    }),
  );
  say(`${kills} kills, ${at_work} of them while something was behind`);
  const differing = Object.keys(undisturbed).filter((name) => undisturbed[name] !== disturbed[name]);
  return {
    numbers: { events: events.length, kills: Number(kills), kills_while_behind: at_work, undisturbed, disturbed },
    claims: {
      'the kills met the reader at work': at_work >= Number(kills) / 4,
      'there are stories': !undisturbed.log_story?.startsWith('0 ') && !undisturbed.events?.startsWith('0 '),
      'stories, what the models remember, and events are those of an undisturbed run': differing.length === 0,
    },
  };
};

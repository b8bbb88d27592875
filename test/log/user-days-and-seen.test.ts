/** The days of users and the first sights: the same rows whatever the steps, and those that a recount gives. */
import { sql } from 'drizzle-orm';
import { afterAll, describe, expect, it } from 'vitest';
import type { NewEntry } from '../../src/log/entry.ts';
import { type Derivation, stepReader } from '../../src/log/reader.ts';
import { seen } from '../../src/log/seen.ts';
import { createStore } from '../../src/log/store.ts';
import { userDays } from '../../src/log/user-days.ts';
import { openPglite } from '../../src/runtime/pglite.ts';
import { openPostgres } from '../../src/runtime/postgres.ts';
import { databases, freshDatabase } from '../support/harness.ts';

const chrome = 'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0 Safari/537.36';
const agents = [chrome, `${chrome} Edg/120.0`, 'curl/8.5.0', 'Mozilla/5.0 Gecko/20100101 Firefox/121.0', 'kubelet'];
const families = ['Chrome', 'Edge', 'curl', 'Firefox', 'kubelet'];
const start = Date.parse('2026-03-01T00:00:00Z');

type Event = Partial<NewEntry> & { event_type: string; entity_type: string; timestamp: string };

/** Users, services and agents in cycles of different lengths; `roamer` comes from 1,200 networks. */
const events: Event[] = Array.from({ length: 3_000 }, (_, i) => ({
  event_type: ['CREATE', 'UPDATE', 'DELETE'][i % 3] ?? '',
  entity_type: i === 2_500 ? '中'.repeat(255) : (['order', 'customer'][i % 2] ?? ''),
  user_id: i % 5 === 0 ? null : i >= 1_000 && i % 5 < 4 ? 'roamer' : `u${i % 7}`,
  service: i === 7 ? 'edgetrail' : i % 4 === 0 ? 'shop' : null,
  ip_address:
    i % 11 === 0 ? null : i >= 1_000 ? `10.${(i >> 8) % 256}.${i % 256}.7` : `2001:db8:${1 + (i % 3)}::${i % 9}`,
  user_agent: i % 6 === 5 ? null : (agents[i % 6] ?? null),
  // Not in the order of the ids.
  timestamp: new Date(start + ((i * 7_919) % 3_000) * 600_000).toISOString(),
}));

async function open(name: (typeof databases)[number]) {
  const place = await freshDatabase(name);
  const { db, close } = 'DATA_DIR' in place ? await openPglite(place.DATA_DIR) : openPostgres(place.DATABASE_URL, 2);
  afterAll(close);
  const store = createStore(db);
  for (let at = 0; at < events.length; at += 500) await store.append(events.slice(at, at + 500) as NewEntry[]);
  const rows = async (table: 'log_user_day' | 'log_seen') =>
    (
      await db
        .select({ row: sql<string>`to_jsonb(t)::text` })
        .from(sql.raw(`${table} as t`))
        .orderBy(sql`t::text`)
    ).map(({ row }) => JSON.parse(row) as Record<string, unknown>);
  /** Derives everything anew in steps of so many ids. */
  const derive = async (derivation: Derivation, ids_max: number) => {
    await db.execute(sql`delete from log_readers where name = ${derivation.name}`);
    await db.execute(sql.raw(`select forget_${derivation.name}(1)`));
    while ((await stepReader(db, derivation, ids_max)).remaining > 0);
    return rows(derivation.name === 'seen' ? 'log_seen' : 'log_user_day');
  };
  return { derive, store };
}

/** The days of the users, counted in JavaScript. */
function daysOf() {
  const days = new Map<string, { n: number; hours: Set<number>; first_id: number; last_id: number }>();
  for (const [i, { user_id, event_type, timestamp }] of events.entries()) {
    const key = JSON.stringify([timestamp.slice(0, 10), user_id ?? '', event_type]);
    const day = days.get(key) ?? { n: 0, hours: new Set(), first_id: i + 1, last_id: 0 };
    days.set(key, { ...day, n: day.n + 1, hours: day.hours.add(Number(timestamp.slice(11, 13))), last_id: i + 1 });
  }
  return new Map(
    [...days].map(([key, { hours, ...day }]) => [
      key,
      { ...day, hours: Array.from({ length: 24 }, (_, hour) => (hours.has(hour) ? '1' : '0')).join('') },
    ]),
  );
}

const networkOf = (address: string) =>
  address.includes('.')
    ? address.replace(/\.\d+$/, '.0/24')
    : address.replace(/^2001:db8:(\d+)::.*$/, '2001:db8:$1::/48');

/** The first sights, in JavaScript: the first entry of each value, and no value after the 1,000th but one that says so. */
function sights() {
  const found = new Map<string, number>();
  const counts = new Map<string, number>();
  for (const [i, event] of events.entries()) {
    if (event.service === 'edgetrail') continue;
    const { user_id, service, ip_address, user_agent, timestamp } = event;
    const action = `["${event.event_type}", "${event.entity_type}"]`;
    const family = user_agent ? families[agents.indexOf(user_agent)] : undefined;
    const facts: [string, string | null | undefined, string | null | undefined][] = [
      ['action', '', action],
      ['service_action', service, action],
      ['user_action', user_id, action],
      ['user_network', user_id, ip_address && networkOf(ip_address)],
      ['user_agent', user_id, family],
      ['user_slot', user_id, String(Math.floor(Number(timestamp.slice(11, 13)) / 2) * 2).padStart(2, '0')],
    ];
    for (const [kind, subject, value] of facts) {
      if (subject == null || value == null) continue;
      const of = JSON.stringify([kind, subject]);
      const key = JSON.stringify([kind, subject, value]);
      const n = counts.get(of) ?? 0;
      if (found.has(key) || n > 1_000) continue;
      counts.set(of, n + 1);
      found.set(n === 1_000 ? JSON.stringify([kind, subject, '']) : key, i + 1);
    }
  }
  return found;
}

describe.each(databases)('on %s', async (name) => {
  const { derive, store } = await open(name);

  it.each([97, 1_000, 20_000])('the days of users are those of a recount, in steps of %i ids', async (ids_max) => {
    const rows = await derive(userDays, ids_max);
    const found = rows.map(({ day, user_id, event_type, n, hours, first_id, last_id }) => [
      JSON.stringify([String(day).slice(0, 10), user_id, event_type]),
      { n, hours, first_id, last_id },
    ]);
    expect(new Map(found as [string, unknown][])).toEqual(daysOf());
  });

  it.each([97, 1_000, 20_000])('the first sights are those of a recount, in steps of %i ids', async (ids_max) => {
    const rows = await derive(seen, ids_max);
    const found = new Map(
      rows.map(({ kind, subject, value, first_id }) => [JSON.stringify([kind, subject, value]), first_id]),
    );
    const expected = sights();
    // A value that is too long for an index is cut, and has a digest of all of it.
    const long = (key: string) => key.includes('中'.repeat(20));
    const isShort = ([key]: [string, unknown]) => !long(key);
    expect(new Map([...found].filter(isShort))).toEqual(new Map([...expected].filter(isShort)));
    expect([...found].filter(([key]) => long(key)).map(([, id]) => id)).toEqual(
      [...expected].filter(([key]) => long(key)).map(([, id]) => id),
    );
    expect(found.get(JSON.stringify(['user_network', 'roamer', '']))).toBeGreaterThan(2_000);
  });

  it('the newest first sights are found by kind, subject and period', async () => {
    const [newest] = await store.firstSeen({ kinds: ['user_network'], subject: 'roamer', rows_max: 1 });
    expect(newest).toMatchObject({ kind: 'user_network', subject: 'roamer', value: '' });
    const before = await store.firstSeen({ kinds: ['user_slot', 'action'], before: start + 3_600_000, rows_max: 100 });
    expect(before.length).toBeGreaterThan(0);
    expect(
      before.filter(({ kind, first_at }) => kind === 'user_network' || Date.parse(first_at) >= start + 3_600_000),
    ).toEqual([]);
  });
});

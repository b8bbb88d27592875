/** Rules: what is on makes the alerts that a preview shows, as events of the log; only administrators see and change rules. */
import { describe, expect, it } from 'vitest';
import type { Entry } from '../../src/log/schema.ts';
import { eventually, json, startService } from '../support/harness.ts';
import { farSide } from '../support/sinks/far-side.ts';

process.env.RULES_HOOK = `whsec_${Buffer.alloc(32, 7).toString('base64')}`;
const service = await startService({
  env: { OUTBOUND_ALLOW: '127.0.0.0/8', RULES_HOOK: process.env.RULES_HOOK },
});

type Alert = { first_id: number; last_id: number; group: string | null; n: number };
const put = (name: string, rule: object) => service.request(`/api/rules/${name}`, { ...json(rule), method: 'PUT' });
const post = (path: string, body: object = {}) => service.request(path, json(body));
const read = async <T>(path: string): Promise<T> => (await service.request(path)).json() as Promise<T>;
const rule = (name: string) => read<Record<string, unknown> & { cursor: number; open: Alert[] }>(`/api/rules/${name}`);
const head = async () => (await read<{ logs: Entry[] }>('/api/logs?limit=1')).logs[0]?.id ?? 0;
const failed = (user_id: string, more: object = {}) => ({
  event_type: 'LOGIN_FAILED',
  entity_type: 'session',
  user_id,
  ...more,
});
/** The events of a rule, oldest first, as the log has them. */
const made = async (name: string, type = 'ALERT') => {
  const { logs } = await read<{ logs: Entry[] }>(
    `/api/logs?event_type=${type}&entity_type=rule&entity_id=${name}&limit=1000`,
  );
  return logs.toSorted((a, b) => a.id - b.id);
};
const alertOf = ({ metadata }: Entry): Alert => {
  const { first_id, last_id, group, n } = metadata as unknown as Alert;
  return { first_id, last_id, group, n };
};
const caughtUp = async (name: string, id: number) =>
  eventually(`the rule ${name} has come to ${id}`, async () => (await rule(name)).cursor >= id);
const bruteForce = { type: 'count', filter: 'event_type=LOGIN_FAILED', n: 5, window_s: 86_400, group_by: 'user_id' };

describe('a rule is refused', () => {
  const refused: [object | string, string][] = [
    ['[]', 'type: must be one of every, count'],
    [{}, 'type: must be one of every, count, distinct, sequence, silence, first_seen, ratio'],
    [{ type: 'burst' }, 'type: must be one of'],
    [{ type: 'count', n: 5 }, 'window_s: is required'],
    [{ ...bruteForce, n: 0 }, 'n: must be a whole number from 1 to 1000'],
    [{ ...bruteForce, window_s: 1.5 }, 'window_s: must be a whole number'],
    [{ ...bruteForce, colour: 'red' }, 'colour: is not a field of a rule of type count'],
    [{ ...bruteForce, filter: 'evnt_type=X' }, 'filter: evnt_type: is not a parameter of this request'],
    [{ ...bruteForce, filter: 'who:ana' }, 'filter: who:: is not a field'],
    [{ ...bruteForce, group_by: 'search' }, 'group_by: must be a field of an event'],
    [{ type: 'first_seen', group_by: 'service' }, 'group_by: must be one of event_type'],
    [{ type: 'sequence', filter: '', window_s: 60 }, 'followed_by: either followed_by or not_followed_by is required'],
    [{ type: 'sequence', window_s: 60, followed_by: ['type:A', 'tpe:B'] }, 'followed_by.1: tpe:'],
    [{ type: 'silence', window_s: 60, quiet_s: 5 }, 'quiet_s: a silence ends with the next event'],
    [{ type: 'ratio', of: '', n: 5, window_s: 60, ratio: 2 }, 'ratio: must be a number above 0'],
    [{ ...bruteForce, hours: '25-3' }, 'hours: must be two hours'],
    [{ ...bruteForce, hours: '22-6', zone: 'Mars/Base' }, 'zone: must be a time zone'],
    [{ ...bruteForce, after: 1e9 }, 'after: must not be above the newest id'],
  ];

  it.each(refused)('%j: %s', async (body, reason) => {
    const answer = await service.request('/api/rules/refused', { ...json(body), method: 'PUT' });
    expect(answer.status).toBe(400);
    expect((await answer.json()) as object).toMatchObject({ detail: expect.stringContaining(reason) });
  });

  it('with a name that is none, and nothing is made', async () => {
    expect((await put('No%20name', bruteForce)).status).toBe(400);
    expect((await service.request('/api/rules/refused')).status).toBe(404);
    expect(await read('/api/rules')).toMatchObject({ rules: [] });
  });

  it('by whoever is no administrator, and from the page of another site', async () => {
    for (const as of ['guest', 'writer', 'exporter', null] as const) {
      const status = as === null ? 401 : 403;
      expect((await service.request('/api/rules', { as })).status).toBe(status);
      expect((await service.request('/api/rules/x', { ...json(bruteForce), method: 'PUT', as })).status).toBe(status);
      expect((await service.request('/api/rules/preview', { ...json({}), as })).status).toBe(status);
      expect((await service.request('/api/rules/x/mute', { ...json({ for_s: 5 }), as })).status).toBe(status);
    }
    const headers = { origin: 'https://evil.example.com', 'content-type': 'application/json' };
    const answer = await service.request('/api/rules/x', { method: 'PUT', headers, body: JSON.stringify(bruteForce) });
    expect(answer.status).toBe(403);
  });

  it('in a preview, with the field', async () => {
    for (const [body, reason] of [
      [[], 'The body must be a JSON object: a preview'],
      [{ rule: bruteForce, after: -1 }, 'after: must be a whole number from 0'],
      [{ rule: bruteForce, from: 1 }, 'from: is not a field of a preview'],
      [{ rule: { type: 'burst' } }, 'type: must be one of'],
      [{ rule: bruteForce, state: { groups: 1 } }, 'state: must be what a preview has answered'],
    ] as const) {
      const answer = await post('/api/rules/preview', body);
      expect([answer.status, (await answer.json()) as object]).toMatchObject([
        400,
        { detail: expect.stringContaining(reason) },
      ]);
    }
  });
});

describe.concurrent('a rule that is on', () => {
  it('makes one event of an alert, as a preview of the same ids shows it, also for events that come late', async () => {
    const answer = await put('brute-force', bruteForce);
    expect(answer.status).toBe(201);
    const view = { ...bruteForce, name: 'brute-force', cursor: expect.any(Number), open: [] };
    expect(await answer.json()).toMatchObject(view);
    const after = (await rule('brute-force')).after as number;
    const late = { timestamp: '2001-01-01T00:00:00Z' };
    const written = await service.write([
      ...Array.from({ length: 4 }, () => failed('bob')),
      ...Array.from({ length: 7 }, (_, i) => failed('ana', i % 3 === 0 ? late : {})),
      { ...failed('bob'), event_type: 'LOGIN' },
    ]);
    const [first, fifth, last] = [4, 8, 11].map((i) => written[i]?.id ?? 0);
    await caughtUp('brute-force', last ?? 0);
    const alerts = await made('brute-force');
    expect(alerts.map(alertOf)).toEqual([{ first_id: first, last_id: fifth, group: 'ana', n: 5 }]);
    expect(alerts[0]).toMatchObject({ service: 'edgetrail', entity_type: 'rule', timestamp: written[8]?.created_at });
    const until = await head();
    const shown = await (await post('/api/rules/preview', { rule: bruteForce, after, until })).json();
    expect(shown).toMatchObject({ alerts: alerts.map(alertOf), cursor: until });
    const link = (alerts[0]?.metadata as { link?: string } | undefined)?.link;
    const { logs } = await read<{ logs: Entry[] }>(`/api${link}`);
    expect(logs.map(({ id }) => id).toSorted((a, b) => a - b)).toEqual(written.slice(4, 9).map(({ id }) => id));
    expect((await rule('brute-force')).open).toMatchObject([{ group: 'ana', n: 7, first_id: first }]);
    // Put again as it is, it keeps what it knows; each change is an event.
    expect((await put('brute-force', bruteForce)).status).toBe(200);
    expect((await rule('brute-force')).open).toMatchObject([{ group: 'ana' }]);
    expect((await put('brute-force', { ...bruteForce, n: 6 })).status).toBe(200);
    expect((await rule('brute-force')).open).toEqual([]);
    expect((await made('brute-force', 'RULE_CREATED')).length).toBe(1);
    expect((await made('brute-force', 'RULE_CHANGED')).length).toBe(1);
  });

  it('does not read what rules have made; muted, it makes events of another type', async () => {
    const thing = { event_type: 'TURN', entity_type: 'thing' };
    await put('any', { type: 'every', filter: 'entity_type=thing&entity_type=rule', alerts_per_hour_max: 1_000 });
    const [written] = await service.write(thing);
    await eventually('an alert', async () => (await made('any')).length > 0);
    expect((await post('/api/rules/any/mute', { for_s: 86_400 })).status).toBe(200);
    expect((await rule('any')).muted).toMatchObject([{ group: null }]);
    const [muted] = await service.write(thing);
    await eventually('it is muted', async () => (await made('any', 'ALERT_MUTED')).length > 0);
    await post('/api/rules/any/mute', { for_s: 0 });
    const [last] = await service.write(thing);
    await eventually('it is on again', async () => (await made('any')).length > 1);
    const of = (entry?: Entry) => ({ first_id: entry?.id, last_id: entry?.id, group: null, n: 1 });
    expect((await made('any')).map(alertOf)).toEqual([of(written), of(last)]);
    expect((await made('any', 'ALERT_MUTED')).map(alertOf)).toEqual([of(muted)]);
    expect((await made('any', 'RULE_MUTED')).length).toBe(1);
    expect((await post('/api/rules/any/mute', { group: 7 })).status).toBe(400);
    expect((await post('/api/rules/none/mute', { for_s: 5 })).status).toBe(404);
    expect((await service.request('/api/rules/any', { method: 'DELETE' })).status).toBe(204);
    expect((await service.request('/api/rules/any')).status).toBe(404);
  });

  it('tells of a silence although no event comes, and of its end', async () => {
    const silence = { type: 'silence', filter: 'service=pulse', window_s: 1, group_by: 'service' };
    await put('silent', silence);
    const beat = async () => (await service.write({ event_type: 'BEAT', entity_type: 'pulse', service: 'pulse' }))[0];
    const last = await beat();
    await eventually('it is told', async () => (await made('silent')).length === 1);
    expect((await made('silent')).map(alertOf)).toEqual([
      { first_id: last?.id, last_id: last?.id, group: 'pulse', n: 0 },
    ]);
    await beat();
    await eventually('it is told again', async () => (await made('silent')).length === 2);
    expect((await made('silent', 'ALERT_RESOLVED')).length).toBe(1);
    const after = (await rule('silent')).after as number;
    const shown = await (await post('/api/rules/preview', { rule: silence, after })).json();
    expect(shown).toMatchObject({ alerts: (await made('silent')).map(alertOf) });
  });

  it('knows the values that were in the log before it', async () => {
    const visit = (user_id: string) => ({ event_type: 'VISIT', entity_type: 'page', user_id });
    await service.write(visit('old'));
    await put('first', { type: 'first_seen', filter: 'event_type=VISIT', group_by: 'user_id' });
    const [, fresh, last] = await service.write([visit('old'), visit('new'), visit('new')]);
    await caughtUp('first', last?.id ?? 0);
    expect((await made('first')).map(alertOf)).toEqual([
      { first_id: fresh?.id, last_id: fresh?.id, group: 'new', n: 1 },
    ]);
  });

  it('is heard of through an ordinary sink with the filter event_type=ALERT', async () => {
    const bodies: string[] = [];
    const far = await farSide(({ body }) => {
      bodies.push(`${body}`);
      return { body: '' };
    });
    const sink = { kind: 'webhook', url: far.url, secret: 'env:RULES_HOOK', filter: 'event_type=ALERT' };
    expect((await service.request('/api/sinks/pager', { ...json(sink), method: 'PUT' })).status).toBe(201);
    await put('heard', { type: 'every', filter: 'event_type=BELL' });
    await service.write({ event_type: 'BELL', entity_type: 'door' });
    await eventually('it has arrived', () => bodies.some((body) => body.includes('"entity_id":"heard"')));
    expect(bodies.join('')).not.toContain('"BELL"');
    await service.request('/api/sinks/pager', { method: 'DELETE' });
    await far.close();
  });
});

it('a preview of a long part of the log goes on from where it ended', async () => {
  const every = { type: 'every', filter: 'service=long', alerts_per_hour_max: 1_000 };
  const after = await head();
  const written = (
    await service.write(Array.from({ length: 700 }, () => ({ event_type: 'A', entity_type: 'b', service: 'long' })))
  ).concat(
    await service.write(Array.from({ length: 700 }, () => ({ event_type: 'A', entity_type: 'b', service: 'long' }))),
  );
  type Shown = { alerts: Alert[]; cursor: number; until: number; state?: object };
  const first = (await (await post('/api/rules/preview', { rule: every, after })).json()) as Shown;
  expect(first.cursor).toBeLessThan(first.until);
  const rest = { rule: every, after: first.cursor, until: first.until, state: first.state };
  const second = (await (await post('/api/rules/preview', rest)).json()) as Shown;
  const told = [...first.alerts, ...second.alerts].filter(({ n }) => n === 1).map(({ last_id }) => last_id);
  // The limit of an hour holds over both requests.
  const hours = new Map<string, Entry[]>();
  for (const entry of written) {
    const hour = entry.created_at.slice(0, 13);
    hours.set(hour, [...(hours.get(hour) ?? []), entry]);
  }
  expect(told).toEqual([...hours.values()].flatMap((hour) => hour.slice(0, 1_000)).map(({ id }) => id));
  expect(second.cursor).toBe(first.until);
});

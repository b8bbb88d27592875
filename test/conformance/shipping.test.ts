/** Sinks: every event arrives, once where the far side knows ids, whatever the far side answers; only administrators see them. */
import { createHmac } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { eventually, json, startService } from '../support/harness.ts';
import { elasticsearch } from '../support/sinks/elasticsearch.ts';
import { type Asked, farSide } from '../support/sinks/far-side.ts';
import { otlp } from '../support/sinks/otlp.ts';
import { s3 } from '../support/sinks/s3.ts';
import { splunk } from '../support/sinks/splunk.ts';

const key = Buffer.alloc(32, 7).toString('base64');
const service = await startService({
  env: {
    OUTBOUND_ALLOW: '127.0.0.0/8',
    CORS_ORIGINS: 'https://app.example.com',
    HOOK_SECRET: `whsec_${key}`,
    OTHER_SECRET: 'a-secret-that-nobody-sees',
  },
});
// On Node the service is in this process, and its environment is the test's.
process.env.HOOK_SECRET = `whsec_${key}`;
process.env.OTHER_SECRET = 'a-secret-that-nobody-sees';

type Sink = { name: string; status: string; cursor: number; lag_events: number; refused_events: number } & Record<
  string,
  unknown
>;

const put = (name: string, spec: object) => service.request(`/api/sinks/${name}`, { ...json(spec), method: 'PUT' });
const post = (path: string, body: object = {}) => service.request(path, json(body));
const sink = async (name: string): Promise<Sink> =>
  (await service.request(`/api/sinks/${name}`)).json() as Promise<Sink>;
const upToDate = (name: string) =>
  eventually(`the sink ${name} is up to date`, async () => (await sink(name)).status === 'up to date');
/** Waits until everything up to an id is settled: other tests write meanwhile, so that a sink is seldom up to date. */
const settled = (name: string, id = 0) =>
  eventually(`the sink ${name} has come to ${id}`, async () => (await sink(name)).cursor >= id);
const events = (n: number, more: object = {}) =>
  Array.from({ length: n }, (_, i) => ({ event_type: 'CREATE', entity_type: 'order', entity_id: String(i), ...more }));
/** Writes events of a service of their own, which share no filter with those of the other tests. Returns their ids. */
const write = async (service_name: string, n: number, more: object = {}) =>
  (await service.write(events(n, { service: service_name, ...more }))).map(({ id }) => id);
const head = async () =>
  ((await (await service.request('/api/logs?limit=1')).json()) as { logs: { id: number }[] }).logs[0]?.id ?? 0;
const ids = (documents: Map<string, { id: number }>) => [...documents.values()].map(({ id }) => id);
const upTo = (n: number) => Array.from({ length: n }, (_, i) => i + 1);

describe('Elasticsearch', () => {
  it('gets every event in order, as the API shows it, and those that are written later', async () => {
    const far = await elasticsearch();
    await service.write(events(30));
    const made = await put('all', { kind: 'elasticsearch', url: far.url });
    expect(made.status).toBe(201);
    expect(await made.json()).toMatchObject({
      name: 'all',
      kind: 'elasticsearch',
      url: far.url,
      filter: '',
      refused_events: 0,
    });
    await upToDate('all');
    await service.write(events(5));
    await eventually('the new events arrive', async () => far.documents.size === (await head()));
    expect(ids(far.documents)).toEqual(upTo(await head()));
    const stored = await (await service.request('/api/logs/7')).json();
    expect([...far.documents.values()][6]).toEqual(stored);
    expect([...far.documents.keys()][6]).toBe(
      `edgetrail-${(stored as { created_at: string }).created_at.slice(0, 7).replace('-', '.')}/7`,
    );
    await upToDate('all');
    expect(await sink('all')).toMatchObject({ cursor: await head(), lag_events: 0, last_error: null });
    expect([far.conflicts, far.faults, far.overlap]).toEqual([0, [], 1]);
    await service.request('/api/sinks/all', { method: 'DELETE' });
    await far.close();
  });
});

describe.concurrent('every kind', () => {
  describe('Elasticsearch', () => {
    it('is asked again for what it was too busy for, and never for the rest; what it refuses is set aside', async () => {
      let busy = true;
      const far = await elasticsearch();
      const [first = 0] = await write('busy', 20);
      const after = first - 1;
      far.faulty.isPoison = ({ id }) => id === after + 4 || id === after + 9;
      const seen: number[][] = [];
      // The third and the tenth event of the first request: not now.
      far.faulty.instead = ({ body }) => {
        const sources = `${body}`
          .trimEnd()
          .split('\n')
          .filter((_, i) => i % 2 === 1)
          .map((line) => JSON.parse(line) as { id: number });
        seen.push(sources.map(({ id }) => id));
        if (!busy) return null;
        busy = false;
        const items = sources.map(({ id }) => {
          if (far.faulty.isPoison?.({ id }))
            return { create: { status: 400, error: { type: 'document_parsing_exception', reason: 'poison' } } };
          return { create: { status: id === after + 3 || id === after + 10 ? 429 : 201 } };
        });
        return { body: { errors: true, items } };
      };
      await put('busy', { kind: 'elasticsearch', url: far.url, filter: 'service=busy' });
      await settled('busy', after + 20);
      expect(seen[0]).toEqual(upTo(20).map((n) => after + n));
      expect(seen[1]).toEqual([after + 3, after + 10]);
      expect(await sink('busy')).toMatchObject({ refused_events: 2 });
      const refused = (await (await service.request('/api/sinks/busy/refused')).json()) as {
        refused: { id: number; reason: string }[];
      };
      expect(refused.refused.map(({ id }) => id)).toEqual([after + 4, after + 9]);
      expect(refused.refused[0]?.reason).toContain('document_parsing_exception: poison');
      delete far.faulty.isPoison;
      expect(await (await post('/api/sinks/busy/refused/retry')).json()).toMatchObject({
        kept: 2,
        refused: 0,
        refused_events: 0,
      });
      await service.request('/api/sinks/busy', { method: 'DELETE' });
      await far.close();
    });

    it('is left alone for as long as it asks, gets smaller requests, and goes on after its token was mended', async () => {
      const written = await write('strict', 40, { description: 'x'.repeat(1_000) });
      const after = (written[0] ?? 0) - 1;
      const far = await elasticsearch({ bytes_max: 10_000 });
      let phase: 'busy' | 'locked' | 'moved' | 'open' = 'busy';
      far.faulty.instead = () =>
        ({
          busy: { status: 503, headers: { 'retry-after': '1' } },
          locked: { status: 401, body: 'who are you' },
          moved: { status: 302, headers: { location: 'http://169.254.169.254/latest' } },
          open: null,
        })[phase];
      const spec = { kind: 'elasticsearch', url: far.url, filter: 'service=strict', after };
      await put('strict', spec);
      await eventually('a first request', () => far.asked.length === 1);
      expect(await sink('strict')).toMatchObject({ cursor: after });
      phase = 'locked';
      await eventually('a second request', () => far.asked.length === 2);
      expect((far.asked[1]?.at_ms ?? 0) - (far.asked[0]?.at_ms ?? 0)).toBeGreaterThanOrEqual(950);
      await eventually('it says so', async () => /401: who are you/.test(String((await sink('strict')).last_error)));
      expect(await sink('strict')).toMatchObject({
        status: 'failing',
        cursor: after,
        needs: expect.stringContaining('Mend'),
      });
      phase = 'moved';
      await put('strict', spec);
      await eventually('it has not followed', async () => /302/.test(String((await sink('strict')).last_error)));
      phase = 'open';
      await put('strict', spec);
      await settled('strict', written.at(-1));
      expect(ids(far.documents)).toEqual(written);
      await service.request('/api/sinks/strict', { method: 'DELETE' });
      await far.close();
    });

    it('that refuses everything is left alone after ten events, until a person resumes', async () => {
      const written = await write('wall', 30);
      const far = await elasticsearch({ isPoison: () => true });
      await put('wall', { kind: 'elasticsearch', url: far.url, filter: 'service=wall' });
      await eventually('it is held', async () => (await sink('wall')).status === 'held');
      expect(await sink('wall')).toMatchObject({
        cursor: written[9],
        refused_events: 10,
        needs: expect.stringContaining('resumed'),
      });
      delete far.faulty.isPoison;
      expect(await (await post('/api/sinks/wall/resume')).json()).toMatchObject({ cursor: written[9] });
      await settled('wall', written.at(-1));
      expect(ids(far.documents)).toEqual(written.slice(10));
      await service.request('/api/sinks/wall', { method: 'DELETE' });
      await far.close();
    });

    it('gets what its filter says, waits while it is paused, and a part of the log again at a person’s word', async () => {
      const far = await elasticsearch();
      const stored = await service.write(
        [
          ...events(3, { event_type: 'DELETE' }),
          ...events(3),
          ...events(2, { event_type: 'DELETE' }),
          ...events(9),
        ].map((event) => ({ ...event, service: 'some' })),
      );
      const after = (stored[0]?.id ?? 0) - 1;
      const made = await put('some', { kind: 'elasticsearch', url: far.url, filter: 'type:DELETE service:some' });
      expect(await made.json()).toMatchObject({ filter: 'event_type=DELETE&service=some' });
      await settled('some', after + 17);
      const expected = [1, 2, 3, 7, 8].map((n) => after + n);
      expect(ids(far.documents)).toEqual(expected);
      expect(await (await post('/api/sinks/some/pause')).json()).toMatchObject({ status: 'paused' });
      const [written] = await write('some', 1, { event_type: 'DELETE' });
      expect(await sink('some')).toMatchObject({ status: 'paused' });
      expect(far.documents.size).toBe(5);
      await post('/api/sinks/some/resume');
      await eventually('it goes on', () => far.documents.size === 6);
      expect(ids(far.documents)).toEqual([...expected, written]);
      far.documents.clear();
      const replayed = await post('/api/sinks/some/replay', { after, until: after + 7 });
      expect(replayed.status).toBe(200);
      await eventually('the part came again', () => far.documents.size === 4);
      await eventually('the replay is over', async () => ((await sink('some')).replays as unknown[]).length === 0);
      expect(ids(far.documents)).toEqual(expected.slice(0, 4));
      await service.request('/api/sinks/some', { method: 'DELETE' });
      await far.close();
    });
  });

  describe('a webhook', () => {
    it('is signed, carries the same bytes under the same id, and brings every event in order', async () => {
      const written = await write('hook', 14);
      const after = (written[0] ?? 0) - 1;
      const bodies = new Map<string, Set<string>>();
      const firsts: number[] = [];
      let n = 0;
      const far = await farSide(({ headers, body }: Asked) => {
        const [id, at] = [String(headers['webhook-id']), String(headers['webhook-timestamp'])];
        const signed = createHmac('sha256', Buffer.from(key, 'base64')).update(`${id}.${at}.${body}`).digest('base64');
        if (headers['webhook-signature'] !== `v1,${signed}`) throw new Error('the signature is wrong');
        if (Math.abs(Date.now() / 1_000 - Number(at)) > 60) throw new Error('the time is wrong');
        const { type, data } = JSON.parse(`${body}`) as {
          type: string;
          data: { from: number; to: number; events: { id: number }[] };
        };
        if (type !== 'edgetrail.events') throw new Error(type);
        bodies.set(id, (bodies.get(id) ?? new Set()).add(`${body}`));
        for (const event of data.events) if (!firsts.includes(event.id)) firsts.push(event.id);
        n += 1;
        // The second answer is lost after the request was read.
        return { cut: n === 2 };
      });
      await put('hook', {
        kind: 'webhook',
        url: far.url,
        secret: 'env:HOOK_SECRET',
        events_max: 4,
        filter: 'service=hook',
        after,
      });
      await settled('hook', written.at(-1));
      expect(firsts).toEqual(written);
      expect([...bodies.values()].map((different) => different.size)).toEqual([...bodies].map(() => 1));
      expect([...bodies.keys()][0]).toMatch(new RegExp(`^edgetrail_hook_r\\d+_${after + 1}_${after + 4}$`));
      expect(far.faults).toEqual([]);
      await service.request('/api/sinks/hook', { method: 'DELETE' });
      await far.close();
    });

    it('never gets an id again with other bytes: after a replay, a change of the mapping, or a deletion', async () => {
      const written = await write('again', 2);
      const [after, until] = [(written[0] ?? 0) - 1, written.at(-1) ?? 0];
      const ids: string[] = [];
      const far = await farSide(({ headers }: Asked) => {
        ids.push(String(headers['webhook-id']));
        return { status: 204 };
      });
      const spec = { kind: 'webhook', url: far.url, secret: 'env:HOOK_SECRET', filter: 'service=again', after };
      const replay = async (n: number) => {
        expect((await post('/api/sinks/again/replay', { after, until })).status).toBe(200);
        await eventually('it came again', () => ids.length === n);
        await eventually('the replay is over', async () => ((await sink('again')).replays as object[]).length === 0);
      };
      await put('again', spec);
      await settled('again', until);
      await replay(2);
      await replay(3);
      await put('again', { ...spec, mapping: 'ecs' });
      await replay(4);
      await service.request('/api/sinks/again', { method: 'DELETE' });
      await put('again', { ...spec, mapping: 'ocsf' });
      await settled('again', until);
      expect([ids.length, new Set(ids).size, far.faults]).toEqual([5, 5, []]);
      await service.request('/api/sinks/again', { method: 'DELETE' });
      await far.close();
    });

    it('that is paused gets no replay either; a change is of its replays, too, and they can be cancelled', async () => {
      const written = await write('still', 3);
      const [after, until] = [(written[0] ?? 0) - 1, written.at(-1) ?? 0];
      let isOpen = false;
      const kept: string[] = [];
      const far = await farSide(({ body }: Asked) => {
        if (isOpen) kept.push(`${body}`);
        return { status: isOpen ? 204 : 410 };
      });
      const spec = { kind: 'webhook', url: far.url, secret: 'env:HOOK_SECRET', filter: 'service=still', after: until };
      const replays = async () => ((await sink('still')).replays as { status: string }[]).map(({ status }) => status);
      const replay = () => post('/api/sinks/still/replay', { after, until });
      await put('still', spec);
      await replay();
      await eventually('it is held', async () => (await replays()).includes('held'));
      await post('/api/sinks/still/pause');
      expect(await replays()).toEqual(['paused']);
      const cancelled = await service.request('/api/sinks/still/replays', { method: 'DELETE' });
      expect(await cancelled.json()).toMatchObject({ status: 'paused', replays: [] });
      await replay();
      expect(await replays()).toEqual(['paused']);
      await put('still', { ...spec, mapping: 'ecs' });
      isOpen = true;
      await post('/api/sinks/still/resume');
      await eventually('the replay is over', async () => (await replays()).length === 0);
      expect([kept.length, kept[0]?.includes('"ecs"'), far.faults]).toEqual([1, true, []]);
      await service.request('/api/sinks/still', { method: 'DELETE' });
      await far.close();
    });

    it('that refuses one event of many gets the others, and the event is set aside', async () => {
      const written = await write('picky', 60);
      const poison = written[40] ?? 0;
      const got: number[] = [];
      const far = await farSide(({ body }: Asked) => {
        const found = (JSON.parse(`${body}`) as { data: { events: { id: number }[] } }).data.events.map(({ id }) => id);
        if (found.includes(poison)) return { status: 422, body: `cannot take ${process.env.OTHER_SECRET}` };
        got.push(...found);
        return { status: 204 };
      });
      await put('picky', { kind: 'webhook', url: far.url, secret: 'env:HOOK_SECRET', filter: 'service=picky' });
      await settled('picky', written.at(-1));
      expect(got).toEqual(written.filter((id) => id !== poison));
      const { refused } = (await (await service.request('/api/sinks/picky/refused')).json()) as {
        refused: { id: number }[];
      };
      expect(refused.map(({ id }) => id)).toEqual([poison]);
      await service.request('/api/sinks/picky', { method: 'DELETE' });
      await far.close();
    });
  });

  describe('Splunk', () => {
    it('with acknowledgement has every event once: the ack is asked of the indexer that gave it', async () => {
      const written = await write('hec', 9);
      const far = await splunk('a-secret-that-nobody-sees', true);
      await put('hec', { kind: 'splunk', url: far.url, token: 'env:OTHER_SECRET', ack: true, filter: 'service=hec' });
      await eventually(
        'it is acknowledged',
        async () => far.acksAsked > 0 && (await sink('hec')).cursor >= (written.at(-1) ?? 0),
      );
      expect([far.indexed, far.faults]).toEqual([written, []]);
      await service.request('/api/sinks/hec', { method: 'DELETE' });
      await far.close();
    });

    it('without it gets all but the event that it refuses', async () => {
      const written = await write('plain', 20);
      const far = await splunk('a-secret-that-nobody-sees', false);
      far.isPoison = (id) => id === written[13];
      await put('plain', { kind: 'splunk', url: far.url, token: 'env:OTHER_SECRET', filter: 'service=plain' });
      await settled('plain', written.at(-1));
      expect([far.indexed, far.faults]).toEqual([written.filter((id) => id !== written[13]), []]);
      expect(await sink('plain')).toMatchObject({ refused_events: 1 });
      await service.request('/api/sinks/plain', { method: 'DELETE' });
      await far.close();
    });
  });

  describe('an OTLP collector', () => {
    it('gets every event as a log record, and what it rejects without a name is counted', async () => {
      const written = await write('otel', 12, { trace_id: '0af7651916cd43dd8448eb211c80319c', metadata: { a: 1 } });
      const far = await otlp();
      far.rejects = 3;
      await put('otel', { kind: 'otlp', url: far.url, filter: 'service=otel' });
      await settled('otel', written.at(-1));
      expect([far.ids, [...far.services], far.faults]).toEqual([written, ['otel'], []]);
      expect(await sink('otel')).toMatchObject({ refused_events: 3 });
      const { refused } = (await (await service.request('/api/sinks/otel/refused')).json()) as { refused: object[] };
      expect(refused).toMatchObject([{ id: written[0], upto: written[11], n: 3, reason: 'too old' }]);
      await service.request('/api/sinks/otel', { method: 'DELETE' });
      await far.close();
    });
  });

  describe('an S3-compatible store', () => {
    const spec = {
      kind: 's3',
      bucket: 'audit',
      region: 'eu-1',
      access_key_id: 'env:HOOK_SECRET',
      secret_access_key: 'env:OTHER_SECRET',
      linger_s: 0,
    };

    it.each([
      ['that knows conditions', true],
      ['that does not', false],
    ])('%s holds objects that are, in the order of their names, the export', async (_what, hasConditions) => {
      const name = hasConditions ? 'bucket' : 'swift';
      const far = await s3(`whsec_${key}`, 'a-secret-that-nobody-sees', 'eu-1');
      Object.assign(far, { hasConditions, cut: (n: number) => n === 1 });
      const written = await write(name, 6, {
        metadata: { 'ключ "x"': ['ü', 1.5, null] },
        description: 'tab\t and \u2028',
      });
      await put(name, { ...spec, url: far.url, filter: `service=${name}`, conditional: true });
      await settled(name, written.at(-1));
      await settled(name, (await write(name, 3)).at(-1));
      const stored = [...far.objects]
        .toSorted(([a], [b]) => (a < b ? -1 : 1))
        .map(([, body]) => `${body}`)
        .join('');
      const exported = await (await service.request(`/api/logs/export?format=ndjson&service=${name}`)).text();
      expect([stored, far.faults]).toEqual([exported, []]);
      const names = [...far.objects.keys()];
      expect(names[0]).toMatch(/^\/audit\/edgetrail\/\d{4}\/\d\d\/\d\d\/\d{20}-\d{20}-r\d+\.ndjson$/);
      expect(await (await post(`/api/sinks/${name}/test`)).json()).toMatchObject({ outcome: 'kept' });
      expect(far.asked.at(-1)).toMatchObject({
        method: 'DELETE',
        path: expect.stringMatching(/^\/audit\/edgetrail\/test\//),
      });
      expect([...far.objects.keys()]).toEqual(names);
      await post(`/api/sinks/${name}/replay`, { after: (written[0] ?? 0) - 1, until: written.at(-1) });
      await eventually('it is there again', () => far.objects.size > names.length);
      expect([...far.objects.keys()].at(-1)).toMatch(/^\/audit\/edgetrail\/replay\/r\d+\/\d{4}\/.*\.ndjson$/);
      expect(far.faults).toEqual([]);
      await service.request(`/api/sinks/${name}`, { method: 'DELETE' });
      await far.close();
    });
  });
});

describe('a sink', () => {
  it('is for administrators', async () => {
    for (const [as, status] of [
      [null, 401],
      ['guest', 403],
      ['writer', 403],
      ['exporter', 403],
    ] as const)
      for (const path of ['/api/sinks', '/api/sinks/x', '/api/sinks/x/refused'])
        expect((await service.request(path, { as })).status, `${as} ${path}`).toBe(status);
    expect((await service.request('/api/sinks/x', { method: 'DELETE', as: 'guest' })).status).toBe(403);
    expect((await service.request('/api/sinks/nobody')).status).toBe(404);
  });

  it.each([
    ['an unknown kind', { kind: 'pigeon' }, 'kind'],
    ['a field that its kind does not have', { colour: 'red' }, 'colour'],
    ['no address', { url: undefined }, 'url'],
    ['an address of another scheme', { url: 'file:///etc/passwd' }, 'url'],
    ['an address with a password', { url: 'https://a:b@example.com' }, 'url'],
    ['a private address', { url: 'http://10.0.0.1/' }, 'url'],
    ['the metadata address', { url: 'http://169.254.169.254/' }, 'url'],
    ['the metadata address, mapped into IPv6', { url: 'http://[::ffff:169.254.169.254]/' }, 'url'],
    ['a loopback address of IPv6', { url: 'http://[::1]/' }, 'url'],
    ['a secret as it is', { secret: 'whsec_abc' }, 'secret'],
    ['a setting of the service as a secret', { secret: 'env:USERS' }, 'secret'],
    ['the password of the database as a secret', { secret: 'env:PGPASSWORD' }, 'secret'],
    ['a private address of TLS', { kind: 'syslog', url: 'tls://10.0.0.1', secret: undefined }, 'url'],
    ['the metadata address, as a number', { kind: 'syslog', url: 'tls://0xa9fea9fe', secret: undefined }, 'url'],
    ['an address of another protocol', { kind: 'syslog', url: 'https://example.com', secret: undefined }, 'url'],
    ['a key as it is', { kind: 'syslog', url: 'tls://a.example', secret: undefined, key: '-----BEGIN' }, 'key'],
    ['a filter that cannot be read', { filter: 'colour=red' }, 'filter'],
    ['a line that cannot be read', { filter: 'type:' }, 'filter'],
  ])('is refused with %s', async (_what, more, field) => {
    const answer = await put('bad', {
      kind: 'webhook',
      url: 'https://example.com',
      secret: 'env:HOOK_SECRET',
      ...more,
    });
    const text = await answer.text();
    expect(answer.status, text).toBe(400);
    expect((JSON.parse(text) as { errors: { field: string }[] }).errors.map((fault) => fault.field)).toContain(field);
    expect((await service.request('/api/sinks/bad')).status).toBe(404);
  });

  it('is not replayed by a body that cannot be read, nor changed by a page of another origin that may read', async () => {
    await put('dull', { kind: 'webhook', url: 'http://127.0.0.1:9/', secret: 'env:HOOK_SECRET', after: await head() });
    const bad = ['{"after":5', '[1]', 'null', '7', '{"form":3}', '{"until":null}', '{"after":"1"}'];
    for (const body of bad)
      expect((await service.request('/api/sinks/dull/replay', { method: 'POST', body })).status, body).toBe(400);
    for (const headers of [{ origin: 'https://app.example.com' }, { 'sec-fetch-site': 'same-site' }])
      expect((await service.request('/api/sinks/dull', { method: 'DELETE', headers })).status).toBe(403);
    expect(await sink('dull')).toMatchObject({ replays: [] });
    expect((await service.request('/api/sinks/dull/replay', { method: 'POST' })).status).toBe(200);
    const { replays } = await sink('dull');
    expect(replays).toMatchObject([{ until: expect.any(Number) }]);
    const scraped = await (await service.request('/metrics')).text();
    // Of the readers that derive; sinks and their replays have metrics of their own.
    const readers = scraped.match(/edgetrail_reader_cursor\{reader="[^"]*"/g);
    expect(readers).toContain('edgetrail_reader_cursor{reader="rollup"');
    expect(readers?.filter((reader) => reader.includes('dull'))).toEqual([]);
    await service.request('/api/sinks/dull', { method: 'DELETE' });
  });

  it('shows no secret, and each of its changes is an event', async () => {
    const far = await elasticsearch();
    far.faulty.instead = ({ headers }) => ({ status: 403, body: `no ${headers.authorization}` });
    await put('secret', { kind: 'elasticsearch', url: far.url, api_key: 'env:OTHER_SECRET', after: await head() });
    await eventually('it fails', async () => (await sink('secret')).status === 'failing');
    expect(await sink('secret')).toMatchObject({
      api_key: 'env:OTHER_SECRET',
      last_error: 'answered 403: no ApiKey •••',
    });
    const tested = (await (await post('/api/sinks/secret/test')).json()) as object;
    expect(tested).toMatchObject({ outcome: 'wrong', status: 403, answer: 'no ApiKey •••', ms: expect.any(Number) });
    await post('/api/sinks/secret/pause');
    await post('/api/sinks/secret/resume');
    await service.request('/api/sinks/secret', { method: 'DELETE' });
    const listed = await (await service.request('/api/logs?entity_type=sink&entity_id=secret')).text();
    expect((JSON.parse(listed) as { logs: object[] }).logs.reverse()).toMatchObject(
      ['SINK_CREATED', 'SINK_PAUSED', 'SINK_RESUMED', 'SINK_DELETED'].map((event_type) => ({
        event_type,
        service: 'edgetrail',
        user_id: 'admin',
      })),
    );
    expect(listed + JSON.stringify(tested)).not.toContain('a-secret-that-nobody-sees');
    await far.close();
  });

  it('that needs a variable which is not there says which', async () => {
    await put('lost', { kind: 'webhook', url: 'http://127.0.0.1:9/', secret: 'env:NOT_THERE' });
    await eventually('it says so', async () => /has no NOT_THERE/.test(String((await sink('lost')).last_error)));
    expect((await post('/api/sinks/lost/test')).status).toBe(400);
    await service.request('/api/sinks/lost', { method: 'DELETE' });
  });
});

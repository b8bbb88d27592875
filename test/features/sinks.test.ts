/** Kinds of sinks, without the loop: signatures against published examples, and what an acknowledgement means. */
import { afterAll, describe, expect, it } from 'vitest';
import { elasticsearch } from '../../src/features/shipping/elasticsearch.ts';
import { loki } from '../../src/features/shipping/loki.ts';
import { type Mapping, mapped } from '../../src/features/shipping/mapping.ts';
import { logRecordOf, otlp } from '../../src/features/shipping/otlp.ts';
import { signed } from '../../src/features/shipping/s3.ts';
import { slack } from '../../src/features/shipping/slack.ts';
import { openSinks } from '../../src/features/shipping/spec.ts';
import { splunk as kind } from '../../src/features/shipping/splunk.ts';
import { readNetwork } from '../../src/http/addresses.ts';
import type { Sink, SinkBatch } from '../../src/log/delivery-sink.ts';
import type { Json } from '../../src/log/entry.ts';
import type { Entry } from '../../src/log/schema.ts';
import { serverReach } from '../../src/runtime/server-reach.ts';
import { nowhere } from '../support/nowhere.ts';
import { farSide } from '../support/sinks/far-side.ts';
import { splunk } from '../support/sinks/splunk.ts';

const loopback = readNetwork('127.0.0.0/8');
if (!loopback) throw new Error('no network');
const reach = serverReach([loopback]);
const { dial } = nowhere;

const event: Entry = {
  id: 55,
  timestamp: '2026-01-02T03:04:05.006Z',
  event_type: 'ORDER_DELETED',
  entity_type: 'order',
  entity_id: '7',
  user_id: 'ana',
  description: 'a <b> & "c"',
  metadata: { reason: 'fraud' },
  ip_address: '192.0.2.1',
  user_agent: null,
  service: 'shop',
  trace_id: 't1',
  session_id: null,
  span_id: null,
  parent_span_id: null,
  caused_by: null,
  event_uid: 'u/1',
  created_at: '2026-01-02T03:04:06.007Z',
};
/** A batch of one event for a sink of the kind. */
const batchOf = (sink: Sink, ...entries: Entry[]): SinkBatch => ({
  name: 'sink/x',
  revision: 1,
  from: 54,
  to: 55,
  entries,
  lines: entries.map((entry) => sink.line(entry)),
  note: null,
  signal: new AbortController().signal,
});

describe('a mapping', () => {
  const read = (mapping: Mapping) => JSON.parse(mapped(mapping, event));

  it('to the Elastic Common Schema has its fields, and none without a value', () => {
    expect(read('ecs')).toEqual({
      '@timestamp': event.timestamp,
      ecs: { version: '8.11.0' },
      message: event.description,
      event: {
        id: '55',
        sequence: 55,
        kind: 'event',
        action: 'ORDER_DELETED',
        type: ['deletion'],
        created: event.timestamp,
        ingested: event.created_at,
      },
      user: { id: 'ana' },
      source: { ip: '192.0.2.1' },
      service: { name: 'shop' },
      trace: { id: 't1' },
      edgetrail: { entity: { type: 'order', id: '7' }, event_uid: 'u/1', metadata: { reason: 'fraud' } },
    });
  });

  it('to OCSF is an event of Entity Management', () => {
    expect(read('ocsf')).toEqual({
      class_uid: 3004,
      category_uid: 3,
      activity_id: 4,
      activity_name: 'ORDER_DELETED',
      type_uid: 300404,
      severity_id: 1,
      time: Date.parse(event.timestamp),
      message: event.description,
      metadata: {
        version: '1.1.0',
        uid: '55',
        sequence: 55,
        logged_time: Date.parse(event.created_at),
        correlation_uid: 't1',
        product: { name: 'shop', vendor_name: 'Edgetrail' },
      },
      entity: { type: 'order', uid: '7' },
      actor: { user: { uid: 'ana' } },
      src_endpoint: { ip: '192.0.2.1' },
      unmapped: { event_uid: 'u/1', metadata: { reason: 'fraud' } },
    });
  });

  const place = { trace_id: '0AF7651916CD43DD8448EB211C80319C', parent_span_id: 'p', caused_by: '54' };

  it.each([
    ['00F067AA0BA902B7', '00f067aa0ba902b7'],
    ['0'.repeat(16), null],
    ['00f067aa0ba902b', null],
    ['checkout', null],
  ])('and OTLP write the span %s as %s, and what is no span id of OpenTelemetry as a field of ours', (span_id, as) => {
    const entry = { ...event, ...place, span_id };
    const ours = as === null ? { span_id } : {};
    const ecs = JSON.parse(mapped('ecs', entry));
    expect(ecs.span).toEqual(as === null ? undefined : { id: as });
    expect(ecs.edgetrail).toMatchObject({ ...ours, parent_span_id: 'p', caused_by: '54' });
    expect(JSON.parse(mapped('ocsf', entry)).unmapped).toMatchObject({ span_id, parent_span_id: 'p', caused_by: '54' });
    const { spanId, attributes } = logRecordOf(entry);
    expect(spanId ?? null).toBe(as);
    const named = Object.fromEntries(attributes.map(({ key, value }) => [key, Object.values(value)[0]]));
    expect(named).toMatchObject({ 'edgetrail.parent_span_id': 'p', 'edgetrail.caused_by': '54' });
    expect(named['edgetrail.span_id'] ?? null).toBe(as === null ? span_id : null);
    // A span without its trace is none.
    expect(logRecordOf({ ...entry, trace_id: 't1' })).not.toHaveProperty('spanId');
  });
});

it('Loki gets a stream for each service, with times in nanoseconds and the rest as structured metadata', async () => {
  const bodies: unknown[] = [];
  const far = await farSide(({ path, headers, body }) => {
    if (path !== '/loki/api/v1/push' || headers['x-scope-orgid'] !== 'audit') throw new Error(path);
    bodies.push(JSON.parse(`${body}`));
    return { status: 204 };
  });
  const sink = loki.open({ url: far.url, tenant: 'audit', mapping: 'ours' }, { name: 'x', reach, dial });
  const other = { ...event, id: 56, service: null, span_id: 's1' };
  expect(await sink.send(batchOf(sink, event, other))).toEqual({ verdict: 'kept' });
  const known = { event_type: 'ORDER_DELETED', entity_type: 'order', entity_id: '7', user_id: 'ana', trace_id: 't1' };
  const at = Date.parse(event.created_at);
  expect(bodies).toEqual([
    {
      streams: [
        {
          stream: { job: 'edgetrail', service: 'shop' },
          values: [[`${at}000055`, JSON.stringify(event), { id: '55', ...known }]],
        },
        {
          stream: { job: 'edgetrail', service: 'edgetrail' },
          values: [[`${at}000056`, JSON.stringify(other), { id: '56', ...known, span_id: 's1' }]],
        },
      ],
    },
  ]);
  await far.close();
});

it('Slack gets one message, escaped, at most 3,000 characters long, that says how many events are not in it', async () => {
  const texts: string[] = [];
  const far = await farSide(({ body }) => {
    texts.push((JSON.parse(`${body}`) as { text: string }).text);
    return { body: 'ok' };
  });
  const sink = slack.open({ url: far.url, events_max: 20 }, { name: 'x', reach, dial });
  await sink.send(batchOf(sink, event));
  expect(texts).toEqual(['#55 *ORDER_DELETED* order 7 by ana: a &lt;b&gt; &amp; "c"']);
  await sink.send(batchOf(sink, ...Array.from({ length: 20 }, () => ({ ...event, description: 'x'.repeat(500) }))));
  expect(texts[1]?.length).toBeLessThanOrEqual(3_000);
  expect(texts[1]).toMatch(/\n… and 15 more$/);
  await far.close();
});

it('AWS Signature Version 4 is that of the example in the manual of S3', async () => {
  const headers = await signed(
    'PUT',
    { host: 'examplebucket.s3.amazonaws.com', pathname: '/test%24file.text' },
    new TextEncoder().encode('Welcome to Amazon S3.'),
    { date: 'Fri, 24 May 2013 00:00:00 GMT', 'x-amz-storage-class': 'REDUCED_REDUNDANCY' },
    {
      access_key_id: 'AKIAIOSFODNN7EXAMPLE',
      secret_access_key: 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY',
      region: 'us-east-1',
    },
    new Date('2013-05-24T00:00:00Z'),
  );
  expect(headers.authorization).toMatch(/Signature=98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd$/);
});

describe('an answer that says nothing of the events', async () => {
  let body: unknown = '';
  let status = 200;
  const far = await farSide(() => ({ status, body }));
  afterAll(() => far.close());
  const opened = { name: 'x', reach, dial };
  const answered = async (sink: Sink, said: unknown, as = 200) => {
    [body, status] = [said, as];
    return sink.send(batchOf(sink, event, { ...event, id: 56 }));
  };

  it('of a proxy does not count as kept', async () => {
    const bulk = elasticsearch.open({ url: far.url, index: 'i', mapping: 'ours' }, opened);
    for (const [said, as] of [
      ['<html>', 200],
      ['', 202],
      [{}, 201],
      ['null', 200],
      [{ items: [{}, null] }, 200],
    ] as const) {
      const { verdict, items } = await answered(bulk, said, as);
      expect(items?.map((one) => one.verdict) ?? [verdict]).not.toContain('kept');
      expect(items?.map((one) => one.verdict) ?? [verdict]).toContain('again');
    }
    const hec = kind.open(
      { url: far.url, token: 't', ack: false, source: 's', sourcetype: 't', mapping: 'ours' },
      opened,
    );
    for (const said of ['<html>', '', {}, 'null'])
      expect(await answered(hec, said)).toMatchObject({ verdict: 'again', reason: expect.any(String) });
    expect(await answered(hec, { text: 'Success', code: 0 })).toEqual({ verdict: 'kept' });
  });

  it.each([
    ['1e300', 2],
    ['Infinity', 2],
    [1.5, 1],
    [-1, undefined],
    [{}, undefined],
  ])('of an OTLP collector, %j rejected records, counts as a number of those sent', async (rejectedLogRecords, n) => {
    const sink = otlp.open({ url: far.url, header: 'authorization' }, opened);
    const sent = await answered(sink, { partialSuccess: { rejectedLogRecords, errorMessage: { no: 'text' } } });
    expect(sent.refused_n).toBe(n);
    expect(sent.reason).toBe(n && 'rejected without a reason');
  });
});

it('What a far side repeats of a secret is never passed on: neither a part that a cut leaves, nor a path, nor a header', async () => {
  const far = await farSide(({ path, headers }) => ({
    status: 400,
    body: `${path} ${headers.authorization} ${'x'.repeat(180)} ${'s3cret-of-the-far-side'.repeat(40)}`,
  }));
  const known: Record<string, string> = {
    URL: `${far.url}/hook/abcdef?key=ghijkl`,
    USER: 'elastic',
    PASSWORD: 's3cret-of-the-far-side',
  };
  const spec = {
    kind: 'elasticsearch',
    url: 'env:URL',
    index: 'i',
    user: 'env:USER',
    password: 'env:PASSWORD',
    mapping: 'ours',
  };
  const open = openSinks({ reach, allowed: [loopback], secretOf: (name: string) => known[name] } as never);
  const sink = await open({ name: 'sink/x', spec } as never);
  const { reason } = await sink.send(batchOf(sink, event));
  expect(reason).toContain('answered 400');
  expect(reason).not.toMatch(/abcdef|ghijkl|s3cret|ZWxhc3Rp/);
  expect(reason?.length).toBeLessThanOrEqual(300);
  await far.close();
});

describe('the acknowledgement of Splunk', async () => {
  const far = await splunk('token', true);
  afterAll(() => far.close());
  const sink = kind.open(
    { url: far.url, token: 'token', ack: true, source: 's', sourcetype: 't', mapping: 'ours' },
    { name: 'hec', reach, dial },
  );
  const entry = { id: 5, created_at: '2026-01-02T03:04:05.678Z', timestamp: '2026-01-02T03:04:05.678Z' } as Entry;
  const send = (note: Json) =>
    sink.send({
      name: 'sink/hec',
      revision: 1,
      from: 4,
      to: 5,
      entries: [entry],
      lines: [sink.line(entry)],
      note,
      signal: new AbortController().signal,
    });

  it('is waited for, and asked for again after a restart: the event is not sent a second time', async () => {
    far.isIndexed = false;
    const taken = await send(null);
    expect(taken).toMatchObject({ verdict: 'later', note: { ack: 0, cookie: expect.stringMatching(/^indexer=\d$/) } });
    const waiting = await send(taken.note ?? null);
    expect(waiting).toMatchObject({ verdict: 'later', note: taken.note, retry_after_ms: 10_000 });
    far.isIndexed = true;
    // All that a restart leaves is the note, as JSON.
    expect(await send(JSON.parse(JSON.stringify(waiting.note)))).toEqual({ verdict: 'kept' });
    expect(far.indexed).toEqual([5]);
  });

  it('that an indexer has forgotten leads to the event being sent again, after five minutes and not before', async () => {
    const { note } = await send(null);
    far.isIndexed = false;
    const asked = (ms: number) => send({ ...(note as { [key: string]: Json }), sent_ms: Date.now() - ms });
    expect(await asked(290_000)).toMatchObject({ verdict: 'later' });
    expect(await asked(301_000)).toMatchObject({ verdict: 'again', note: null });
    expect(far.faults).toEqual([]);
  });

  it('that cannot be asked for says nothing of the event', async () => {
    const note = { ack: 0, cookie: 'indexer=0', sent_ms: Date.now() };
    const gone = kind.open(
      { url: 'http://127.0.0.1:1', token: 'token', ack: true, source: 's', sourcetype: 't', mapping: 'ours' },
      { name: 'hec', reach, dial },
    );
    const batch = {
      name: 'x',
      revision: 1,
      from: 4,
      to: 5,
      entries: [entry],
      lines: [''],
      note,
      signal: new AbortController().signal,
    };
    const answer = await gone.send(batch);
    expect(answer.verdict).toBe('again');
    expect(answer.note).toBeUndefined();
  });
});

/** Objects in OpenStack Swift by its S3 API: a store that checks each signature, and that knows no conditions. */
import { expect, it } from 'vitest';
import { eventually, json, startService } from '../support/harness.ts';
import { hasSwift, startSwift, swiftUser } from '../support/sinks/swift.ts';
import { notOn } from '../targets/not-on.ts';
import { reasons } from '../targets/reasons.ts';

notOn(reasons.noSwift, !hasSwift()).describe('OpenStack Swift', async () => {
  process.env.SWIFT_ID = swiftUser.access_key_id;
  process.env.SWIFT_KEY = swiftUser.secret_access_key;
  const far = await startSwift('audit');
  const service = await startService('postgres', { env: { OUTBOUND_ALLOW: '127.0.0.0/8' } });
  const ask = (path: string, body?: object, method = 'POST') =>
    service.request(path, body && { ...json(body), method });
  const sink = async (name: string) => (await (await ask(`/api/sinks/${name}`)).json()) as Record<string, unknown>;
  const spec = {
    kind: 's3',
    url: far.url,
    bucket: 'audit',
    region: swiftUser.region,
    access_key_id: 'env:SWIFT_ID',
    secret_access_key: 'env:SWIFT_KEY',
    filter: 'service=swift',
    linger_s: 0,
  };

  it('has objects that are, in the order of their names, the export byte for byte', async () => {
    const event = { event_type: 'UPDATE', entity_type: 'order', service: 'swift', description: 'tab\t, \u2028 and 😀' };
    const write = (from: number) =>
      service.write(
        Array.from({ length: 50 }, (_, i) => ({ ...event, entity_id: `${from + i}`, metadata: { 'ü "x"': i } })),
      );
    await write(0);
    // A prefix with what each signer encodes in its own way. Swift answers 501 to the condition.
    const prefix = "l'audit (e+1)";
    expect((await ask('/api/sinks/swift', { ...spec, prefix, conditional: true }, 'PUT')).status).toBe(201);
    for (const from of [50, 100]) {
      await eventually('what there was is kept', async () => (await sink('swift')).status === 'up to date');
      await write(from);
    }
    await eventually('all is kept', async () => (await sink('swift')).cursor === 151);
    const names = await far.names('audit');
    expect(names.length).toBeGreaterThan(2);
    expect(names.every((name) => name.startsWith(`${prefix}/20`))).toBe(true);
    expect(names.toSorted()).toEqual(names);
    const objects = await Promise.all(
      names.map(async (name) => {
        const answer = await far.ask('GET', `/audit/${name}`);
        return [answer.status, answer.headers.get('content-type'), await answer.text()] as const;
      }),
    );
    expect(objects.map(([status, type]) => `${status} ${type}`)).toEqual(names.map(() => '200 application/x-ndjson'));
    const exported = await (await ask('/api/logs/export?format=ndjson&service=swift')).text();
    expect(exported.split('\n').length).toBe(151);
    expect(objects.map(([, , text]) => text).join('')).toBe(exported);
  });

  it('has no object of a test after it', async () => {
    const before = await far.names('audit');
    expect(await (await ask('/api/sinks/swift/test', {})).json()).toMatchObject({ outcome: 'kept', status: 200 });
    expect(await far.names('audit')).toEqual(before);
  });

  it('refuses a signature by another key, and the sink says so', async () => {
    process.env.SWIFT_OTHER = 'another secret';
    await ask('/api/sinks/wrong', { ...spec, secret_access_key: 'env:SWIFT_OTHER' }, 'PUT');
    await eventually('it fails', async () => (await sink('wrong')).status === 'failing');
    const { last_error, cursor, needs } = await sink('wrong');
    expect(String(last_error)).toMatch(/^answered 403: .*SignatureDoesNotMatch/s);
    expect([cursor, needs]).toEqual([0, expect.any(String)]);
  });
});

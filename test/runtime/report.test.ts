/** The service's own log: its lines as JSON and on a terminal, and the ids by which a request is found in it. */
import { describe, expect, it, vi } from 'vitest';
import { unavailable } from '../../src/http/problem.ts';
import { jsonOf, report, textOf } from '../../src/runtime/report.ts';
import { credentials, eventually, freshPostgres, hashes, sqlClient } from '../support/harness.ts';
import { spawnService } from '../support/process.ts';

const time = new Date('2026-11-23T09:12:45.123Z');

describe('a line', () => {
  it('is JSON with its time and its level', () => {
    const line = { level: 'error', what: 'It "broke"\n', more: { request_id: 'r1', message: 'why' } } as const;
    expect(JSON.parse(jsonOf(line, time))).toEqual({
      time: '2026-11-23T09:12:45.123Z',
      level: 'error',
      what: 'It "broke"\n',
      request_id: 'r1',
      message: 'why',
    });
    expect(jsonOf(line, time)).not.toContain('\n');
  });

  it('is text on a terminal', () => {
    const more = { request_id: 'r1', message: 'why', cause: 'Error: because', at: ['at one', 'at two'] };
    expect(textOf({ level: 'warn', what: 'It broke', more }, time).split('\n')).toEqual([
      '2026-11-23 09:12:45 warn: It broke: why',
      '    cause: Error: because',
      '    request_id: r1',
      '    at one',
      '    at two',
    ]);
    expect(textOf({ level: 'info', what: 'Ready' }, time)).toBe('Ready');
    expect(textOf({ level: 'info', what: 'Ready; address x', text: 'Ready\n  address  x' }, time)).toBe(
      'Ready\n  address  x',
    );
  });

  it.each([
    ['error', new Error('a bug')],
    ['warn', unavailable('the database is away')],
    ['warn', Object.assign(new Error('lost'), { code: 'ECONNREFUSED' })],
  ])('has the level %s for %s', (level, error) => {
    const written = vi.spyOn(console, 'error').mockImplementation(() => {});
    report('something', error);
    const [[text]] = written.mock.calls as [[string]];
    written.mockRestore();
    expect(JSON.parse(text)).toMatchObject({ level, what: 'something', message: error.message });
  });
});

describe('of a process whose output is no terminal', async () => {
  const trace_id = '4bf92f3577b34da6a3ce929d0e0e4736';
  const DATABASE_URL = await freshPostgres();
  const service = spawnService({ DATABASE_URL, USERS: `admin:admin:${hashes.admin}` });
  const lines = () =>
    service
      .output()
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, string>);

  it('every line is JSON with a time, a level and what it says', async () => {
    await service.ready;
    expect(lines().length).toBeGreaterThanOrEqual(2);
    for (const line of lines())
      expect(line).toEqual({ time: expect.stringMatching(/^\d{4}-.*Z$/), level: 'info', what: expect.any(String) });
    expect(lines().at(-1)?.what).toMatch(/^Edgetrail is ready after .*; address http:\/\/localhost:\d+ with /);
  });

  it('an internal error has the ids of its request, and its response says under which id it was logged', async () => {
    const url = await service.ready;
    await sqlClient(DATABASE_URL, 1).unsafe('alter table activity_logs rename column user_agent to gone');
    const headers = {
      authorization: credentials.admin,
      'x-request-id': 'from-the-proxy-1',
      traceparent: `00-${trace_id}-00f067aa0ba902b7-01`,
    };
    const answer = await fetch(`${url}/api/logs`, { headers });
    expect(answer.status).toBe(500);
    expect(answer.headers.get('x-request-id')).toBe('from-the-proxy-1');
    expect(await answer.json()).toMatchObject({ detail: expect.stringContaining('from-the-proxy-1') });
    const logged = () => lines().filter(({ level, what }) => level === 'error' && what === 'GET /api/logs');
    await eventually('the error is logged', () => logged().length === 1);
    expect(logged()).toMatchObject([{ request_id: 'from-the-proxy-1', trace_id, message: expect.any(String) }]);
  });

  it('a page of an internal error names the id that the log has', async () => {
    const url = await service.ready;
    const headers = { authorization: credentials.admin, accept: 'text/html' };
    const answer = await fetch(`${url}/logs`, { headers });
    const request_id = answer.headers.get('x-request-id') ?? '';
    expect(request_id).toMatch(/^[0-9a-f-]{36}$/);
    expect(await answer.text()).toContain(request_id);
    await eventually('the error is logged', () => lines().some((line) => line.request_id === request_id));
  });
});

/** The page of the sinks: everything with forms and without JavaScript, for administrators alone. */
import { HtmlValidate } from 'html-validate';
import { afterAll, describe, expect, it } from 'vitest';
import { eventually, startService } from '../support/harness.ts';
import { elasticsearch } from '../support/sinks/elasticsearch.ts';

const valid = new HtmlValidate({ extends: ['html-validate:recommended'], rules: { 'doctype-style': 'off' } });

describe('/sinks', async () => {
  const service = await startService('postgres', { env: { OUTBOUND_ALLOW: '127.0.0.0/8' } });
  const far = await elasticsearch();
  afterAll(() => far.close());

  const get = async (path: string) => (await service.request(path, { headers: { accept: 'text/html' } })).text();
  /** Sends a form as a browser does; returns the page that comes, and where it is. */
  const send = async (path: string, fields: Record<string, string> = {}) => {
    const answer = await service.request(path, {
      method: 'POST',
      headers: { accept: 'text/html', origin: service.url, 'content-type': 'application/x-www-form-urlencoded' },
      body: String(new URLSearchParams(fields)),
      redirect: 'manual',
    });
    return { status: answer.status, to: answer.headers.get('location'), text: await answer.text() };
  };
  const spec = (more: object = {}) => JSON.stringify({ kind: 'elasticsearch', url: far.url, ...more });

  it('is for administrators, and in their menu alone', async () => {
    expect((await service.request('/sinks', { as: 'guest' })).status).toBe(403);
    expect((await service.request('/sinks/x/pause', { method: 'POST', as: 'guest' })).status).toBe(403);
    expect(await get('/logs')).toContain('href="/sinks"');
  });

  it('makes a sink, says what is wrong with one, and keeps what was typed', async () => {
    const wrong = await send('/sinks', { name: 'search', spec: spec({ colour: 'red' }) });
    expect(wrong.status).toBe(400);
    expect(wrong.text).toContain('colour: is not a field of this kind of sink');
    expect(wrong.text).toContain('&quot;colour&quot;');
    expect(await send('/sinks', { name: 'search', spec: spec() })).toMatchObject({ status: 303, to: '/sinks/search' });
    await eventually('it has sent the event of its making', () => far.documents.size === 1);
    await eventually('the list says so', async () => (await get('/sinks')).includes('up to date'));
    expect(await get('/sinks/~states')).toContain('<a href="/sinks/search">search</a>');
    const metrics = await (await service.request('/metrics')).text();
    expect(metrics).toMatch(/^edgetrail_sink_lag_events\{sink="search"\} 0$/m);
    expect(metrics).toMatch(/^edgetrail_sink_status\{sink="search",status="up to date"\} 1$/m);
    for (const path of ['/sinks', '/sinks?kind=webhook', '/sinks/search']) {
      const { results } = await valid.validateString(await get(path));
      expect(
        results.flatMap(({ messages }) =>
          messages.map(({ ruleId, message, line }) => `${path}:${line} ${ruleId}: ${message}`),
        ),
      ).toEqual([]);
    }
  });

  it('pauses, resumes, tests, replays, sends refused events again, and deletes', async () => {
    await send('/sinks/search/pause');
    expect(await get('/sinks/search')).toContain('<b>paused</b>');
    await send('/sinks/search/resume');
    far.faulty.isPoison = ({ id }) => id > 1;
    await service.write({ event_type: 'CREATE', entity_type: 'order' });
    await eventually('it is refused', async () =>
      (await get('/sinks/search')).includes('document_parsing_exception: poison'),
    );
    far.faulty.isPoison = () => false;
    expect((await send('/sinks/search/retry')).text).toMatch(/Sent again: \d kept, 0 refused, 0 not now/);
    far.faulty.instead = () => ({ status: 401, body: '<b>who</b>' });
    const tested = (await send('/sinks/search/test')).text;
    expect(tested).toMatch(/Test: wrong, status 401, after \d+ ms\. answered 401: &lt;b&gt;who/);
    delete far.faulty.instead;
    far.documents.clear();
    await send('/sinks/search/replay', { after: '0', until: '1' });
    await eventually('the first event came again', () => far.documents.size > 0);
    expect(await send('/sinks/search/delete')).toMatchObject({ status: 303, to: '/sinks' });
    expect(await get('/sinks')).toContain('There is no sink yet.');
    expect((await service.request('/sinks/search')).status).toBe(404);
  });
});

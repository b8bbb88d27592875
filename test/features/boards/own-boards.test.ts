/** Boards that people made: with forms and without JavaScript; each change is an event, and the newest one holds. */
import { HtmlValidate } from 'html-validate';
import { describe, expect, it } from 'vitest';
import { startService } from '../../support/harness.ts';

const valid = new HtmlValidate({ extends: ['html-validate:recommended'], rules: { 'doctype-style': 'off' } });

describe('a board of one’s own', async () => {
  const service = await startService('postgres');
  await service.write([{ event_type: 'DELETE', entity_type: 'order', user_id: 'ana' }]);
  const get = async (path: string) => (await service.request(path, { headers: { accept: 'text/html' } })).text();
  /** Sends a form as a browser does. */
  const send = async (path: string, fields: Record<string, string> = {}, origin = service.url) => {
    const answer = await service.request(path, {
      method: 'POST',
      headers: { accept: 'text/html', origin, 'content-type': 'application/x-www-form-urlencoded' },
      body: String(new URLSearchParams(fields)),
      redirect: 'manual',
    });
    return { status: answer.status, to: answer.headers.get('location'), text: await answer.text() };
  };
  const titles = async (name: string) =>
    [...(await get(`/boards/${name}`)).matchAll(/<h2 id="p\d+-title">([^<]*)/g)].map(([, title]) => title);

  it('begins with a panel of a search, to which the page of the log leads', async () => {
    const link = /href="(\/boards\?filter=[^"]*)"/.exec(await get('/logs?event_type=DELETE&user_id=ana'))?.[1] ?? '';
    expect(await get(link)).toContain('value="event_type=DELETE&amp;user_id=ana"');
    const panel = { title: 'Ana’s deletes', kind: 'number', filter: 'event_type=DELETE&user_id=ana', by: '' };
    expect(await send('/boards/panels', { ...panel, board: 'watch' })).toMatchObject({
      status: 303,
      to: '/boards/watch',
    });
    await send('/boards/panels', { ...panel, board: 'watch', title: 'By user', kind: 'top', by: 'user_id' });
    expect(await titles('watch')).toEqual(['Ana’s deletes', 'By user']);
    const { marks } = (await (await service.request('/boards/watch/1.json')).json()) as { marks: { value: number }[] };
    expect(marks.map(({ value }) => value)).toEqual([1]);
    expect(await get('/boards')).toContain('<a href="/boards/watch">watch</a>');
  });

  it('is changed as JSON: renamed, arranged, and refused with the reason', async () => {
    const wrong = await send('/boards', { name: 'watch', spec: '{"title":"x","panels":[{"title":"a","kind":"pie"}]}' });
    expect(wrong.status).toBe(400);
    expect(wrong.text).toContain('panels.0.kind: must be one of number, bars');
    expect(wrong.text).toContain('&quot;pie&quot;');
    const spec = {
      title: '<i>Watch</i>',
      panels: [
        { title: 'Lines', kind: 'lines', by: ['event_type'] },
        { title: 'All', kind: 'number', filter: 'type:DELETE' },
      ],
    };
    expect((await send('/boards', { name: 'watch', spec: JSON.stringify(spec) })).to).toBe('/boards/watch');
    expect(await titles('watch')).toEqual(['Lines', 'All']);
    const edit = await get('/boards?board=watch');
    expect(edit).toContain('&quot;filter&quot;: &quot;event_type=DELETE&quot;');
    for (const path of ['/boards', '/boards?board=watch', '/boards/watch']) {
      const { results } = await valid.validateString(await get(path));
      expect(
        results.flatMap(({ messages }) => messages.map(({ ruleId, message }) => `${path} ${ruleId}: ${message}`)),
      ).toEqual([]);
      expect(await get(path)).not.toContain('<i>');
    }
  });

  it('tells an open page that shows other panels to load anew', async () => {
    const poll =
      /hx-get="(\/boards\/watch[^"]*)"/.exec(await get('/boards/watch'))?.[1]?.replaceAll('&amp;', '&') ?? '';
    expect((await service.request(poll)).status).toBe(204);
    await send('/boards/panels', { board: 'watch', title: 'More', kind: 'events', filter: '', by: '' });
    expect((await service.request(poll)).headers.get('hx-refresh')).toBe('true');
  });

  it('is an event of the log, by whom it was changed, and deleted by another one', async () => {
    const { logs } = (await (await service.request('/api/logs?entity_type=board')).json()) as {
      logs: Record<string, unknown>[];
    };
    expect(logs).toHaveLength(4);
    expect(logs[0]).toMatchObject({
      event_type: 'BOARD_SAVED',
      entity_id: 'watch',
      user_id: 'admin',
      service: 'edgetrail',
    });
    expect(await send('/boards/watch/delete')).toMatchObject({ status: 303, to: '/boards' });
    expect((await service.request('/boards/watch')).status).toBe(404);
    expect(await get('/boards')).not.toContain('/boards/watch');
    expect((await send('/boards/watch/delete')).status).toBe(404);
  });

  it('has a name that no board of every log has', async () => {
    const refused = await send('/boards', { name: 'overview', spec: '{"title":"x","panels":[]}' });
    expect([refused.status, refused.text]).toEqual([400, expect.stringContaining('save your own under another name')]);
  });

  it('is not made from what no board is', async () => {
    await service.write({
      event_type: 'BOARD_SAVED',
      entity_type: 'board',
      entity_id: 'odd',
      service: 'edgetrail',
      metadata: { panels: 1 },
    });
    expect((await service.request('/boards/odd')).status).toBe(404);
    expect((await service.request('/boards')).status).toBe(200);
  });

  it('is changed by those who may write, from pages of this service', async () => {
    expect((await send('/boards', { name: 'x', spec: '{}' }, 'https://elsewhere.example')).status).toBe(403);
    for (const path of ['/boards', '/boards/panels', '/boards/watch/delete'])
      expect((await service.request(path, { method: 'POST', as: 'guest' })).status).toBe(403);
    const asGuest = await (await service.request('/boards', { as: 'guest' })).text();
    expect(asGuest).not.toContain('<textarea');
    const search = await (await service.request('/logs?event_type=DELETE', { as: 'guest' })).text();
    expect(search).not.toContain('/boards?filter=');
  });
});

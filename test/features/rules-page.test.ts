/** The page of the rules: everything with forms and without JavaScript, for administrators alone. */
import { HtmlValidate } from 'html-validate';
import { describe, expect, it } from 'vitest';
import { ready } from '../../src/features/alerts/ready.ts';
import { eventually, startService } from '../support/harness.ts';

const valid = new HtmlValidate({ extends: ['html-validate:recommended'], rules: { 'doctype-style': 'off' } });

describe('/rules', async () => {
  const service = await startService('postgres');
  const get = async (path: string) => (await service.request(path, { headers: { accept: 'text/html' } })).text();
  /** Sends a form as a browser does. */
  const send = async (path: string, fields: Record<string, string> = {}) => {
    const answer = await service.request(path, {
      method: 'POST',
      headers: { accept: 'text/html', origin: service.url, 'content-type': 'application/x-www-form-urlencoded' },
      body: String(new URLSearchParams(fields)),
      redirect: 'manual',
    });
    return { status: answer.status, to: answer.headers.get('location'), text: await answer.text() };
  };

  it('is for administrators, and in their menu alone', async () => {
    expect((await service.request('/rules', { as: 'guest' })).status).toBe(403);
    expect((await service.request('/rules/x/mute', { method: 'POST', as: 'guest' })).status).toBe(403);
    expect(await get('/logs')).toContain('href="/rules"');
  });

  it('begins with the filter of a search, to which the page of the log leads', async () => {
    await service.write({ event_type: 'DELETE', entity_type: 'order', user_id: 'ana' });
    const link = /href="(\/rules\?filter=[^"]*)"/.exec(await get('/logs?event_type=DELETE&user_id=ana'))?.[1] ?? '';
    expect(await get(link)).toContain('&quot;filter&quot;: &quot;event_type=DELETE&amp;user_id=ana&quot;');
    const asGuest = await service.request('/logs?event_type=DELETE', { as: 'guest' });
    expect(await asGuest.text()).not.toContain('/rules?');
  });

  it('makes a rule, says what is wrong with one, and keeps what was typed', async () => {
    const spec = { type: 'count', filter: 'event_type=DELETE', n: 2, window_s: 86_400, group_by: 'user_id' };
    const wrong = await send('/rules', { name: 'deleted', spec: JSON.stringify({ ...spec, colour: 'red' }) });
    expect(wrong.status).toBe(400);
    expect(wrong.text).toContain('colour: is not a field of a rule of type count');
    expect(wrong.text).toContain('&quot;colour&quot;');
    expect(await send('/rules', { name: 'deleted', spec: JSON.stringify(spec) })).toMatchObject({
      status: 303,
      to: '/rules',
    });
    expect(await get('/rules?rule=deleted')).toContain('&quot;n&quot;: 2');
    const deletion = { event_type: 'DELETE', entity_type: 'order', user_id: '<b>ana</b>' };
    const written = await service.write([deletion, deletion]);
    await eventually('its group is open', async () => (await get('/rules')).includes('2 events</a>'));
    const page = await get('/rules');
    expect(page).toContain('<bdi>&lt;b&gt;ana&lt;/b&gt;</bdi>');
    const link = /href="(\/logs\?[^"]*first_id[^"]*)"/.exec(page)?.[1]?.replaceAll('&amp;', '&') ?? '';
    const { logs } = (await (await service.request(`/api${link}`)).json()) as { logs: { id: number }[] };
    expect(logs.map(({ id }) => id).toReversed()).toEqual(written.map(({ id }) => id));
    expect(await get(link)).toContain('<b>ana</b>'.replaceAll('<', '&lt;').replaceAll('>', '&gt;'));
    for (const path of ['/rules', '/rules?rule=deleted']) {
      const { results } = await valid.validateString(await get(path));
      expect(
        results.flatMap(({ messages }) =>
          messages.map(({ ruleId, message, line }) => `${path}:${line} ${ruleId}: ${message}`),
        ),
      ).toEqual([]);
    }
  });

  it('mutes a group and a rule, and ends it', async () => {
    await send('/rules/deleted/mute', { group: '<b>ana</b>', for_s: '3600' });
    expect(await get('/rules')).toMatch(/<dt>Muted<\/dt><dd><bdi>&lt;b/);
    await send('/rules/deleted/mute', { group: '<b>ana</b>', for_s: '0' });
    expect(await get('/rules')).not.toContain('<dt>Muted</dt>');
  });

  it('switches every ready rule on, and deletes', async () => {
    for (const { name, rule } of ready) {
      expect(await get('/rules')).toContain(`Switch on ${name}`);
      expect(await send('/rules', { name, spec: JSON.stringify(rule) })).toMatchObject({ status: 303 });
    }
    expect(await get('/rules')).not.toContain('Switch on');
    expect(await send('/rules/deleted/delete')).toMatchObject({ status: 303, to: '/rules' });
    const { rules } = (await (await service.request('/api/rules')).json()) as { rules: { name: string }[] };
    expect(rules.map(({ name }) => name)).toEqual(ready.map(({ name }) => name).toSorted());
  });
});

/** The API of the rules: `/api/rules/:name`, for administrators. */
import type { Context } from 'hono';
import { bodyOf, nameOf } from '../../api/changes.ts';
import { type App, allowMethods, type Env, type Parts, requireRight } from '../../parts.ts';
import { preview } from './preview.ts';
import { ready } from './ready.ts';
import { readRule } from './spec.ts';
import { deleteRule, muteRule, putRule, rulesOf, ruleViewOf } from './verbs.ts';

export function ruleRoutes(app: App, parts: Parts): void {
  const mayDo = requireRight(parts, 'admin');
  const name = (c: Context<Env>) => nameOf(c, 'rule');

  app.get('/api/rules', mayDo, async (c) => c.json({ rules: await rulesOf(parts), ready }));
  app.post('/api/rules/preview', mayDo, async (c) => c.json(await preview(parts, await bodyOf(c, parts))));
  allowMethods(app, '/api/rules/preview', 'POST');

  app.get('/api/rules/:name', mayDo, async (c) => c.json(await ruleViewOf(parts, name(c))));
  app.put('/api/rules/:name', mayDo, async (c) => {
    const body = await bodyOf(c, parts);
    const isNew = await putRule(c, parts, name(c), readRule(body));
    return c.json(await ruleViewOf(parts, name(c)), isNew ? 201 : 200);
  });
  app.delete('/api/rules/:name', mayDo, async (c) => {
    await bodyOf(c, parts);
    await deleteRule(c, parts, name(c));
    return c.body(null, 204);
  });

  app.post('/api/rules/:name/mute', mayDo, async (c) => {
    await muteRule(c, parts, name(c), await bodyOf(c, parts));
    return c.json(await ruleViewOf(parts, name(c)));
  });

  allowMethods(app, '/api/rules', 'GET');
  allowMethods(app, '/api/rules/:name', 'GET', 'PUT', 'DELETE');
  allowMethods(app, '/api/rules/:name/mute', 'POST');
}

/** The stories over HTTP: `/api/unusual`, and the page /unusual, which works without JavaScript. */
import { bodyOf, formOf } from '../../api/changes.ts';
import { queryOf } from '../../http/request.ts';
import { displayOptionsOf } from '../../page/display-options.ts';
import { readerOf } from '../../page/reader.ts';
import { type App, allowMethods, type Parts, requireRight } from '../../parts.ts';
import { list, one, say } from './verbs.ts';
import { storiesPage } from './views.ts';

export function storyRoutes(app: App, parts: Parts): void {
  const mayRead = requireRight(parts, 'read');
  const mayWrite = requireRight(parts, 'write');

  app.get('/api/unusual', mayRead, async (c) => c.json(await list(parts, queryOf(c))));
  app.get('/api/unusual/:id', mayRead, async (c) => c.json(await one(parts, c.req.param('id'))));
  app.post('/api/unusual/:id/verdict', mayWrite, async (c) => {
    await say(c, parts, c.req.param('id'), await bodyOf(c, parts));
    return c.json(await one(parts, c.req.param('id')));
  });

  app.get('/unusual', mayRead, async (c) => {
    const query = queryOf(c);
    const mayJudge = c.get('principal').rights.includes('write');
    return c.html(storiesPage(await list(parts, query), query, mayJudge, readerOf(c, parts), displayOptionsOf(c)));
  });
  app.get('/unusual/:id', mayRead, async (c) => {
    const story = await one(parts, c.req.param('id'));
    const mayJudge = c.get('principal').rights.includes('write');
    const listed = { ...(await list(parts, new URLSearchParams({ limit: '1' }))), stories: [story], next: null };
    return c.html(storiesPage(listed, null, mayJudge, readerOf(c, parts), displayOptionsOf(c)));
  });
  app.post('/unusual/:id/verdict', mayWrite, async (c) => {
    const fields = await formOf(c, parts);
    await say(c, parts, c.req.param('id'), { verdict: fields.get('verdict') });
    return c.redirect(`/unusual/${c.req.param('id')}`, 303);
  });

  for (const path of ['/api/unusual', '/api/unusual/:id', '/unusual', '/unusual/:id']) allowMethods(app, path, 'GET');
  for (const path of ['/api/unusual/:id/verdict', '/unusual/:id/verdict']) allowMethods(app, path, 'POST');
}

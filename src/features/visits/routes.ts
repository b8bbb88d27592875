/** The API of the visits: `/api/visits`, for whoever may read the log. */
import { queryOf } from '../../http/request.ts';
import { type App, allowMethods, type Parts, requireRight } from '../../parts.ts';
import { pageLinks, readAsked } from './ask.ts';
import { listVisits, totalOf, visitOf } from './verbs.ts';

export function visitRoutes(app: App, parts: Parts): void {
  const mayRead = requireRight(parts, 'read');

  app.get('/api/visits', mayRead, async (c) => {
    const asked = readAsked(queryOf(c));
    const { visits, hasMore, cursor, exact } = await listVisits(parts, asked);
    const total = await totalOf(parts, asked);
    const links = Object.entries(pageLinks(asked, { visits, hasMore }));
    c.header('link', links.map(([rel, to]) => `</api/visits?${to}>; rel="${rel}"`).join(', '));
    const { limit, offset } = asked.page;
    return c.json({ visits, total, total_is_exact: total !== null && exact, limit, offset, cursor, exact });
  });

  app.get('/api/visits/:id{[0-9]+}', mayRead, async (c) => c.json(await visitOf(parts, Number(c.req.param('id')))));

  for (const path of ['', '/:id{[0-9]+}']) allowMethods(app, `/api/visits${path}`, 'GET');
}

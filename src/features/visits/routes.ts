/** The visits over HTTP, for whoever may read the log: `/api/visits`, and the pages `/visits`. */
import { queryOf } from '../../http/request.ts';
import { displayOptionsOf } from '../../page/display-options.ts';
import { readerOf } from '../../page/reader.ts';
import { type App, allowMethods, type Parts, requireRight } from '../../parts.ts';
import { pageLinks, readAsked } from './ask.ts';
import { detailOf } from './detail.ts';
import { listVisits, totalOf, visitOf } from './verbs.ts';
import { visitPage, visitsPage } from './views.ts';

const page_rows = '50';

export function visitRoutes(app: App, parts: Parts): void {
  const mayRead = requireRight(parts, 'read');
  const answerTo = async (query: URLSearchParams) => {
    const asked = readAsked(query);
    const { visits, hasMore, cursor, exact } = await listVisits(parts, asked);
    const total = await totalOf(parts, asked);
    return { asked, visits, total, cursor, exact, links: pageLinks(asked, { visits, hasMore }) };
  };

  app.get('/api/visits', mayRead, async (c) => {
    const { asked, visits, total, cursor, exact, links } = await answerTo(queryOf(c));
    const link = Object.entries(links).map(([rel, to]) => `</api/visits?${to}>; rel="${rel}"`);
    c.header('link', link.join(', '));
    const { limit, offset } = asked.page;
    return c.json({ visits, total, total_is_exact: total !== null && exact, limit, offset, cursor, exact });
  });

  app.get('/api/visits/:id{[0-9]+}', mayRead, async (c) => c.json(await visitOf(parts, Number(c.req.param('id')))));

  app.get('/visits', mayRead, async (c) => {
    const query = new URLSearchParams([...queryOf(c)].filter(([, value]) => value !== ''));
    if (!query.has('limit')) query.set('limit', page_rows);
    const { asked, ...list } = await answerTo(query);
    return c.html(visitsPage({ ...list, query: asked.query }, readerOf(c, parts), displayOptionsOf(c)));
  });

  app.get('/visits/:id{[0-9]+}', mayRead, async (c) => {
    const visit = await visitOf(parts, Number(c.req.param('id')));
    // Not for ever: a late event may give the visit another name.
    if (String(visit.visit) !== c.req.param('id')) return c.redirect(`/visits/${visit.visit}`, 302);
    return c.html(visitPage(await detailOf(parts, visit), readerOf(c, parts), displayOptionsOf(c)));
  });

  for (const path of ['/api/visits', '/visits'])
    for (const rest of ['', '/:id{[0-9]+}']) allowMethods(app, `${path}${rest}`, 'GET');
}

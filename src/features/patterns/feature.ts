/** Patterns: descriptions that differ in what varies are counted together. */
import { badField, Problem } from '../../http/problem.ts';
import { queryOf } from '../../http/request.ts';
import { faultOf } from '../../log/filter.ts';
import { wholeNumber } from '../../log/paging.ts';
import { patterns as derivation } from '../../log/pattern-counts.ts';
import { displayOptionsOf } from '../../page/display-options.ts';
import { filterHref } from '../../page/links.ts';
import { readerOf } from '../../page/reader.ts';
import { type App, allowMethods, type Feature, type Parts, requireRight } from '../../parts.ts';
import { keyOfEvent, patternLimits } from './tables.ts';
import { patternsOf } from './view.ts';
import { patternsPage } from './views.ts';

const page_groups = 200;

/** Throws a 400 for what the table of the patterns cannot say: it knows services, and no times. */
function readQuery(query: URLSearchParams): { service: string | null; limit: string | null } {
  for (const key of query.keys())
    if (key !== 'service' && key !== 'limit') throw badField(key, 'is not a parameter of this request');
  if (query.getAll('service').length > 1) throw badField('service', 'takes one value here');
  const service = query.get('service') || null;
  const fault = service && faultOf('service', service);
  if (fault) throw badField('service', fault);
  return { service, limit: query.get('limit') || null };
}

function routes(app: App, parts: Parts): void {
  const { store } = parts;

  app.get('/api/patterns', requireRight(parts, 'read'), async (c) => {
    const { service, limit } = readQuery(queryOf(c));
    const { keys_max } = patternLimits;
    return c.json(await patternsOf(store, service, wholeNumber('limit', limit, keys_max, 1, keys_max)));
  });

  app.get('/patterns', requireRight(parts, 'read'), async (c) => {
    const { service, limit } = readQuery(queryOf(c));
    const n = wholeNumber('limit', limit, page_groups, 1, patternLimits.keys_max);
    return c.html(patternsPage(await patternsOf(store, service, n), service, readerOf(c, parts), displayOptionsOf(c)));
  });

  /** The events like this one. A redirect, because only the database knows the pattern of an event. */
  app.get('/patterns/:id{[0-9]{1,15}}', requireRight(parts, 'read'), async (c) => {
    const key = await keyOfEvent(store, Number(c.req.param('id')));
    if (key === null) throw new Problem(404, `There is no event ${c.req.param('id')} in this log.`);
    return c.redirect(filterHref({ pattern: key }), 303);
  });

  allowMethods(app, '/api/patterns', 'GET');
  allowMethods(app, '/patterns', 'GET');
  allowMethods(app, '/patterns/:id{[0-9]{1,15}}', 'GET');
}

export const patterns: Feature = {
  name: 'patterns',
  routes,
  navigation: { path: '/patterns', label: 'Patterns', right: 'read' },
  ofEvent: ({ id }) => [{ path: `/patterns/${id}`, label: 'Events like this', right: 'read' }],
  derivations: [derivation],
};

/** Traces: what belongs to one trace id, over all services, and which event led to another. */
import type { Context } from 'hono';
import { Problem } from '../../http/problem.ts';
import { displayOptionsOf } from '../../page/display-options.ts';
import { addressPart, eventHref } from '../../page/links.ts';
import { readerOf } from '../../page/reader.ts';
import { type App, allowMethods, type Env, type Feature, type Parts, requireRight } from '../../parts.ts';
import { idOfCause } from './tables.ts';
import { readTrace, type Trace } from './trace.ts';
import { tracePage } from './views.ts';

function routes(app: App, parts: Parts): void {
  const mayRead = requireRight(parts, 'read');
  async function traceOf(c: Context<Env>): Promise<Trace> {
    const trace = await readTrace(parts.store, c.req.param('id') ?? '');
    if (!trace) throw new Problem(404, 'No event has this trace id.');
    return trace;
  }

  app.get('/traces/:id', mayRead, async (c) =>
    c.html(tracePage(await traceOf(c), readerOf(c, parts), displayOptionsOf(c))),
  );
  app.get('/api/traces/:id', mayRead, async (c) => c.json(traceJson(await traceOf(c))));
  // A link to an event can be made from its id alone, and this may be an event_uid.
  app.get('/causes/:name', mayRead, async (c) => {
    const id = await idOfCause(parts.store, c.req.param('name'));
    if (id === null) throw new Problem(404, 'No event has this id or event_uid.');
    return c.redirect(eventHref(id));
  });

  allowMethods(app, '/causes/:name', 'GET');
  for (const path of ['', '/api']) allowMethods(app, `${path}/traces/:id`, 'GET');
}

/** The events once, and in the lanes only how many they are. */
const traceJson = ({ from_ms, to_ms, n_drawn: _drawn, lanes, events, ...trace }: Trace) => ({
  ...trace,
  from: new Date(from_ms).toISOString(),
  to: new Date(to_ms).toISOString(),
  services: lanes.map(({ service, others, n, link }) => ({ service, ...(others && { others }), n, link })),
  events: events.map(({ metadata: _metadata, user_agent: _agent, trace_id: _trace, ...event }) => event),
});

function linkTo(page: string, name: string | null, label: string) {
  const part = name && addressPart(name);
  return part ? [{ path: `/${page}/${part}`, label, right: 'read' as const }] : [];
}

export const traces: Feature = {
  name: 'traces',
  routes,
  ofEvent: ({ trace_id, caused_by }) => [
    ...linkTo('traces', trace_id, 'Trace'),
    ...linkTo('causes', caused_by, 'What led to it'),
  ],
};

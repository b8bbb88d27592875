/** Entities: what happened to one thing, and what it was like after each of its events. */
import type { Context } from 'hono';
import { Problem } from '../../http/problem.ts';
import { queryOf } from '../../http/request.ts';
import { wholeNumber } from '../../log/paging.ts';
import { displayOptionsOf } from '../../page/display-options.ts';
import { addressPart } from '../../page/links.ts';
import { readerOf } from '../../page/reader.ts';
import { type App, allowMethods, type Env, type Feature, type Parts, requireRight } from '../../parts.ts';
import { type EntityView, readEntity } from './entity.ts';
import { changesOf } from './state.ts';
import { entityPage } from './views.ts';

function routes(app: App, parts: Parts): void {
  const mayRead = requireRight(parts, 'read');
  async function entityOf(c: Context<Env>): Promise<EntityView> {
    const entity = { entity_type: c.req.param('type') ?? '', entity_id: c.req.param('id') ?? '' };
    const at = wholeNumber('at', queryOf(c).get('at') || null, 0, 1, Number.MAX_SAFE_INTEGER);
    const event = at ? await parts.store.one(at) : null;
    if (at && (event?.entity_type !== entity.entity_type || event.entity_id !== entity.entity_id))
      throw new Problem(404, `Event ${at} is not about this entity.`);
    const view = await readEntity(parts.store, entity, event);
    if (!view) throw new Problem(404, 'No event is about this entity.');
    return view;
  }

  app.get('/entities/:type/:id', mayRead, async (c) =>
    c.html(entityPage(await entityOf(c), readerOf(c, parts), displayOptionsOf(c))),
  );
  app.get('/api/entities/:type/:id', mayRead, async (c) => c.json(entityJson(await entityOf(c))));

  for (const path of ['', '/api']) allowMethods(app, `${path}/entities/:type/:id`, 'GET');
}

/** The state as an object, and beside it the event that set each field; the events with what they changed. */
const entityJson = ({ state, events, ...view }: EntityView) => ({
  ...view,
  state: {
    ...state,
    fields: Object.fromEntries(state.fields.map(({ field, value }) => [field, value])),
    set_by: Object.fromEntries(state.fields.map(({ field, id }) => [field, id])),
  },
  events: events.map((event) => ({ ...event, changes: changesOf(event) })),
});

export const entities: Feature = {
  name: 'entities',
  routes,
  ofEvent: ({ id, entity_type, entity_id }) => {
    const [type, name] = [addressPart(entity_type), entity_id && addressPart(entity_id)];
    return type && name
      ? [{ path: `/entities/${type}/${name}?at=${id}`, label: 'State of the entity', right: 'read' }]
      : [];
  },
};

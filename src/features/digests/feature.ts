/** Digests: what each day and each week brought. */
import { clientHasEtag, etagOf, notModified, withEtag } from '../../http/conditional.ts';
import { readerLimits } from '../../log/reader.ts';
import { displayOptionsOf } from '../../page/display-options.ts';
import { readerOf } from '../../page/reader.ts';
import { type App, allowMethods, type Feature, logHeader, type Parts, requireRight } from '../../parts.ts';
import { announce } from './announce.ts';
import { digestOf } from './digest.ts';
import { dayOf, readPeriod } from './period.ts';
import { daysOf, digest } from './tables.ts';
import { digestPage, digestsPage } from './views.ts';

const days_listed = 92;

function routes(app: App, parts: Parts): void {
  const { store } = parts;
  const mayRead = requireRight(parts, 'read');
  const found = async (name: string) => {
    const period = readPeriod(name);
    // The reader steps once a second, but once a minute on Workers: there, who asks moves it on.
    await store.stepDerivation(digest, readerLimits.embedded_step_ids_max);
    return store.reads((db) => digestOf(db, period, dayOf(Date.now())));
  };
  const listed = () => store.reads((db) => daysOf(db, days_listed));

  app.get('/api/digests', mayRead, async (c) => c.json({ days: await listed() }));

  app.get('/api/digests/:name', mayRead, async (c) => {
    const { name } = readPeriod(c.req.param('name'));
    const newest = await store.newest();
    const etag = await etagOf(c, newest, dayOf(Date.now()));
    if (clientHasEtag(c, etag)) return notModified(c, etag);
    c.header(logHeader, newest.log_id);
    return withEtag(c, etag).json(await found(name));
  });

  app.get('/digests', mayRead, async (c) =>
    c.html(digestsPage(await listed(), dayOf(Date.now()), readerOf(c, parts), displayOptionsOf(c))),
  );

  app.get('/digests/:name', mayRead, async (c) =>
    c.html(digestPage(await found(c.req.param('name')), readerOf(c, parts), displayOptionsOf(c))),
  );

  for (const path of ['/api/digests', '/api/digests/:name', '/digests', '/digests/:name'])
    allowMethods(app, path, 'GET');
}

export const digests: Feature = {
  name: 'digests',
  routes,
  navigation: { path: '/digests', label: 'Digests', right: 'read' },
  derivations: [digest],
  eachMinute: (store) => announce(store, Date.now()),
};

/** The page /status, for administrators: how large the log is, how it grows, who is behind, and what runs. */
import { displayOptionsOf } from '../../page/display-options.ts';
import { readerOf } from '../../page/reader.ts';
import { type App, allowMethods, type Feature, type Parts, requireRight } from '../../parts.ts';
import { statusPage } from './view.ts';

const refused_rows_max = 10;

function routes(app: App, parts: Parts): void {
  app.get('/status', requireRight(parts, 'admin'), async (c) => {
    const { store, build, meter } = parts;
    const [vitals, sizes, growth, months, refused, rights] = await Promise.all([
      store.vitals(),
      store.sizes(),
      store.growth(),
      store.months(),
      store.refusedRows(refused_rows_max),
      store.rights(),
    ]);
    const followers = build.usage ? meter.followers : null;
    const display = displayOptionsOf(c);
    return c.html(
      statusPage({ vitals, sizes, growth, months, refused, rights, build, followers }, readerOf(c, parts), display),
    );
  });
  allowMethods(app, '/status', 'GET');
}

export const status: Feature = {
  name: 'status',
  routes,
  navigation: { path: '/status', label: 'Status', right: 'admin' },
};

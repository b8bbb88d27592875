/** Alerts: rules watch the log, and what they find is an event of the log. */
import type { Feature } from '../../parts.ts';
import { finderOf } from './find.ts';
import { rulePages } from './page-routes.ts';
import { ruleRoutes } from './routes.ts';
import { readerKind } from './spec.ts';

export const alerts: Feature = {
  name: 'alerts',
  routes: (app, parts) => {
    ruleRoutes(app, parts);
    rulePages(app, parts);
  },
  navigation: { path: '/rules', label: 'Rules', right: 'admin' },
  ofSearch: { path: '/rules?filter=', label: 'Make a rule of this search', right: 'admin' },
  deliveries: { kind: readerKind, open: () => finderOf },
};

/** Shipping: events of the log are sent to other systems, in order, from where each of them is. */
import type { Feature } from '../../parts.ts';
import { sinkMetrics } from './metrics.ts';
import { sinkPages } from './page-routes.ts';
import { sinkRoutes } from './routes.ts';
import { openSinks, readerKind } from './spec.ts';
import { sinksOf } from './verbs.ts';

export const sinks: Feature = {
  name: 'shipping',
  routes: (app, parts) => {
    sinkRoutes(app, parts);
    sinkPages(app, parts);
  },
  navigation: { path: '/sinks', label: 'Sinks', right: 'admin' },
  metrics: async (parts) => sinkMetrics(await sinksOf(parts)),
  deliveries: { kind: readerKind, open: openSinks },
};

/** Shipping: events of the log are sent to other systems, in order, from where each of them is. */
import type { Feature } from '../../parts.ts';
import { sinkRoutes } from './routes.ts';
import { openSinks, readerKind } from './spec.ts';

export const sinks: Feature = {
  name: 'shipping',
  routes: sinkRoutes,
  deliveries: { kind: readerKind, open: openSinks },
};

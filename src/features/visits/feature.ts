/** Visits: which events of a user belong together, by the session that they name or by the time between them. */
import type { Feature } from '../../parts.ts';
import { visitRoutes } from './routes.ts';
import { visits as derivation } from './tables.ts';

export const visits: Feature = {
  name: 'visits',
  routes: visitRoutes,
  derivations: [derivation],
};

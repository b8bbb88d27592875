/** Visits: which events of a user belong together, by the session that they name or by the time between them. */
import type { Feature } from '../../parts.ts';
import { visitsPanel } from './panel.ts';
import { visitRoutes } from './routes.ts';
import { visits as derivation } from './tables.ts';
import { isOfVisit } from './verbs.ts';

export const visits: Feature = {
  name: 'visits',
  routes: visitRoutes,
  navigation: { path: '/visits', label: 'Visits', right: 'read' },
  ofEvent: (entry) => (isOfVisit(entry) ? [{ path: `/visits/${entry.id}`, label: 'Its visit', right: 'read' }] : []),
  panels: { lanes: visitsPanel },
  derivations: [derivation],
};

/** Boards: what happened, as figures whose every mark is a link to its events. */
import type { Feature } from '../../parts.ts';
import { boardRoutes } from './routes.ts';

export const boards: Feature = {
  name: 'boards',
  routes: boardRoutes,
  navigation: { path: '/boards/overview', label: 'Boards', right: 'read' },
};

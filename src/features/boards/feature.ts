/** Boards: what happened, as figures whose every mark is a link to its events. */
import type { Feature } from '../../parts.ts';
import { editRoutes } from './edit-routes.ts';
import { boardRoutes } from './routes.ts';

export const boards: Feature = {
  name: 'boards',
  routes: (app, parts) => {
    editRoutes(app, parts);
    boardRoutes(app, parts);
  },
  navigation: { path: '/boards/overview', label: 'Boards', right: 'read' },
  ofSearch: { path: '/boards?filter=', label: 'Add to a board', right: 'write' },
};

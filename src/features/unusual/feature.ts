/** Unusual: how far what happens is from what is usual, and which of it is told. */
import type { Feature } from '../../parts.ts';
import { ensureReader, finderOf, readerKind } from './find.ts';
import { unusualPanel } from './panel.ts';
import { storyRoutes } from './routes.ts';
import { scoreRoutes } from './score-routes.ts';

export const unusual: Feature = {
  name: 'unusual',
  routes: (app, parts) => {
    // Before /api/unusual/:id.
    scoreRoutes(app, parts);
    storyRoutes(app, parts);
  },
  navigation: { path: '/unusual', label: 'Unusual', right: 'read' },
  panels: { unusual: unusualPanel },
  deliveries: {
    kind: readerKind,
    open: (_outbound, { UNUSUAL_PER_DAY_MAX, UNUSUAL_KINDS }) => {
      const finder = finderOf({ per_day_max: UNUSUAL_PER_DAY_MAX, kinds: UNUSUAL_KINDS });
      return () => finder;
    },
  },
  // Where nothing may fire, the log is judged from the first request for its stories on.
  eachMinute: async (store, { UNUSUAL_PER_DAY_MAX }) => {
    if (UNUSUAL_PER_DAY_MAX > 0) await ensureReader(store);
  },
};

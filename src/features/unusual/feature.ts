/** Unusual: how far what happens is from what is usual. */
import type { Feature } from '../../parts.ts';
import { scoreRoutes } from './score-routes.ts';

export const unusual: Feature = { name: 'unusual', routes: scoreRoutes };

/** The boards that every log has. */
import { type Board, panel } from './panel.ts';

const byType = (more = {}) => panel('Over time', 'bars', { by: ['event_type'], ...more });
const heat = panel('By weekday and hour', 'heat');
const seen = panel('Seen for the first time', 'seen');
const unusual = panel('Unusual', 'unusual');
const newest = panel('Newest events', 'events');
const top = (title: string, ...by: Board['asks']) => panel(title, 'top', { by });

const signIns = [...['LOGIN', 'LOGOUT', 'LOGIN_FAILED', 'SIGN_IN', 'SIGN_OUT', 'SIGN_IN_FAILED', 'ConsoleLogin']].map(
  (type) => `event_type=${type}`,
);
const ofSignIns = { filter: signIns.join('&') };

export const builtIn: readonly Board[] = [
  {
    name: 'overview',
    title: 'Overview',
    asks: [],
    panels: [
      panel('Events', 'number'),
      panel('Users', 'number', { measure: 'users' }),
      panel('Deletes', 'number', { filter: 'event_type=DELETE' }),
      byType(),
      top('Users with the most events', 'user_id'),
      top('Entity types', 'entity_type'),
      top('Services', 'service'),
      heat,
      unusual,
      seen,
    ],
  },
  {
    name: 'user',
    title: 'User',
    asks: ['user_id'],
    panels: [
      panel('Events', 'number'),
      byType(),
      top('What they worked on', 'entity_type', 'entity_id'),
      top('Addresses', 'ip_address'),
      top('Services', 'service'),
      heat,
      panel('Visits', 'lanes'),
      unusual,
      seen,
      newest,
    ],
  },
  {
    name: 'entity',
    title: 'Entity',
    asks: ['entity_type', 'entity_id'],
    panels: [
      panel('Events', 'number'),
      panel('Users', 'number', { measure: 'users' }),
      byType(),
      top('Who touched it', 'user_id'),
      top('Services', 'service'),
      newest,
    ],
  },
  {
    name: 'service',
    title: 'Service',
    asks: ['service'],
    panels: [
      panel('Events', 'number'),
      panel('Users', 'number', { measure: 'users' }),
      byType(),
      top('Entity types', 'entity_type'),
      top('Users', 'user_id'),
      heat,
      unusual,
      seen,
      newest,
    ],
  },
  {
    name: 'sign-ins',
    title: 'Sign-ins',
    asks: [],
    panels: [
      panel('Events', 'number', ofSignIns),
      panel('Users', 'number', { ...ofSignIns, measure: 'users' }),
      byType(ofSignIns),
      panel('Users with the most', 'top', { ...ofSignIns, by: ['user_id'] }),
      panel('Addresses', 'top', { ...ofSignIns, by: ['ip_address'] }),
      panel('By weekday and hour', 'heat', ofSignIns),
      panel('Newest', 'events', ofSignIns),
    ],
  },
];

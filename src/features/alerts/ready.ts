/** Rules that can be switched on as they are. Who has other words for what happens changes the filters. */

export type ReadyRule = { name: string; about: string; rule: { type: string } & Record<string, unknown> };

const type = (...types: string[]) => types.map((each) => `event_type=${each}`).join('&');

export const ready: readonly ReadyRule[] = [
  {
    name: 'brute-force',
    about: 'many failed sign-ins of one user',
    rule: { type: 'count', filter: type('LOGIN_FAILED'), n: 5, window_s: 60, group_by: 'user_id', quiet_s: 600 },
  },
  {
    name: 'guessed',
    about: 'a sign-in that succeeds soon after one that failed',
    rule: {
      type: 'sequence',
      filter: type('LOGIN_FAILED'),
      followed_by: type('LOGIN'),
      window_s: 60,
      group_by: 'user_id',
    },
  },
  {
    name: 'sign-ins-fail',
    about: 'half of all sign-ins fail',
    rule: {
      type: 'ratio',
      filter: type('LOGIN_FAILED'),
      of: type('LOGIN', 'LOGIN_FAILED'),
      ratio: 0.5,
      n: 20,
      window_s: 600,
    },
  },
  {
    name: 'mass-delete',
    about: 'one user deletes much',
    rule: { type: 'count', filter: type('DELETE'), n: 50, window_s: 300, group_by: 'user_id', quiet_s: 3_600 },
  },
  {
    name: 'many-kinds-deleted',
    about: 'one user deletes many kinds of things',
    rule: {
      type: 'distinct',
      filter: type('DELETE'),
      field: 'entity_type',
      n: 4,
      window_s: 600,
      group_by: 'user_id',
      quiet_s: 3_600,
    },
  },
  {
    name: 'first-admin-action',
    about: 'a user’s first administrative action',
    rule: {
      type: 'first_seen',
      filter: type('ADMIN', 'PERMISSION_GRANTED', 'ROLE_CHANGED', 'SETTINGS_CHANGED'),
      group_by: 'user_id',
    },
  },
  {
    name: 'new-event-type',
    about: 'an event type that the log has never had',
    rule: { type: 'first_seen', group_by: 'event_type' },
  },
  {
    name: 'much-exported',
    about: 'one user exports much',
    rule: { type: 'count', filter: type('EXPORT'), n: 10, window_s: 3_600, group_by: 'user_id', quiet_s: 3_600 },
  },
  {
    name: 'unusual-hours',
    about: 'deletions, exports and permissions at night',
    rule: {
      type: 'every',
      filter: type('DELETE', 'EXPORT', 'PERMISSION_GRANTED'),
      hours: '22-6',
      zone: 'UTC',
      group_by: 'user_id',
      quiet_s: 3_600,
    },
  },
  {
    name: 'service-silent',
    about: 'a service that has gone silent',
    rule: {
      type: 'silence',
      filter: 'service!=edgetrail',
      group_by: 'service',
      window_s: 3_600,
      again_after_s: 21_600,
    },
  },
  {
    name: 'granted-and-used',
    about: 'a permission that is given and used for an export within minutes',
    rule: {
      type: 'sequence',
      filter: type('PERMISSION_GRANTED'),
      followed_by: type('EXPORT'),
      window_s: 600,
      group_by: 'user_id',
    },
  },
  {
    name: 'not-shipped',
    about: 'a paid order that is not shipped within three days',
    rule: {
      type: 'sequence',
      filter: `${type('PAYMENT')}&entity_type=order`,
      not_followed_by: `${type('SHIPPED')}&entity_type=order`,
      window_s: 259_200,
      group_by: 'entity_id',
    },
  },
];

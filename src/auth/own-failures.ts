/** Failed and refused sign-ins as events of the log, which are counted: a client can cause them at any rate. */
import type { OwnEvent } from '../log/own-events.ts';
import type { AuthParts } from './auth.ts';

export const countFailures =
  (count: (event: OwnEvent) => void): NonNullable<AuthParts['onFailure']> =>
  (what, user, outcome, ip_address) => {
    const who = user ?? (what === 'token' ? 'a token that is not in TOKENS' : 'a name that is not in USERS');
    count({
      type: 'SIGN_IN_FAILED',
      entity_type: what === 'token' ? 'token' : 'user',
      entity_id: user ?? undefined,
      description:
        outcome === 'failed'
          ? `A sign-in failed: ${who}`
          : `A sign-in was refused after too many wrong passwords: ${who}`,
      ip_address,
    });
  };

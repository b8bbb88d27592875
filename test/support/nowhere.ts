/** For an app that sends nothing: every request to the outside fails. */
import { ReachFault } from '../../src/http/reach.ts';
import type { Outbound } from '../../src/parts.ts';

export const nowhere: Outbound = {
  reach: async () => {
    throw new ReachFault('this test sends nothing', true);
  },
  dial: async () => {
    throw new ReachFault('this test sends nothing', true);
  },
  secretOf: () => undefined,
  wake: () => {},
};

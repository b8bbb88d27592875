/** Anchors that take a checkpoint as the body of a POST. */
import type { Reach } from '../http/reach.ts';
import type { Anchor } from '../parts.ts';

export const httpAnchors = (names: readonly string[], reach: Reach): Anchor[] =>
  names
    .filter((name) => /^https?:/.test(name))
    .map((name) => ({
      // Without the query: it may have a secret.
      name: new URL(name).origin + new URL(name).pathname,
      put: async (note) => {
        const headers = { 'content-type': 'text/plain; charset=utf-8' };
        const { status } = await reach(name, { method: 'POST', headers, body: note });
        if (status >= 300) throw new Error(`the status was ${status}`);
      },
    }));

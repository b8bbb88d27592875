/** The signed-in user as the pages show them: the name, what they may do, and the pages that they may open. */
import type { Context } from 'hono';
import type { Env, Parts } from '../parts.ts';
import type { Reader } from './menu-and-help.ts';

/** The reader of a request that `requireRight` has passed. */
export function readerOf(c: Context<Env>, { features }: Parts): Reader {
  const { name, rights, session } = c.get('principal');
  const links = (of: 'navigation' | 'ofSearch') =>
    features
      .flatMap((feature) => feature[of] ?? [])
      .filter(({ right }) => rights.includes(right))
      .map(({ path, label }) => ({ path, label }));
  return {
    name,
    mayExport: rights.includes('export'),
    bySession: session !== undefined,
    navigation: links('navigation'),
    ofSearch: links('ofSearch'),
  };
}

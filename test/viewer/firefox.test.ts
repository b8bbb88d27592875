/** The core claims in Debian's Firefox. */
import { coreClaims } from './core-claims.ts';
import { inFirefox, openFirefox } from './firefox.ts';

inFirefox.describe('the page in Firefox', () => coreClaims(openFirefox));

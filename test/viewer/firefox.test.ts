/** The heart of the page in Debian's Firefox. */
import { describe } from 'vitest';
import { coreClaims } from './core-claims.ts';
import { hasFirefox, openFirefox } from './firefox.ts';

describe.skipIf(!hasFirefox())('the page in Firefox', () => coreClaims(openFirefox));

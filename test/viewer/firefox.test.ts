/** The heart of the page in Debian's Firefox. */
import { describe } from 'vitest';
import { hasFirefox, openFirefox } from './firefox.ts';
import { heart } from './heart.ts';

describe.skipIf(!hasFirefox())('the page in Firefox', () => heart(openFirefox));

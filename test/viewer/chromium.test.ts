/** The core claims in Debian's Chromium, which also runs all other browser tests. */
import { openChromium } from '../support/browser.ts';
import { inChromium } from '../support/in-chromium.ts';
import { coreClaims } from './core-claims.ts';

inChromium.describe('the page in Chromium', () => coreClaims(openChromium));

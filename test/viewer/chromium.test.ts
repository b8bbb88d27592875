/** The heart of the page in Debian's Chromium, in which all the other claims are tried, too. */
import { openChromium } from '../support/browser.ts';
import { inChromium } from '../support/in-chromium.ts';
import { coreClaims } from './core-claims.ts';

inChromium.describe('the page in Chromium', () => coreClaims(openChromium));

/** The heart of the page in Debian's Chromium, in which all the other claims are tried, too. */
import { describe } from 'vitest';
import { hasChromium, openChromium } from '../support/browser.ts';
import { coreClaims } from './core-claims.ts';

describe.skipIf(!hasChromium())('the page in Chromium', () => coreClaims(openChromium));

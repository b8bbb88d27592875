/** `it` and `describe` for tests that need Chromium; where there is none they are skipped, with the reason. */
import { notOn } from '../targets/not-on.ts';
import { reasons } from '../targets/reasons.ts';
import { hasChromium } from './browser.ts';

export const inChromium = notOn(reasons.noChromium, !hasChromium());

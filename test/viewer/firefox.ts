/** Firefox as Debian installs it, driven by playwright-core over WebDriver BiDi. */
import { existsSync } from 'node:fs';
import { type Browser, firefox } from 'playwright-core';
import { notOn } from '../targets/not-on.ts';
import { reasons } from '../targets/reasons.ts';

const executablePath = process.env.FIREFOX ?? '/usr/bin/firefox-esr';

/** `it` and `describe` for tests that need Firefox; they are skipped, with the reason, where there is none. */
export const inFirefox = notOn(reasons.noFirefox, !existsSync(executablePath));

const start = (more: Record<string, boolean>): Promise<Browser> =>
  firefox.launch({
    // The moz- channels are Mozilla's own builds; Playwright's patched build uses a protocol of its own.
    channel: 'moz-firefox',
    executablePath: new URL('firefox.mjs', import.meta.url).pathname,
    firefoxUserPrefs: { 'ui.systemUsesDarkTheme': 1, ...more },
  });

/** Starts Firefox with dark system colours: the debugger cannot change them later. */
export const openFirefox = () => start({});
/** The option `javaScriptEnabled` of a context has no effect over BiDi; the setting has. */
export const openFirefoxWithoutScripts = () => start({ 'javascript.enabled': false });

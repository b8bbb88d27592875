/** Firefox as Debian installs it, driven by playwright-core over WebDriver BiDi. */
import { existsSync } from 'node:fs';
import { type Browser, firefox } from 'playwright-core';

const executablePath = process.env.FIREFOX ?? '/usr/bin/firefox-esr';

/** True where there is a Firefox; where there is none it says how to get one. */
export function hasFirefox(): boolean {
  const has = existsSync(executablePath);
  if (!has) console.warn(`SKIPPED: no Firefox at ${executablePath} (apt-get install firefox-esr, or set FIREFOX)`);
  return has;
}

/** Starts it on a machine with dark colours: it takes no other by the debugger. */
export const openFirefox = (): Promise<Browser> =>
  firefox.launch({
    // The channels of this name are Mozilla's own builds: Playwright's is another one, with a protocol of its own.
    channel: 'moz-firefox',
    executablePath: new URL('firefox.mjs', import.meta.url).pathname,
    firefoxUserPrefs: { 'ui.systemUsesDarkTheme': 1 },
  });

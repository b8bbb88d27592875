/** Chromium from Debian's package, for the tests and the pictures of the page. */
import { existsSync } from 'node:fs';
import { type Browser, type BrowserContext, chromium, type LaunchOptions } from 'playwright-core';

const executablePath = process.env.CHROMIUM ?? '/usr/bin/chromium';

export const hasChromium = () => existsSync(executablePath);

/** Starts Chromium without its background traffic, which a closed network refuses. */
export const openChromium = (more: LaunchOptions = {}): Promise<Browser> =>
  chromium.launch({
    ...more,
    executablePath,
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  });

/** Signs a browser context in through the form's route; throws on a failed sign-in. */
export async function signIn(context: BrowserContext, url: string, user: string, password: string): Promise<void> {
  const form = { user, password };
  const answer = await context.request.post(`${url}/sign-in`, { form, headers: { origin: url }, maxRedirects: 0 });
  if (answer.status() !== 303) throw new Error(`${answer.status()} ${await answer.text()}`);
}

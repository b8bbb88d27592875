/** Chromium as Debian installs it, for the tests of the page and its picture. */
import { existsSync } from 'node:fs';
import { type Browser, type BrowserContext, chromium, type LaunchOptions } from 'playwright-core';

const executablePath = process.env.CHROMIUM ?? '/usr/bin/chromium';

export const hasChromium = () => existsSync(executablePath);

/** Starts it without the background traffic that a closed network would only refuse. */
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

/** Signs a browser in, as the form does; throws unless it works. */
export async function signIn(context: BrowserContext, url: string, user: string, password: string): Promise<void> {
  const form = { user, password };
  const answer = await context.request.post(`${url}/sign-in`, { form, headers: { origin: url }, maxRedirects: 0 });
  if (answer.status() !== 303) throw new Error(`${answer.status()} ${await answer.text()}`);
}

/** The sign-in page. Data in, markup out. */
import { html } from 'hono/html';
import type { DisplayOptions } from '../../page/format.ts';
import { layout, type Markup } from '../../page/layout.ts';

export type SignInPage = {
  /** The path of this service to which the form redirects. */
  to: string;
  /** The user name that was entered before. */
  user: string;
  /** The reason why the last attempt failed, or null. */
  fault: string | null;
};

/** The page at /sign-in. The first field that is empty has the focus. */
export const signInPage = ({ to, user, fault }: SignInPage, display: DisplayOptions): Markup =>
  layout(
    'Sign in',
    html`<main id="sign-in"><h1>Sign in to Edgetrail</h1>
<form method="post" action="/sign-in">
${fault === null ? '' : html`<p id="fault" role="alert">${fault}</p>`}
<input type="hidden" name="to" value="${to}">
<label>User name <input name="user" type="text" value="${user}" autocomplete="username" autocapitalize="none" spellcheck="false" required${user === '' ? html` autofocus` : ''}></label>
<label>Password <input name="password" type="password" autocomplete="current-password" required${user === '' ? '' : html` autofocus`}${fault === null ? '' : html` aria-describedby="fault"`}></label>
<button type="submit">Sign in</button>
</form></main>`,
    display,
  );

/** The form in which a sink or a rule is written as JSON. Data in, markup out. */
import { html } from 'hono/html';
import type { Markup } from './layout.ts';

export type SpecForm = { name: string; spec: string; fault: string | null };

export const specText = (fields: object) => JSON.stringify(fields, null, 2);

export const specForm = (
  action: string,
  label: string,
  { name, spec, fault }: SpecForm,
): Markup => html`<form method="post" action="${action}">
${fault === null ? '' : html`<p role="alert" id="fault">${fault}</p>`}
<label>Name <input name="name" type="text" value="${name}" required autocapitalize="none" spellcheck="false" maxlength="63"></label>
<p><label>${label} <textarea name="spec" rows="12" cols="70" spellcheck="false"${fault === null ? '' : html` aria-describedby="fault"`}>${spec}</textarea></label></p>
<button type="submit">Save</button>
</form>`;

/** A button that posts, with what the form asks beside it. */
export const actionForm = (action: string, label: string, fields: Markup | '' = ''): Markup =>
  html`<form method="post" action="${action}">${fields}<button type="submit">${label}</button></form>`;

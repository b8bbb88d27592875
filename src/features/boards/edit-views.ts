/** The list of boards, and the forms that make and change one. Data in, markup out. */
import { html } from 'hono/html';
import { groupKeys } from '../../log/aggregate-sources.ts';
import type { DisplayOptions } from '../../page/format.ts';
import { framedPage } from '../../page/framed-page.ts';
import type { Markup } from '../../page/layout.ts';
import type { Reader } from '../../page/menu-and-help.ts';
import { actionForm, type SpecForm, specForm } from '../../page/spec-form.ts';
import { labelOf } from './marks.ts';
import { type Board, panelKinds } from './panel.ts';

type Titled = Pick<Board, 'name' | 'title'>;

const select = (name: string, options: readonly (readonly [string, string])[]): Markup =>
  html`<select name="${name}">${options.map(([value, label]) => html`<option value="${value}">${label}</option>`)}</select>`;

/** The form that adds a panel of a search. */
const addForm = (filter: string, own: readonly Titled[]): Markup => html`<h2>Add a panel</h2>
<form action="/boards/panels" method="post" class="asks">
<label>Board <input name="board" type="text" required maxlength="63" list="own-boards" autocapitalize="none" spellcheck="false"></label>
<datalist id="own-boards">${own.map(({ name }) => html`<option value="${name}"></option>`)}</datalist>
<label>Title <input name="title" type="text" required maxlength="100"></label>
<label>Filter <input name="filter" type="text" value="${filter}" spellcheck="false"></label>
<label>Kind ${select(
  'kind',
  panelKinds.map((kind) => [kind, kind] as const),
)}</label>
<label>By ${select('by', [['', 'nothing'], ...groupKeys.map((key) => [key, labelOf(key)] as const)])}</label>
<button type="submit">Add</button></form>`;

export const boardsPage = (
  boards: readonly Titled[],
  own: readonly Titled[],
  form: SpecForm,
  filter: string,
  mayWrite: boolean,
  reader: Reader,
  display: DisplayOptions,
): Markup =>
  framedPage(
    'Boards',
    html`<main class="board event"><h1>Boards</h1><ul>${boards.map(({ name, title }) => html`<li><a href="/boards/${name}">${title}</a></li>`)}${own.map(
      ({ name, title }) =>
        html`<li><a href="/boards/${name}">${title}</a> ${mayWrite ? html`<a href="/boards?board=${name}#spec">Change</a> ${actionForm(`/boards/${name}/delete`, `Delete ${name}`)}` : ''}</li>`,
    )}</ul>${
      mayWrite
        ? html`${addForm(filter, own)}<h2 id="spec">${own.some(({ name }) => name === form.name) ? 'Change' : 'New board'}</h2>
${specForm('/boards', 'Its title and panels, as JSON', form)}`
        : ''
    }</main>`,
    reader,
    display,
  );

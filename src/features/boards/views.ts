/** The page of a board and the list of boards. Data in, markup out. */
import { html } from 'hono/html';
import { filterRows } from '../../log/filter.ts';
import { type DisplayOptions, formatCount } from '../../page/format.ts';
import { framedPage } from '../../page/framed-page.ts';
import { partial, pollBoard } from '../../page/htmx-attributes.ts';
import type { Markup } from '../../page/layout.ts';
import type { Reader } from '../../page/menu-and-help.ts';
import { figureOf } from './figures.ts';
import { labelOf, type Mark, type PanelView } from './marks.ts';
import { type Board, isList, isNumbered, ranges } from './panel.ts';
import type { BoardQuery } from './question.ts';
import { changeOf, summaryOf } from './summary.ts';
import { nameOf, toneOf } from './svg.ts';

export type BoardPage = {
  board: Board;
  query: BoardQuery;
  /** The query of the page, in one order. */
  address: URLSearchParams;
  views: PanelView[];
  /** What the page shows, as one word: it is asked for again with it. */
  known: string;
  /** Its panels, as one word: a page that shows others is loaded anew. */
  shape: string;
};

const changed = (address: URLSearchParams, name: string, value: string) => {
  const to = new URLSearchParams(address);
  to.set(name, value);
  return to;
};

const linked = (href: string | null | undefined, text: string | Markup): Markup =>
  href ? html`<a href="${href}">${text}</a>` : html`${text}`;

const number = (view: PanelView, mark: Mark): Markup =>
  linked(mark.href, `${view.is_exact ? '' : 'about '}${formatCount(mark.value)}`);

/** The figure of a panel: what is drawn, or a number in words. */
function drawing(view: PanelView, id: string): Markup {
  const { panel, marks, fault, series } = view;
  const summary = summaryOf(view);
  const [first] = marks;
  if (fault !== null || !first || (panel.kind !== 'number' && marks.every(({ value }) => value === 0)))
    return html`<p class="none">${fault ?? 'Nothing in this period.'}</p>`;
  const newest = view.has_more ? html`<p class="none">The newest ${marks.length}.</p>` : '';
  if (isList(panel.kind)) return html`${newest}`;
  if (panel.kind === 'number') {
    const { before } = first;
    const change = changeOf(first);
    return html`<p class="number">${first.href === null ? formatCount(first.value) : html`<a id="${id}-0" href="${first.href}">${view.is_exact ? '' : 'about '}${formatCount(first.value)}</a>`}</p><p class="none">${before ? html`${change === null ? '' : `${change} than `}${linked(before.href, formatCount(before.value))} in the period before` : ''}</p>`;
  }
  const legend = series.map((name, i) => html`<b class="${toneOf(view, i)}">${nameOf(name)}</b> `);
  return html`${figureOf(view, id, summary)}${series.length > 0 ? html`<p>${legend}</p>` : ''}${newest}`;
}

/** The same numbers as a table. */
function table(view: PanelView): Markup {
  const { panel, columns, marks, series } = view;
  const hasNumber = isNumbered(panel.kind);
  /** The first cell leads to the events where no number does, else to the page that tells more. */
  const first = ({ page, href }: Mark) => (hasNumber ? page : href);
  const rows = marks.filter(({ value }) => value !== 0 || panel.kind === 'number');
  return html`<table class="changes"><thead><tr>${columns.map((name) => html`<th scope="col">${name}</th>`)}${series.map((name) => html`<th scope="col">${nameOf(name)}</th>`)}${hasNumber ? html`<th scope="col">${panel.measure}</th>` : ''}</tr></thead><tbody>${rows.map(
    (mark) =>
      html`<tr>${mark.names.map((name, i) => html`<td>${linked(i === 0 ? first(mark) : null, html`<bdi>${name === '' ? '' : nameOf(name)}</bdi>`)}</td>`)}${(mark.parts ?? []).map((n) => html`<td>${formatCount(n)}</td>`)}${hasNumber ? html`<td>${number(view, mark)}</td>` : ''}</tr>`,
  )}</tbody></table>`;
}

const twins = (name: string, place: number, address: URLSearchParams): Markup =>
  html`${['json', 'csv', 'svg'].map((format) => html`<a href="/boards/${name}/${place}.${format}?${String(address)}">${format.toUpperCase()}</a> `)}`;

function panelFigure({ board, address }: BoardPage, view: PanelView, i: number): Markup {
  const id = `p${i + 1}`;
  const files = twins(board.name, i + 1, address);
  return html`<figure class="${view.panel.kind}" aria-labelledby="${id}-title"><h2 id="${id}-title">${view.panel.title}</h2><div id="${id}">${drawing(view, id)}</div>${
    isList(view.panel.kind)
      ? html`<div id="${id}-table">${table(view)}</div><p>${files}</p>`
      : html`<details><summary>As a table</summary><div id="${id}-table">${table(view)}</div><p>${files}</p></details>`
  }</figure>`;
}

/** The element that asks for what has changed, every five seconds. */
const poll = ({ board, address, known, shape }: BoardPage): Markup =>
  html`<div id="poll" ${pollBoard(`/boards/${board.name}?${String(changed(changed(address, 'known', known), 'shape', shape))}`)}></div>`;

/** What is new of a page that is open: the drawings and the tables, so that an open table stays open. */
export const boardUpdate = (page: BoardPage): Markup =>
  html`${page.views.map((view, i) => html`${partial(`#p${i + 1}`, 'innerMorph', drawing(view, `p${i + 1}`))}${partial(`#p${i + 1}-table`, 'innerMorph', table(view))}`)}${partial('#poll', 'outerHTML', poll(page))}`;

const fields = ({ board, address }: BoardPage): Markup | '' =>
  board.asks.length === 0
    ? ''
    : html`<form action="/boards/${board.name}" method="get" class="asks">${board.asks.map((key) => html`<label>${labelOf(key)} <input name="${key}" type="text" value="${address.get(key) ?? ''}" autocapitalize="none" spellcheck="false"></label> `)}${[...address].filter(([name]) => !board.asks.some((key) => key === name)).map(([name, value]) => html`<input type="hidden" name="${name}" value="${value}">`)}<button type="submit">Show</button></form>`;

const rangeLinks = ({ board, address, query }: BoardPage): Markup => {
  const to = (last: string) => {
    const next = changed(address, 'last', last);
    for (const key of ['start_date', 'end_date']) next.delete(key);
    return next;
  };
  const current = query.fixed ? '' : (query.range ?? '7d');
  return html`<nav aria-label="Period">${Object.keys(ranges).map((name) => html`<a href="/boards/${board.name}?${String(to(name))}"${name === current ? html` aria-current="true"` : ''}>${name}</a> `)}</nav>`;
};

const words = new Map(filterRows.map(({ key, label }) => [key, label]));

const inForce = ({ query }: BoardPage): Markup | '' =>
  query.filter.terms.length === 0
    ? ''
    : html`<p>Only ${query.filter.terms.map(({ key, negated, values }, i) => html`${i > 0 ? ', ' : ''}${words.get(key) ?? key} ${negated ? 'not ' : ''}<bdi>${values.map(nameOf).join(' or ')}</bdi>`)}</p>`;

const boardLinks = (boards: readonly { name: string; title: string }[], current: string): Markup =>
  html`<nav aria-label="Boards">${boards.map(({ name, title }) => html`<a href="/boards/${name}"${name === current ? html` aria-current="page"` : ''}>${title}</a> `)}<a href="/boards">All boards</a></nav>`;

export const boardPage = (
  page: BoardPage,
  boards: readonly { name: string; title: string }[],
  reader: Reader,
  display: DisplayOptions,
): Markup =>
  framedPage(
    page.board.title,
    html`<main class="board event">${boardLinks(boards, page.board.name)}<h1>${page.board.title}</h1>
${rangeLinks(page)}${fields(page)}${inForce(page)}<div class="panels">${page.views.map((view, i) => panelFigure(page, view, i))}</div>
<p class="none">Times are in UTC. Each number is a link to its events.</p>${poll(page)}</main>`,
    reader,
    display,
  );

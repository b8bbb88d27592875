/** The user's menu in the header, and the help dialog. Data in, markup out. */
import { html } from 'hono/html';
import type { DisplayOptions } from './format.ts';
import type { Markup } from './layout.ts';

/** The signed-in user and their rights. */
export type Reader = { name: string; mayExport: boolean; bySession: boolean; navigation: Link[]; ofSearch: Link[] };
export type Link = { path: string; label: string };

const choiceButton = (name: string, value: string, label: string, isChosen: boolean, more: Markup | '' = ''): Markup =>
  html`<button type="submit" name="${name}" value="${value}" aria-pressed="${String(isChosen)}"${more}>${label}</button>`;

const themes = ['system', 'light', 'dark'] as const;

/** The form of the display options, which are kept in cookies. */
const displayForm = (display: DisplayOptions): Markup => html`<form id="display" method="post" action="/logs/display">
<fieldset><legend>Clocks</legend>${choiceButton('zone', 'UTC', 'UTC', display.zone === 'UTC')}${
  display.zone === 'UTC'
    ? choiceButton('zone', '', 'Local', false, html` id="local"`)
    : choiceButton('zone', display.zone, display.zone.replaceAll('_', ' '), true, html` id="local"`)
}</fieldset>
<fieldset><legend>Colours</legend>${themes.map((theme, i) => {
  const name = `${theme[0]?.toUpperCase()}${theme.slice(1)}`;
  // The key selects the next theme, cyclically.
  const isNext = i === (themes.indexOf(display.theme) + 1) % themes.length;
  return choiceButton('theme', theme, name, display.theme === theme, isNext ? html` aria-keyshortcuts="t"` : '');
})}</fieldset></form>`;

/** Shown only to a reader with a session; Basic authentication has no sign-out. */
const signOutForm = (): Markup =>
  html`<form id="sign-out" method="post" action="/sign-out"><button type="submit">Sign out</button></form>`;

/** Links to the pages beside the log. */
const navigationLinks = (links: Link[]): Markup | '' =>
  links.length === 0
    ? ''
    : html`<nav aria-label="Pages">${links.map(({ path, label }) => html`<a class="button" href="${path}">${label}</a> `)}</nav>`;

export const menu = (
  { name, bySession, navigation }: Reader,
  display: DisplayOptions,
): Markup => html`<button id="me" type="button" popovertarget="menu">${name}</button>
<div id="menu" popover><p>Signed in as <b>${name}</b></p>${navigationLinks(navigation)}${displayForm(display)}
<p><button type="button" popovertarget="help" aria-keyshortcuts="?">Keys and syntax</button></p>${bySession ? signOutForm() : ''}</div>`;

const keyboardShortcuts: [string, string][] = [
  ['/', 'search'],
  ['j k', 'next and previous event'],
  ['Enter', 'open or close it'],
  ['l', 'start or stop live'],
  ['[ ]', 'the window before and after'],
  ['e', 'export'],
  ['t', 'light or dark'],
  ['?', 'this help'],
];
const syntaxExamples: [string, string][] = [
  ['late delivery', 'the description contains both words'],
  ['"late delivery" -refund', 'this text, and not that word'],
  ['type:DELETE type:UPDATE', 'either of these events'],
  ['-user:ana', 'not by ana'],
  ['entity:order/55', 'what happened to order 55'],
  ['service:checkout trace:4bf9', 'of a service, of a trace'],
  ['meta.order.status:paid', 'a value inside the metadata'],
];

const table = (caption: string, rows: [string, string][]): Markup =>
  html`<table><caption>${caption}</caption><tbody>${rows.map(([key, means]) => html`<tr><th scope="row"><kbd>${key}</kbd></th><td>${means}</td></tr>`)}</tbody></table>`;

/** Closes a popover on a small screen, where it may leave no area outside of it to tap. */
export const closeButton = (id: string): Markup =>
  html`<p class="closer"><button type="button" popovertarget="${id}" popovertargetaction="hide">Close</button></p>`;

export const help =
  (): Markup => html`<dialog id="help" popover aria-labelledby="help-title"><h2 id="help-title">Keys and syntax</h2>
${table('Keys', keyboardShortcuts)}${table('The search line', syntaxExamples)}
${closeButton('help')}</dialog>`;

/** An error response as a page and as a fragment. Data in, markup out. */
import { html } from 'hono/html';
import type { Problem } from '../http/problem.ts';
import type { DisplayOptions } from './format.ts';
import { layout, type Markup } from './layout.ts';
import { plainSearchForm } from './search-line.ts';

/** What the user can do about an error, by status. */
const advice: Partial<Record<number, string>> = {
  400: 'Change what is asked, or start again from the whole log.',
  404: 'The address may be mistyped. Events are never removed from the log.',
  422: 'Change what is asked, or start again from the whole log.',
  403: 'Ask the operator for the role that may.',
  429: 'Wait for as long as it says. Those who have signed in go on working.',
  500: 'Try again; if it stays so, tell the operator when it happened.',
  503: 'Nothing that was stored is lost. Try again in a moment.',
};

/** An error as a fragment, which htmx puts into #problem; the rest of the page stays. */
export const problemFragment = (problem: Problem): Markup => html`<p>${problem.message}</p>`;

/** Titles for the HTML page; problem+json has its own titles. */
const titles: Partial<Record<number, string>> = {
  400: 'This filter is not valid',
  422: 'This filter is not valid',
  404: 'Not found',
};

/** An error as a page. `line` is the text of the search line, so that the user can correct it. */
export const problemPage = (problem: Problem, line: string, display: DisplayOptions): Markup => {
  const title = titles[problem.status] ?? problem.title;
  const hint = advice[problem.status];
  return layout(
    title,
    html`<header><a id="brand" href="/logs">Edgetrail</a>${plainSearchForm(line)}</header>
<main class="alone"><h1>${title}</h1><div role="alert">${problemFragment(problem)}</div>${hint ? html`<p>${hint}</p>` : ''}<p><a class="button" href="/logs">To the log</a>${problem.status === 403 ? html` <a class="button" href="/sign-in">Sign in as somebody else</a>` : ''}</p></main>`,
    display,
  );
};

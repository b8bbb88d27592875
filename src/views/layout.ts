/** The page around things, and a refusal as a page. Data in, markup out. */
import { html } from 'hono/html';
import { files } from '../files.ts';
import type { Problem } from '../problem.ts';
import { config, restored } from './hx.ts';
import type { Look } from './text.ts';

export type Markup = ReturnType<typeof html>;

/** For who has not been asked how they look at things. */
const anyLook: Look = { theme: 'system', zone: 'UTC', now_ms: 0 };

/** All that comes before the body's content. A page that takes its time is sent from here on as it comes. */
export const opening = (title: string, { theme, now_ms }: Look = anyLook): Markup => html`<!doctype html>
<html lang="en"${theme === 'system' ? '' : html` data-theme="${theme}"`}>
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="${theme === 'system' ? 'light dark' : theme}">
<meta name="htmx-config" content="${config}">
<title>${title} · Edgetrail</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="${files.style}">
</head>
<body>
<div id="page"${now_ms ? html` data-now="${now_ms}"` : ''} ${restored()}>
`;

/**
 * The scripts stand at the end and are not deferred. A deferred htmx starts by a timer, which may fire before its
 * extension has arrived: a stream element is then never connected. Before the document is loaded it waits for all of
 * them. And viewer.js comes first: a stream that connects before it listens would never be said to be live.
 */
export const closing = (): Markup => html`
</div>
<script src="${files.viewer}"></script>
<script src="${files.htmx}"></script>
<script src="${files.sse}"></script>
</body>
</html>
`;

export const layout = (title: string, body: Markup, look?: Look): Markup =>
  html`${opening(title, look)}${body}${closing()}`;

/** What a person can do about a refusal. */
const ways: Partial<Record<number, string>> = {
  400: 'Change what is asked, or start again from the whole log.',
  404: 'The address may be mistyped. Events are never removed from the log.',
  422: 'Change what is asked, or start again from the whole log.',
  403: 'Ask the operator for the role that may, or sign in as somebody else.',
  500: 'Try again; if it stays so, tell the operator when it happened.',
  503: 'Nothing that was stored is lost. Try again in a moment.',
};

/** A refusal as htmx puts it into the page's #problem: what is shown stays as it is. */
export const problemFragment = (problem: Problem): Markup => html`<p>${problem.message}</p>`;

/** What the status is called before people; problem+json has its own words for programs. */
const titles: Partial<Record<number, string>> = {
  400: 'This cannot be asked',
  422: 'This cannot be asked',
  404: 'Not found',
};

/** A refusal as a page of its own. */
export const problemPage = (problem: Problem, look?: Look): Markup => {
  const title = titles[problem.status] ?? problem.title;
  const way = ways[problem.status];
  return layout(
    title,
    html`<main class="alone"><h1>${title}</h1><div role="alert">${problemFragment(problem)}</div>${way ? html`<p>${way}</p>` : ''}<p><a class="button" href="/logs">To the log</a></p></main>`,
    look,
  );
};

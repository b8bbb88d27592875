/** The page around things, and a refusal as a page. Data in, markup out. */
import { html } from 'hono/html';
import type { Problem } from '../problem.ts';
import { config } from './hx.ts';

export type Markup = ReturnType<typeof html>;

export const htmxVersion = '4.0.1';

/**
 * The scripts stand at the end and are not deferred. A deferred htmx starts by a timer, which may fire before its
 * extension has arrived: a stream element is then never connected. Before the document is loaded it waits for all of
 * them. And viewer.js comes first: a stream that connects before it listens would never be said to be live.
 */
export const layout = (title: string, body: Markup): Markup => html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="htmx-config" content="${config}">
<title>${title} · Edgetrail</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="/public/style.css">
</head>
<body>
${body}
<script src="/public/viewer.js"></script>
<script src="/public/htmx-${htmxVersion}.min.js"></script>
<script src="/public/hx-sse-${htmxVersion}.min.js"></script>
</body>
</html>
`;

/** A refusal as htmx puts it into the page's #problem. */
export const problemFragment = (problem: Problem): Markup => html`<p>${problem.message}</p>`;

/** A refusal as a page of its own. */
export const problemPage = (problem: Problem): Markup =>
  layout(
    problem.title,
    html`<main><h1>${problem.title}</h1><div role="alert">${problemFragment(problem)}</div><p><a href="/logs">To the log</a></p></main>`,
  );

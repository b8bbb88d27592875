/** The page around things, and a refusal as a page. Data in, markup out. */
import { html } from 'hono/html';
import type { Problem } from '../problem.ts';
import { config } from './hx.ts';

export type Markup = ReturnType<typeof html>;

export const htmxVersion = '4.0.1';

export const layout = (title: string, body: Markup): Markup => html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="htmx-config" content="${config}">
<title>${title} · Edgetrail</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="/public/style.css">
<script defer src="/public/htmx-${htmxVersion}.min.js"></script>
<script defer src="/public/hx-sse-${htmxVersion}.min.js"></script>
<script defer src="/public/viewer.js"></script>
</head>
<body>
${body}
</body>
</html>
`;

/** What a person reads when something was refused: as a whole page, also when it lands in the page's #problem. */
export const problemPage = (problem: Problem): Markup =>
  layout(
    problem.title,
    html`<main><h1>${problem.title}</h1><p role="alert">${problem.message}</p><p><a href="/logs">To the log</a></p></main>`,
  );

/** The page around things. Data in, markup out. */
import { html } from 'hono/html';
import { files } from '../http/files.ts';
import type { DisplayOptions } from './format.ts';
import { historyElement, htmxConfig } from './htmx-attributes.ts';

export type Markup = ReturnType<typeof html>;

/** All that comes before the body's content. A page that takes its time is sent from here on as it comes. */
export const documentStart = (title: string, { theme, now_ms }: DisplayOptions): Markup => html`<!doctype html>
<html lang="en"${theme === 'system' ? '' : html` data-theme="${theme}"`}>
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="${theme === 'system' ? 'light dark' : theme}">
<meta name="htmx-config" content="${htmxConfig}">
<title>${title} · Edgetrail</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="${files.style}">
</head>
<body>
<div id="page" data-now="${now_ms}" ${historyElement()}>
`;

/**
 * The scripts stand at the end and are not deferred. A deferred htmx starts by a timer, which may fire before its
 * extension has arrived: a stream element is then never connected. Before the document is loaded it waits for all of
 * them. And viewer.js comes first: a stream that connects before it listens would never be said to be live.
 */
export const documentEnd = (): Markup => html`
</div>
<script src="${files.viewer}"></script>
<script src="${files.htmx}"></script>
<script src="${files.sse}"></script>
</body>
</html>
`;

export const layout = (title: string, body: Markup, display: DisplayOptions): Markup =>
  html`${documentStart(title, display)}${body}${documentEnd()}`;

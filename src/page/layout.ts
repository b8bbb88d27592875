/** The HTML document around each page. Data in, markup out. */
import { html } from 'hono/html';
import { files } from '../http/files.ts';
import type { DisplayOptions } from './format.ts';
import { historyElement, htmxConfig } from './htmx-attributes.ts';

export type Markup = ReturnType<typeof html>;

/** The document up to the body's content. A slow page sends this before the rest is ready. */
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
 * The end of the document. The scripts are at the end and not deferred: a deferred htmx starts by a timer, which may
 * fire before its extension has loaded, and a stream element is then never connected. Without defer htmx starts after
 * all scripts have run. viewer.js comes first: it must listen before a stream connects, or the page never shows "Live".
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

/** A page beside the log: the header and the help of every page around its own content. Data in, markup out. */
import { html } from 'hono/html';
import type { DisplayOptions } from './format.ts';
import { layout, type Markup } from './layout.ts';
import { help, menu, type Reader } from './menu-and-help.ts';
import { plainSearchForm } from './search-line.ts';

/** `content` is the main element. Its class decides about the width: see public/style.css. */
export const framedPage = (title: string, content: Markup, reader: Reader, display: DisplayOptions): Markup =>
  layout(
    title,
    html`<header><a id="brand" href="/logs">Edgetrail</a>
${plainSearchForm('')}
${menu(reader, display)}<div id="problem" role="alert"></div></header>${help()}
${content}
<p id="status" role="status" class="vh"></p>`,
    display,
  );

/** Every htmx attribute there is, in one place: htmx 4.0.1 is young, and another version must touch one file. */
import { raw } from 'hono/html';

/** Config of the page (a meta element's content): no style element of htmx's own (CSP), and only the one extension. */
export const config = JSON.stringify({ includeIndicatorCSS: false, extensions: 'sse' });

const quoted = (text: string) => text.replace(/&/g, '&amp;').replace(/"/g, '&quot;');
const attributes = (pairs: Record<string, string>) =>
  raw(
    Object.entries(pairs)
      .map(([name, value]) => `${name}="${quoted(value)}"`)
      .join(' '),
  );

/** htmx swaps error answers too, unless told where they go. */
const problems = {
  'hx-status:4xx': 'target:#problem swap:innerHTML push:false',
  'hx-status:5xx': 'target:#problem swap:innerHTML push:false',
};

/** A control that replaces an element with what the server sends. */
export const replaces = (url: string, target: string) =>
  attributes({ 'hx-get': url, 'hx-target': target, 'hx-swap': 'outerHTML', ...problems });

/**
 * An element that follows a stream while it is in the page; messages are put at the top of the target. A first
 * connection that fails is not retried by the extension, hence the trigger; while connected it is ignored.
 */
export const follows = (url: string, target: string) =>
  attributes({
    'hx-sse:connect': url,
    'hx-trigger': 'load, every 5s',
    'hx-sync': 'this:drop',
    'hx-target': target,
    'hx-swap': 'afterbegin',
    ...problems,
  });

/** Part of a message: removes what the selector finds. */
export const removes = (selector: string) =>
  raw(`<hx-partial ${attributes({ 'hx-target': selector, 'hx-swap': 'delete' })}></hx-partial>`);

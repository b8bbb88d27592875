/** Every htmx attribute there is, in one place: htmx 4.0.1 is young, and another version must touch one file. */
import { raw } from 'hono/html';

/** Config of the page (a meta element's content): no style element of htmx's own (CSP), and only the one extension. */
export const htmxConfig = JSON.stringify({ includeIndicatorCSS: false, extensions: 'sse' });

const quoted = (text: string) => text.replace(/&/g, '&amp;').replace(/"/g, '&quot;');
const attributes = (pairs: Record<string, string>) =>
  raw(
    Object.entries(pairs)
      .map(([name, value]) => `${name}="${quoted(value)}"`)
      .join(' '),
  );

/** htmx swaps error answers too, unless told where they go. */
const problemsIn = (target: string) => ({
  'hx-status:4xx': `target:${target} swap:innerHTML push:false replace:false`,
  'hx-status:5xx': `target:${target} swap:innerHTML push:false replace:false`,
});
const problems = problemsIn('#problem');

/** What Back swaps: the scripts stand outside of it, or they would run again. */
export const historyElement = () => attributes({ 'hx-history-elt': '' });

/** One queue for all that changes what is asked: what was asked last wins, and the one before is given up. */
const newest = { 'hx-sync': '#query:replace', 'hx-indicator': '#busy', ...problems };
/** The field that is there while the page follows; the button that starts it has the same name. */
const following = 'input[name=live]';
const toTop = 'innerHTML show:top showTarget:#page';

/** A form that asks when it is sent, and when a pause is made in writing in one of its fields. */
export const filterForm = (whileTyping?: string) =>
  attributes({
    'hx-get': '/logs',
    'hx-target': '#log',
    'hx-swap': toTop,
    // On one element: sending the form takes back the question that a keystroke was about to ask.
    'hx-trigger': whileTyping ? `submit, input changed delay:300ms target:${whileTyping}` : 'submit',
    // The line's form has the field among its own.
    ...(!whileTyping && { 'hx-include': following }),
    ...newest,
  });

/**
 * On what holds links that ask something else, and no rows: each of them, and a form, asks the same way; with the
 * keys that open it elsewhere, a link stays a link. Following live goes on.
 */
export const filterLinks = () =>
  attributes(
    inherited({ 'hx-boost': 'true', 'hx-target': '#log', 'hx-swap': toTop, 'hx-include': following, ...newest }),
  );

/** A link among them that leads to a page of its own. */
export const plainLink = () => attributes({ 'hx-boost': 'false' });

/** One such link by itself. */
export const filterLink = () =>
  attributes({ 'hx-boost': 'true', 'hx-target': '#log', 'hx-swap': toTop, 'hx-include': following, ...newest });

const inherited = (pairs: Record<string, string>) =>
  Object.fromEntries(Object.entries(pairs).map(([name, value]) => [`${name}:inherited`, value]));

/** What viewer.js names as the source when a row is opened: a failure leaves the row's plain link, to be tried again. */
export const rowLoading = () => attributes({ 'hx-sync': 'this:queue all', ...problems });

/** An element that is not replaced by the one of its id in an answer. */
export const preserve = () => attributes({ 'hx-preserve': '' });

/** A control that replaces an element with what the server sends. */
export const replaceOnClick = (url: string, target: string, include?: string) =>
  attributes({
    'hx-get': url,
    'hx-target': target,
    'hx-swap': 'outerHTML',
    'hx-sync': 'this:replace',
    ...(include && { 'hx-include': include }),
    ...problems,
  });

/**
 * The link to what is older: followed by itself when it comes near. A failure leaves it there, to be clicked. Boosted,
 * so that where it leads is its href, which viewer.js changes when rows are taken out of the page.
 */
export const loadOnScroll = () =>
  attributes({
    'hx-boost': 'true',
    'hx-trigger': "intersect once rootMargin:'600px 0px', click",
    'hx-target': 'this',
    'hx-swap': 'outerHTML show:none',
    'hx-push-url': 'false',
    'hx-sync': 'this:drop',
    'hx-indicator': '#busy',
    ...problemsIn('#more-problem'),
  });

/** What counts again while rows come, at most every five seconds; `now` also when it is put into the page. */
export const refreshCounts = (url: string, target: string, now: boolean) =>
  attributes({
    'hx-get': url,
    'hx-trigger': `${now ? 'load, ' : ''}htmx:sse:after:message from:body throttle:5s`,
    'hx-target': target,
    'hx-swap': 'innerHTML',
    'hx-sync': `${target}:replace`,
    'hx-status:4xx': 'swap:none',
    'hx-status:5xx': 'swap:none',
  });

/**
 * An element that follows a stream while it is in the page; messages are put at the top of the target. A first
 * connection that fails is not retried by the extension, hence the trigger; while connected it is ignored.
 */
export const sseStream = (url: string, target: string) =>
  attributes({
    'hx-sse:connect': url,
    'hx-trigger': 'load, every 5s',
    'hx-sync': 'this:drop',
    'hx-target': target,
    'hx-swap': 'afterbegin',
    // Doubling from a second: what the page counts down.
    'hx-config': 'sse.reconnectDelay:1s sse.reconnectMaxDelay:16s',
    'hx-status:4xx': 'target:#live-state swap:textContent',
    'hx-status:5xx': 'target:#live-state swap:textContent',
  });

/** Part of an answer that goes elsewhere than the rest. */
export const partial = (target: string, swap: 'innerHTML' | 'outerHTML' | 'beforeend', markup: unknown) =>
  raw(`<hx-partial ${attributes({ 'hx-target': target, 'hx-swap': swap })}>${String(markup)}</hx-partial>`);

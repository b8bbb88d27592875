/** All htmx attributes of the service. htmx 4.0.1 is a young release: an update should change only this file. */
import { raw } from 'hono/html';

/** The content of the htmx-config meta element: no style element by htmx (CSP), and only the SSE extension. */
export const htmxConfig = JSON.stringify({ includeIndicatorCSS: false, extensions: 'sse' });

const quoted = (text: string) => text.replace(/&/g, '&amp;').replace(/"/g, '&quot;');
const attributes = (pairs: Record<string, string>) =>
  raw(
    Object.entries(pairs)
      .map(([name, value]) => `${name}="${quoted(value)}"`)
      .join(' '),
  );

/** htmx swaps error responses into the normal target unless another target is set. */
const problemsIn = (target: string) => ({
  'hx-status:4xx': `target:${target} swap:innerHTML push:false replace:false`,
  'hx-status:5xx': `target:${target} swap:innerHTML push:false replace:false`,
});
const problems = problemsIn('#problem');

/** The element that Back replaces. The scripts are outside of it; otherwise they would run again. */
export const historyElement = () => attributes({ 'hx-history-elt': '' });

/** One queue for all requests that change the query: a new request aborts the previous one. */
const newest = { 'hx-sync': '#query:replace', 'hx-indicator': '#busy', ...problems };
/** The hidden input that exists while the page follows; the start button has the same name. */
const following = 'input[name=live]';
const toTop = 'innerHTML show:top showTarget:#page';

/** A form that requests the log when it is submitted, and after a pause in typing in the field `whileTyping`. */
export const filterForm = (whileTyping?: string) =>
  attributes({
    'hx-get': '/logs',
    'hx-target': '#log',
    'hx-swap': toTop,
    // Both triggers are on one element, so that submitting cancels the delayed request of a keystroke.
    'hx-trigger': whileTyping ? `submit, input changed delay:300ms target:${whileTyping}` : 'submit',
    // The search line's form already contains this input.
    ...(!whileTyping && { 'hx-include': following }),
    ...newest,
  });

/**
 * For an element that contains links to other queries, and no rows: its links and forms load their result into the
 * list. Opening a link in a new tab still works, and following live continues.
 */
export const filterLinks = () =>
  attributes(
    inherited({ 'hx-boost': 'true', 'hx-target': '#log', 'hx-swap': toTop, 'hx-include': following, ...newest }),
  );

/** For a link among them that opens another page. */
export const plainLink = () => attributes({ 'hx-boost': 'false' });

/** For a single link to another query. */
export const filterLink = () =>
  attributes({ 'hx-boost': 'true', 'hx-target': '#log', 'hx-swap': toTop, 'hx-include': following, ...newest });

const inherited = (pairs: Record<string, string>) =>
  Object.fromEntries(Object.entries(pairs).map(([name, value]) => [`${name}:inherited`, value]));

/** For the list, the source of viewer.js's requests for details. After a failure a row keeps its plain link. */
export const rowLoading = () => attributes({ 'hx-sync': 'this:queue all', ...problems });

/** For an element that a response with the same id does not replace. */
export const preserve = () => attributes({ 'hx-preserve': '' });

/** For a control that replaces the target with the response. */
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
 * For the link to older events: it is requested when it is scrolled near the screen. After a failure it remains and can
 * be clicked. It is boosted so that htmx uses its href, which viewer.js changes when it removes rows from the page.
 */
export const loadOlder = (onScroll: boolean) =>
  attributes({
    'hx-boost': 'true',
    'hx-trigger': onScroll ? "intersect once rootMargin:'600px 0px', click" : 'click',
    'hx-target': 'this',
    'hx-swap': 'outerHTML show:none',
    'hx-push-url': 'false',
    'hx-sync': 'this:drop',
    'hx-indicator': '#busy',
    ...problemsIn('#more-problem'),
  });

const countTriggers = { load: 'load', live: 'htmx:sse:after:message from:body throttle:5s' } as const;

/** For an element that reads the counts: when it comes into the page, or while rows arrive, at most every five seconds. */
export const readCounts = (url: string, target: string, when: keyof typeof countTriggers) =>
  attributes({
    'hx-get': url,
    'hx-trigger': countTriggers[when],
    'hx-target': target,
    'hx-swap': 'innerHTML',
    'hx-sync': `${target}:replace`,
    'hx-status:4xx': 'swap:none',
    'hx-status:5xx': 'swap:none',
  });

/**
 * For an element that follows a stream while it is in the page; messages are inserted at the top of the target. The
 * extension does not retry a failed first connection, hence the trigger, which is ignored while connected.
 */
export const sseStream = (url: string, target: string) =>
  attributes({
    'hx-sse:connect': url,
    'hx-trigger': 'load, every 5s',
    'hx-sync': 'this:drop',
    'hx-target': target,
    'hx-swap': 'afterbegin',
    // The delay doubles from one second; the page shows it as a countdown.
    'hx-config': 'sse.reconnectDelay:1s sse.reconnectMaxDelay:16s',
    'hx-status:4xx': 'target:#live-state swap:textContent',
    'hx-status:5xx': 'target:#live-state swap:textContent',
  });

/** A part of a response with a target of its own. */
export const partial = (
  target: string,
  swap: 'innerHTML' | 'outerHTML' | 'innerMorph' | 'beforeend',
  markup: unknown,
) => raw(`<hx-partial ${attributes({ 'hx-target': target, 'hx-swap': swap })}>${String(markup)}</hx-partial>`);

/** For an element that is asked for again every two seconds, and replaced by the response. */
export const pollState = (url: string) =>
  attributes({ 'hx-get': url, 'hx-trigger': 'every 2s', 'hx-target': 'this', 'hx-swap': 'outerHTML', ...problems });

/** For an element of a board, which asks every five seconds for what has changed. Without a change there is no answer. */
export const pollBoard = (url: string) =>
  attributes({ 'hx-get': url, 'hx-trigger': 'every 5s', 'hx-swap': 'none', 'hx-sync': 'this:drop', ...problems });

/** The header of a response after which the page is loaded anew. */
export const refreshPage = { 'HX-Refresh': 'true' };

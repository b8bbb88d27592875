/** The line format of server-sent events (WHATWG HTML §9.2). */

/**
 * One message of a server-sent event stream (WHATWG HTML §9.2.5): bare LF line ends, as a CR could be split from its
 * LF by a chunk. `id` and `event` must hold no line break: they are ours, never a caller's. A message without data
 * only moves the client's Last-Event-ID on.
 */
export function sseMessage({ id, event, data }: { id?: string; event?: string; data?: string }): string {
  const lines = data === undefined ? [] : data.split(/\r\n|\r|\n/).map((line) => `data: ${line}`);
  return [...(event ? [`event: ${event}`] : []), ...(id === undefined ? [] : [`id: ${id}`]), ...lines, '', ''].join(
    '\n',
  );
}

/** A comment: keeps proxies from closing a quiet stream; clients ignore it. */
export const sseComment = (text: string) => `: ${text}\n\n`;

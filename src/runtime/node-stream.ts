/** A live response on Node, written to node:http directly: a Web stream for each follower costs four times as much. */
import type { HttpBindings } from '@hono/node-server';
import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response';
import { pause } from '../http/pause.ts';
import type { OpenStream } from '../http/slow-reader.ts';

/** Opens the response of node:http. `unsent_bytes_max` bounds nothing here: whoever sends asks for room before. */
export const openNodeStream: OpenStream = (c, headers) => {
  const { outgoing } = c.env as HttpBindings;
  const ended = new AbortController();
  let sent_bytes = 0;
  let read_bytes = -1;
  let sleeping = new AbortController();
  /**
   * Chunks that node:http has not been given yet. It gets one when it has written the one before: of what it has, it
   * tells nothing until all is written, and a slow client would look like one that reads nothing.
   */
  const queue: Uint8Array[] = [];
  let queued_bytes = 0;
  let isFull = false;
  const unsent = () => queued_bytes + outgoing.writableLength;
  const leave = () => {
    ended.abort();
    sleeping.abort();
  };
  const writeQueued = () => {
    isFull = false;
    while (!isFull) {
      const chunk = queue.shift();
      if (!chunk) break;
      queued_bytes -= chunk.byteLength;
      isFull = !outgoing.write(chunk);
    }
    if (ended.signal.aborted && queue.length === 0) outgoing.end();
    sleeping.abort();
  };
  const finish = (how: () => void) => {
    if (ended.signal.aborted) return;
    leave();
    how();
  };
  outgoing.on('drain', writeQueued);
  outgoing.on('close', leave);
  outgoing.writeHead(200, Object.fromEntries(c.body(null, 200, headers).headers));
  if (outgoing.destroyed) leave();
  return {
    response: RESPONSE_ALREADY_SENT,
    stalled: () => {
      const before = read_bytes;
      read_bytes = sent_bytes - unsent();
      return unsent() > 0 && read_bytes === before;
    },
    outlet: {
      send: (chunk) => {
        if (ended.signal.aborted) return;
        sent_bytes += chunk.byteLength;
        if (isFull) {
          queue.push(chunk);
          queued_bytes += chunk.byteLength;
        } else isFull = !outgoing.write(chunk);
      },
      unsent,
      taken: (ms) => {
        if (!ended.signal.aborted) sleeping = new AbortController();
        return pause(ms, sleeping.signal);
      },
    },
    signal: ended.signal,
    cut: () => finish(() => outgoing.destroy()),
    end: () => finish(() => queue.length === 0 && outgoing.end()),
  };
};

/** Counts the requests on a PostgreSQL connection that the server has not completed, from the bytes in both directions. */

/** Frontend messages that the server completes with ReadyForQuery: Sync and Query (PostgreSQL, "Message Formats"). */
const requests = new Set(['S', 'Q'].map((type) => type.charCodeAt(0)));
const [readyForQuery, dataRow, commandComplete] = ['Z', 'D', 'C'].map((type) => type.charCodeAt(0));
/** CommandComplete with the tag `X`. */
const emptyCommand = Uint8Array.of(0x43, 0, 0, 0, 6, 0x58, 0);

/** Each message has a type of one byte and a length of four, which counts itself and what follows. */
const header_bytes = 5;

const lengthAt = (bytes: Uint8Array, at: number) =>
  new DataView(bytes.buffer, bytes.byteOffset + at, header_bytes - 1).getUint32(0);

/** `sent` and `received` return how many requests are then pending. */
export function pendingResponses() {
  let pending = 0;
  let isStarted = false;
  /** The header of a message that was received in part. */
  const header = new Uint8Array(header_bytes);
  let n_header = 0;
  /** What is still to be received of the message whose header is complete. */
  let body_bytes = 0;
  let isInResult = false;

  return {
    /** What the client wrote: whole messages, because postgres.js writes no others. The first is the StartupMessage. */
    sent(bytes: Uint8Array): number {
      if (!isStarted) {
        isStarted = true;
        pending += 1;
        return pending;
      }
      for (let at = 0; at + header_bytes <= bytes.length; at += 1 + lengthAt(bytes, at + 1))
        if (requests.has(bytes[at] ?? 0)) pending += 1;
      return pending;
    },

    /** What the server sent, cut anywhere. */
    received(bytes: Uint8Array): number {
      let at = 0;
      while (at < bytes.length) {
        if (body_bytes > 0) {
          const n = Math.min(body_bytes, bytes.length - at);
          body_bytes -= n;
          at += n;
          continue;
        }
        header[n_header] = bytes[at] ?? 0;
        n_header += 1;
        at += 1;
        if (n_header < header_bytes) continue;
        n_header = 0;
        body_bytes = lengthAt(header, 1) - (header_bytes - 1);
        if (header[0] === readyForQuery) pending = Math.max(0, pending - 1);
        if (header[0] === dataRow) isInResult = true;
        else if (header[0] === commandComplete || header[0] === readyForQuery) isInResult = false;
      }
      return pending;
    },

    /** What would complete a result that was received in part; null when there is none, or when it ends within a header. */
    completion(): Uint8Array | null {
      if (!isInResult || n_header > 0) return null;
      const bytes = new Uint8Array(body_bytes + emptyCommand.length);
      bytes.set(emptyCommand, body_bytes);
      return bytes;
    },
  };
}

/**
 * Has postgres.js send its StartupMessage at once. It collects writes below 1 KiB until a timer, and does not forget a
 * timer that the end of a connection has stopped (3.4.9): after a connection that ended between a write and that timer,
 * the next one would wait for it, with the rest of the old one in front, until its connect timeout, and so on for ever.
 */

const flushed_bytes = 1024;
const key = 'edgetrail_padding';
/** A parameter of the connection that makes the message long enough. `startupMessage` takes it out again. */
export const startupPadding = { [key]: ' '.repeat(flushed_bytes) };
const padding = Buffer.from(`${key}\0${startupPadding[key]}\0`);

/**
 * The message without its padding, from the first write of a connection: what was left of the connection before is
 * whole messages that begin with a letter, and it begins with the high byte of its length, which is zero (PostgreSQL,
 * "Message Formats").
 */
export function startupMessage(bytes: Uint8Array): Uint8Array {
  const written = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let start = 0;
  while (start < written.length && written[start] !== 0) start += 1 + written.readUInt32BE(start + 1);
  const padded = written.subarray(start);
  const at = padded.indexOf(padding);
  if (at < 0) return padded;
  const message = Buffer.concat([padded.subarray(0, at), padded.subarray(at + padding.length)]);
  message.writeUInt32BE(message.length);
  return message;
}

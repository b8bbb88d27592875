/** The first message of a connection to PostgreSQL. */
import { expect, it } from 'vitest';
import { startupMessage, startupPadding } from '../../src/runtime/startup-message.ts';

function startup(parameters: Record<string, string>): Buffer {
  const texts = Object.entries(parameters).flat().join('\0');
  const body = Buffer.from(`\0\x03\0\0${texts}\0\0`);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(body.length + 4);
  return Buffer.concat([length, body]);
}

const message = (type: string, body: Buffer) => {
  const header = Buffer.alloc(5, type);
  header.writeUInt32BE(body.length + 4, 1);
  return Buffer.concat([header, body]);
};

const parameters = { user: 'u', database: 'd', application_name: 'edgetrail' };
const plain = startup(parameters);
const padded = startup({ ...parameters, ...startupPadding });
const left = [message('Q', Buffer.from('select 1\0')), message('P', Buffer.alloc(300)), message('S', Buffer.alloc(0))];
/** A CancelRequest has no parameters (PostgreSQL, "Message Formats"). */
const cancel = Buffer.from([0, 0, 0, 16, 4, 210, 22, 46, 0, 0, 0, 1, 0, 0, 0, 2]);

it.each([
  ['loses the padding', padded, plain],
  ['without padding stays as it is', plain, plain],
  ['of a cancellation stays as it is', cancel, cancel],
  ['loses what was left of the connection before', Buffer.concat([...left, padded]), plain],
])('the first message %s', (_what, written, sent) => {
  expect(Buffer.from(startupMessage(written)).equals(sent)).toBe(true);
});

it('the padding is longer than what the driver collects, with the shortest parameters', () => {
  expect(startup({ user: 'u', ...startupPadding }).length).toBeGreaterThan(1024);
});

/** Which requests of a connection are pending: counted from messages that are cut anywhere. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { pendingResponses } from '../../src/runtime/pending-responses.ts';

const startup = Uint8Array.of(0, 0, 0, 8, 0, 3, 0, 0);

function message(type: string, body: Uint8Array = new Uint8Array()): Uint8Array {
  const bytes = new Uint8Array(5 + body.length);
  bytes[0] = type.charCodeAt(0);
  new DataView(bytes.buffer).setUint32(1, 4 + body.length);
  bytes.set(body, 5);
  return bytes;
}

const join = (messages: Uint8Array[]) => Uint8Array.from(messages.flatMap((bytes) => [...bytes]));
const ready = message('Z', Uint8Array.of('I'.charCodeAt(0)));
const sync = message('S');

it('a StartupMessage is pending until the server is ready', () => {
  const responses = pendingResponses();
  expect(responses.sent(startup)).toBe(1);
  expect(responses.received(message('R', new Uint8Array(4)))).toBe(1);
  expect(responses.received(ready)).toBe(0);
});

it('messages without Sync are not pending: the server completes them with the Sync that follows', () => {
  const responses = pendingResponses();
  responses.sent(startup);
  responses.received(ready);
  expect(responses.sent(join([message('P', new Uint8Array(30)), message('D', new Uint8Array(2)), message('H')]))).toBe(
    0,
  );
  expect(responses.sent(join([message('B', new Uint8Array(9)), message('E', new Uint8Array(5)), sync]))).toBe(1);
});

it('each Sync and each Query is pending until its own ReadyForQuery, however the bytes are cut', () => {
  const body = fc.uint8Array({ maxLength: 40 });
  // The types and bodies contain what looks like the messages that count.
  const other = fc
    .tuple(fc.constantFrom('T', 'D', 'C', 'N', '1', '2'), body)
    .map(([type, bytes]) => message(type, bytes));
  const request = fc.tuple(fc.constantFrom('S', 'Q'), body).map(([type, bytes]) => message(type, bytes));
  fc.assert(
    fc.property(
      fc.array(request, { maxLength: 20 }),
      fc.array(fc.array(other, { maxLength: 4 }), { maxLength: 20 }),
      fc.infiniteStream(fc.integer({ min: 1, max: 30 })),
      (requests, responsesOf, cuts) => {
        const responses = pendingResponses();
        responses.sent(startup);
        responses.received(ready);
        expect(responses.sent(join(requests))).toBe(requests.length);
        const n_answered = Math.min(requests.length, responsesOf.length);
        const bytes = join(responsesOf.slice(0, n_answered).flatMap((messages) => [...messages, ready]));
        let pending = requests.length;
        for (let at = 0; at < bytes.length; ) {
          const n = cuts.next().value;
          pending = responses.received(bytes.subarray(at, at + n));
          at += n;
        }
        expect(pending).toBe(requests.length - n_answered);
      },
    ),
    { numRuns: 500 },
  );
});

it('a result that was received in part is completed by the rest of its row and the end of its command', () => {
  const responses = pendingResponses();
  responses.sent(startup);
  responses.received(ready);
  expect(responses.completion()).toBeNull();
  responses.sent(sync);
  const row = message('D', new Uint8Array(10));
  responses.received(row.subarray(0, 8));
  const end = Uint8Array.of('C'.charCodeAt(0), 0, 0, 0, 6, 'X'.charCodeAt(0), 0);
  expect(responses.completion()).toEqual(join([new Uint8Array(7), end]));
  responses.received(row.subarray(8));
  expect(responses.completion()).toEqual(end);
  responses.received(message('C', new Uint8Array(2)));
  expect(responses.completion()).toBeNull();
});

/** The messages of a server-sent event stream, as a client reads them. */

/** `id` is the number in the id of the message, `cursor` the complete id. */
export type SseMessage = { id: string | null; cursor: string | null; event: string | null; data: string | null };

/** True for a message with an event of the log. The first message of a stream has none: it names the log. */
export const isEntry = ({ event, data }: SseMessage) => event === null && data !== null;

/** Yields the messages of a server-sent event stream as they arrive; returns when it ends, throws when it is cut. */
export async function* sseMessages(answer: Response): AsyncGenerator<SseMessage> {
  let text = '';
  const decoder = new TextDecoder();
  for await (const chunk of answer.body ?? []) {
    text += decoder.decode(chunk, { stream: true });
    for (let end = text.indexOf('\n\n'); end >= 0; end = text.indexOf('\n\n')) {
      const lines = text.slice(0, end).split('\n');
      text = text.slice(end + 2);
      const field = (name: string) =>
        lines.filter((line) => line.startsWith(`${name}: `)).map((line) => line.slice(name.length + 2));
      yield {
        id: /^\d+/.exec(field('id').at(-1) ?? '')?.[0] ?? null,
        cursor: field('id').at(-1) ?? null,
        event: field('event').at(-1) ?? null,
        data: field('data').length > 0 ? field('data').join('\n') : null,
      };
    }
  }
}

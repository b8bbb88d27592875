/** A follower that reconnects after each cut or refusal, from the last id that it received. */
import { WebSocket } from 'ws';
import { isEntry, sseMessages } from './sse-messages.ts';

export type How = 'sse' | 'socket';
export type Followed = { ids: number[]; n_connected: number };

const admin = `Basic ${btoa('admin:admin-password')}`;
const pause_ms = 50;

/**
 * Follows a service from its first event, as admin, until `over` aborts. Its `url` may change. SSE resumes by `Last-Event-ID`, a socket by `after`.
 */
export function resuming(service: { readonly url: string }, how: How, over: AbortSignal): Followed {
  const followed: Followed = { ids: [], n_connected: 0 };
  let last = '0';
  const bySse = async () => {
    const answer = await fetch(`${service.url}/api/logs/stream`, {
      headers: { authorization: admin, 'last-event-id': last },
      signal: over,
    });
    if (!answer.ok) return answer.body?.cancel();
    followed.n_connected += 1;
    for await (const message of sseMessages(answer)) {
      last = message.cursor ?? last;
      if (isEntry(message)) followed.ids.push(Number(message.id));
    }
  };
  const bySocket = async () => {
    const socket = new WebSocket(`${service.url.replace('http', 'ws')}/ws/logs?after=${last}`, {
      headers: { authorization: admin },
    });
    socket.once('open', () => {
      followed.n_connected += 1;
    });
    socket.on('message', (text) => {
      for (const { id } of (JSON.parse(String(text)) as { data: { id: number }[] }).data) {
        followed.ids.push(id);
        last = `${id}`;
      }
    });
    const end = () => socket.terminate();
    over.addEventListener('abort', end, { once: true });
    await new Promise((resolve) => {
      socket.on('error', resolve);
      socket.once('close', resolve);
    });
    over.removeEventListener('abort', end);
  };
  void (async () => {
    while (!over.aborted) {
      await (how === 'sse' ? bySse() : bySocket()).catch(() => {});
      await new Promise((resolve) => setTimeout(resolve, pause_ms));
    }
  })();
  return followed;
}

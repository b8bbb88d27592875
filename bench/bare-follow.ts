/** A bare server of the same protocol: what is POSTed to it goes to each open GET as it is, one write a message. */
import { createServer, type ServerResponse } from 'node:http';
import { listen, serveIfChild } from './service.ts';

await serveIfChild(import.meta.url, async () => {
  const followers = new Set<ServerResponse>();
  const server = createServer((request, response) => {
    if (request.method === 'GET') {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.write(': open\n\n');
      followers.add(response);
      response.on('close', () => followers.delete(response));
      return;
    }
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const message = Buffer.concat(chunks);
      for (const follower of followers) follower.write(message);
      response.writeHead(201, { 'content-length': 0 }).end();
    });
  });
  return listen(server);
});

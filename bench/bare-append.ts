/** A bare server that parses the JSON of a POST and appends it through the log's queue, without any check. */
import { createServer } from 'node:http';
import type { NewEntry } from '../src/log/entry.ts';
import { createStore } from '../src/log/store.ts';
import { openDatabase } from '../src/runtime/service.ts';
import { readSettings } from '../src/settings.ts';
import { listen, serveIfChild } from './service.ts';

await serveIfChild(import.meta.url, async (place) => {
  const database = await openDatabase(readSettings({ ...place }));
  const store = createStore(database.db, database.reads);
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', async () => {
      const [appended] = await store.append([JSON.parse(String(Buffer.concat(chunks))) as NewEntry]);
      const body = JSON.stringify(appended?.entry);
      response.writeHead(201, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) });
      response.end(body);
    });
  });
  return listen(server, database.close);
});

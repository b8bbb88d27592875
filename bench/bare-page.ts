/** A bare server that answers each path with the rows of one SQL statement, as the list of the log would write it. */
import { createServer } from 'node:http';
import postgres from 'postgres';
import { readSettings } from '../src/settings.ts';
import type { pages } from './first-page.ts';
import { listen, serveIfChild } from './service.ts';

const columns = `id, "timestamp", event_type, entity_type, entity_id, user_id, description, metadata, ip_address, user_agent,
  service, trace_id, session_id, event_uid, created_at`;
const order = 'order by "timestamp" desc, id desc limit 51';
const statements: Record<keyof typeof pages, [where: string, values: string[]]> = {
  'no filter': ['true', []],
  'two filters': ['event_type = $1 and entity_type = $2', ['UPDATE', 'order']],
  'a user': ['user_id = $1', ['user-3']],
  'a search': ['description ilike $1', ['%paid%']],
};

await serveIfChild(import.meta.url, async (place) => {
  const { DATABASE_URL, DATABASE_CONNECTIONS_MAX } = readSettings({ ...place });
  const sql = postgres(DATABASE_URL ?? '', {
    max: DATABASE_CONNECTIONS_MAX,
    onnotice: () => {},
    connection: { jit: 'off' },
  });
  const server = createServer(async (request, response) => {
    const [where, values] = statements[decodeURIComponent(request.url?.slice(1) ?? '') as keyof typeof statements];
    const logs = await sql.unsafe(`select ${columns} from activity_logs where ${where} ${order}`, values);
    const body = JSON.stringify({ logs });
    response.writeHead(200, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) });
    response.end(body);
  });
  return listen(server, () => sql.end({ timeout: 1 }));
});

/** GET /api/logs/export: all matching entries as a file, and what that file is called. */
import { wantsGzip } from '../http/accept-encoding.ts';
import { byteStream } from '../http/byte-stream.ts';
import { shortDigest } from '../http/digest.ts';
import { badField } from '../http/problem.ts';
import { queryOf } from '../http/request.ts';
import { requestIdsOf } from '../http/request-id.ts';
import { type Filter, readFilter } from '../log/filter.ts';
import { type App, allowMethods, logHeader, type Parts, requireRight } from '../parts.ts';
import { formats } from './export-formats.ts';

export function exportRoute(app: App, parts: Parts): void {
  const { store } = parts;
  app.get('/api/logs/export', requireRight(parts, 'export'), async (c) => {
    const query = queryOf(c);
    const filter = readFilter(query, ['format']);
    const name = query.get('format') || 'csv';
    if (!isFormat(name)) throw badField('format', `must be one of ${Object.keys(formats).join(', ')}`);
    // Read before the first byte is sent: an unreachable database then gives a 503 and not an empty file.
    const { log_id, id: upto } = await store.newest();
    const gzip = parts.gzip && wantsGzip(c.req.header('accept-encoding')) ? parts.gzip : null;
    if (parts.gzip) c.header('vary', 'Accept-Encoding', { append: true });
    const headers = {
      'content-type': formats[name].type,
      'content-disposition': `attachment; filename="${await fileName(filter, log_id, upto)}.${formats[name].extension}"`,
      'x-accel-buffering': 'no',
      [logHeader]: log_id,
      ...(gzip && { 'content-encoding': 'gzip' }),
    };
    // A HEAD has no body: an opened one would never be read and never be closed.
    if (c.req.method === 'HEAD') return c.body(null, 200, headers);
    const { name: user_id } = c.get('principal');
    // Before the first byte, and refused where it cannot be stored: an export is the reading that takes the log away.
    await parts.own.demand({
      type: 'EXPORT',
      entity_type: 'log',
      user_id,
      description: `${user_id} exported events as ${name}`,
      ip_address: parts.clientAddress(c),
      metadata: { format: name, filter: filter.key, last_id: upto },
    });
    const { write, truncation_mark } = formats[name];
    const report = (error: unknown) => parts.report('an export was cut off', error, requestIdsOf(c));
    const body = byteStream(write(store.exportPages(filter, upto)), {
      cut: truncation_mark,
      errors_visible: parts.body_errors_visible,
      report,
    });
    return c.body(gzip ? gzip(body) : body, 200, headers);
  });

  allowMethods(app, '/api/logs/export', 'GET');
}

/**
 * The name says what the file holds: which log, the day of the export, the days that were asked for, a digest of the whole filter,
 * and the newest id. Two files with the same name hold the same entries.
 */
async function fileName({ terms, key }: Filter, log_id: string, upto: number): Promise<string> {
  const dayOf = (bound: string) =>
    /^\d{4}-\d\d-\d\d/.exec(terms.find((term) => term.key === bound)?.values[0] ?? '')?.[0];
  const [from, to] = [dayOf('start_date'), dayOf('end_date')];
  return [
    'edgetrail',
    log_id.slice(0, log_id_chars),
    new Date().toISOString().slice(0, 10),
    ...(from ? ['from', from] : []),
    ...(to ? ['to', to] : []),
    ...(key ? [await shortDigest(key, name_digest_bytes)] : []),
    `upto-${upto}`,
  ].join('-');
}
/** The beginning of the log's UUID. */
const log_id_chars = 8;
const name_digest_bytes = 4;

const isFormat = (name: string): name is keyof typeof formats => Object.hasOwn(formats, name);

/** GET /api/logs/aggregate: matching events counted by one or two fields and by time. */
import { clientHasEtag, etagOf, notModified, withEtag } from '../http/conditional.ts';
import { badField } from '../http/problem.ts';
import { queryOf } from '../http/request.ts';
import { type App, allowMethods, logHeader, type Parts, requireRight } from '../parts.ts';
import { type Answer, type AnswerRow, answerQuestion, readQuestion } from './aggregate-answer.ts';
import { guardedCell, newline } from './export-formats.ts';

export function aggregateRoute(app: App, parts: Parts): void {
  const { store } = parts;
  app.get('/api/logs/aggregate', requireRight(parts, 'read'), async (c) => {
    const query = queryOf(c);
    const question = readQuestion(query);
    const format = query.get('format') || 'json';
    if (format !== 'json' && format !== 'csv') throw badField('format', 'must be json or csv');
    const newest = await store.newest();
    query.sort();
    const etag = await etagOf(c, newest, query.toString());
    if (clientHasEtag(c, etag)) return notModified(c, etag);
    const answer = await answerQuestion(store, question);
    c.header(logHeader, newest.log_id);
    // An estimate may be an exact number the next time.
    if (answer.is_exact) withEtag(c, etag);
    else c.header('cache-control', 'no-store');
    if (format === 'json') return c.json(answer);
    c.header('content-type', 'text/csv; charset=utf-8');
    return c.body(csvOf(answer));
  });
  allowMethods(app, '/api/logs/aggregate', 'GET');
}

/** One line a number; `part` says which. */
export function csvOf({ group_by, interval, total, rows, other }: Answer): string {
  const cell = (value: string | number | null | undefined) =>
    typeof value === 'string' ? guardedCell(value) : String(value ?? '');
  const line = (part: string, row: AnswerRow) => [
    part,
    row.time ?? row.hour_of_week,
    ...group_by.map((key) => row[key]),
    row.value,
    row.previous?.value,
    row.filter,
  ];
  const lines = [
    ['part', interval === 'hour_of_week' ? interval : 'time', ...group_by, 'value', 'previous', 'filter'],
    ...rows.map((row) => line(group_by.length > 0 ? 'group' : 'interval', row)),
    ...other.map((row) => line('other', row)),
    line('total', total),
  ];
  return lines.map((line) => line.map(cell).join(',') + newline).join('');
}

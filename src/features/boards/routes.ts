/** The addresses of the boards: the page, what has changed since, and each panel as JSON, CSV and SVG. */
import type { Context } from 'hono';
import { clientHasEtag, etagOf, notModified, withEtag } from '../../http/conditional.ts';
import { shortDigest } from '../../http/digest.ts';
import { files } from '../../http/files.ts';
import { Problem } from '../../http/problem.ts';
import { queryOf } from '../../http/request.ts';
import type { Newest } from '../../log/store.ts';
import { displayOptionsOf } from '../../page/display-options.ts';
import { refreshPage } from '../../page/htmx-attributes.ts';
import { readerOf } from '../../page/reader.ts';
import { type App, allowMethods, type Env, logHeader, type Parts, requireRight } from '../../parts.ts';
import { askPanel } from './ask.ts';
import { builtIn } from './built-in.ts';
import { figureOf } from './figures.ts';
import { type BoardQuery, readBoardQuery } from './question.ts';
import { findBoard } from './saved.ts';
import { csvOf, summaryOf } from './summary.ts';
import { boardPage, boardUpdate } from './views.ts';

type Asked = { name: string; address: URLSearchParams; query: BoardQuery; newest: Newest };

const shape_bytes = 6;
/** Parameters of the requests of an open page: the tag of what it shows, and a digest of its panels. */
const ofOpenPage = ['known', 'shape'];

export function boardRoutes(app: App, parts: Parts): void {
  const { store } = parts;
  const mayRead = requireRight(parts, 'read');

  /** What an address asks, without reading its board: a 304 needs none. */
  async function read(c: Context<Env>): Promise<Asked> {
    const given = [...queryOf(c)].filter(([key, value]) => value !== '' && !ofOpenPage.includes(key));
    const address = new URLSearchParams(given);
    address.sort();
    const query = readBoardQuery(address, Date.now());
    const newest = await store.newest();
    c.header(logHeader, newest.log_id);
    return { name: c.req.param('name') ?? '', address, query, newest };
  }
  /** What the numbers depend on. A board that a person made depends on the events of the log, as its numbers do. */
  const tagOf = (c: Context, { name, address, query, newest }: Asked, ...more: unknown[]) =>
    etagOf(
      c,
      newest,
      query.hour_end,
      address.toString(),
      builtIn.find((board) => board.name === name),
      ...more,
    );

  app.get('/boards/:name', mayRead, async (c) => {
    const asked = await read(c);
    const display = displayOptionsOf(c);
    const reader = readerOf(c, parts);
    const tag = await tagOf(c, asked, reader, display.theme);
    const [known, shown] = ofOpenPage.map((key) => c.req.query(key));
    // The address of an open page has the tag of what it shows: a browser keeps no answer to a session.
    if (known === tag) return c.body(null, 204);
    if (known === undefined && clientHasEtag(c, tag)) return notModified(c, tag);
    const board = await findBoard(store, asked.name);
    const shape = await shortDigest(JSON.stringify(board), shape_bytes);
    if (known !== undefined && shown !== shape) return c.body(null, 200, refreshPage);
    const views = await Promise.all(board.panels.map((panel) => askPanel(parts, panel, asked.query, asked.newest.id)));
    const page = { ...asked, board, views, known: tag, shape };
    if (known !== undefined) return c.html(boardUpdate(page));
    if (views.every(({ is_exact, fault }) => is_exact && fault === null)) withEtag(c, tag);
    return c.html(boardPage(page, builtIn, reader, display));
  });

  app.get('/boards/:name/:file', mayRead, async (c) => {
    const [, place = '', format = ''] = /^([1-9]\d?)\.(json|csv|svg)$/.exec(c.req.param('file')) ?? [];
    const asked = await read(c);
    const tag = await tagOf(c, asked);
    if (format !== '' && clientHasEtag(c, tag)) return notModified(c, tag);
    const panel = (await findBoard(store, asked.name)).panels[Number(place) - 1];
    if (!panel) throw new Problem(404, 'There is no panel at this place.');
    const view = await askPanel(parts, panel, asked.query, asked.newest.id);
    if (view.is_exact && view.fault === null) withEtag(c, tag);
    if (format === 'json') return c.json({ ...view, summary: summaryOf(view) });
    if (format === 'csv') return c.body(csvOf(view), 200, { 'content-type': 'text/csv; charset=utf-8' });
    const drawn = `<?xml-stylesheet type="text/css" href="${files.style}"?>\n${figureOf(view, `p${place}`, summaryOf(view))}`;
    return c.body(drawn, 200, { 'content-type': 'image/svg+xml; charset=utf-8' });
  });

  for (const path of ['/boards/:name', '/boards/:name/:file']) allowMethods(app, path, 'GET');
}

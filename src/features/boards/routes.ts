/** The addresses of the boards: the page, what has changed since, and each panel as JSON, CSV and SVG. */
import type { Context } from 'hono';
import { clientHasEtag, etagOf, notModified, withEtag } from '../../http/conditional.ts';
import { files } from '../../http/files.ts';
import { Problem } from '../../http/problem.ts';
import { queryOf } from '../../http/request.ts';
import type { Newest } from '../../log/store.ts';
import { displayOptionsOf } from '../../page/display-options.ts';
import { readerOf } from '../../page/reader.ts';
import { type App, allowMethods, type Env, logHeader, type Parts, requireRight } from '../../parts.ts';
import { askPanel } from './ask.ts';
import { builtIn } from './built-in.ts';
import { figureOf } from './figures.ts';
import type { Board } from './panel.ts';
import { type BoardQuery, readBoardQuery } from './question.ts';
import { csvOf, summaryOf } from './summary.ts';
import { boardPage, boardUpdate } from './views.ts';

type Asked = { board: Board; address: URLSearchParams; query: BoardQuery; newest: Newest };

const noSuchBoard = () => new Problem(404, 'There is no board of this name.');

export function boardRoutes(app: App, parts: Parts): void {
  const { store } = parts;
  const mayRead = requireRight(parts, 'read');

  /** The board of an address, and what it is asked for. */
  async function read(c: Context<Env>): Promise<Asked & { known: string | null }> {
    const board = builtIn.find(({ name }) => name === c.req.param('name'));
    if (!board) throw noSuchBoard();
    const address = new URLSearchParams([...queryOf(c)].filter(([, value]) => value !== ''));
    const known = address.get('known');
    address.delete('known');
    address.sort();
    const query = readBoardQuery(address, Date.now());
    const newest = await store.newest();
    c.header(logHeader, newest.log_id);
    return { board, address, query, newest, known };
  }
  /** What the numbers depend on. */
  const tagOf = (c: Context, { board, address, query, newest }: Asked, ...more: unknown[]) =>
    etagOf(c, newest, query.hour_end, address.toString(), board, ...more);

  app.get('/boards', mayRead, (c) => c.redirect('/boards/overview', 303));

  app.get('/boards/:name', mayRead, async (c) => {
    const asked = await read(c);
    const display = displayOptionsOf(c);
    const reader = readerOf(c, parts);
    const tag = await tagOf(c, asked, reader, display.theme);
    // The address of an open page has the tag of what it shows: a browser keeps no answer to a session.
    if (asked.known === tag) return c.body(null, 204);
    if (asked.known === null && clientHasEtag(c, tag)) return notModified(c, tag);
    const views = await Promise.all(
      asked.board.panels.map((panel) => askPanel(store, panel, asked.query, asked.newest.id)),
    );
    const page = { ...asked, views, known: tag };
    if (asked.known !== null) return c.html(boardUpdate(page));
    if (views.every(({ is_exact, fault }) => is_exact && fault === null)) withEtag(c, tag);
    return c.html(boardPage(page, builtIn, reader, display));
  });

  app.get('/boards/:name/:file', mayRead, async (c) => {
    const [, place = '', format = ''] = /^([1-9]\d?)\.(json|csv|svg)$/.exec(c.req.param('file')) ?? [];
    const asked = await read(c);
    const panel = asked.board.panels[Number(place) - 1];
    if (!panel) throw noSuchBoard();
    const tag = await tagOf(c, asked);
    if (clientHasEtag(c, tag)) return notModified(c, tag);
    const view = await askPanel(store, panel, asked.query, asked.newest.id);
    if (view.is_exact && view.fault === null) withEtag(c, tag);
    if (format === 'json') return c.json({ ...view, summary: summaryOf(view) });
    if (format === 'csv') return c.body(csvOf(view), 200, { 'content-type': 'text/csv; charset=utf-8' });
    const drawn = `<?xml-stylesheet type="text/css" href="${files.style}"?>\n${figureOf(view, `p${place}`, summaryOf(view))}`;
    return c.body(drawn, 200, { 'content-type': 'image/svg+xml; charset=utf-8' });
  });

  for (const path of ['/boards', '/boards/:name', '/boards/:name/:file']) allowMethods(app, path, 'GET');
}

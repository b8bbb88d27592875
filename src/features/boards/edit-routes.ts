/** The list of boards, and what people change of their own ones: with forms, and without JavaScript. */
import type { Context } from 'hono';
import { formOf } from '../../api/changes.ts';
import { Problem } from '../../http/problem.ts';
import { jsonOf, queryOf } from '../../http/request.ts';
import { displayOptionsOf } from '../../page/display-options.ts';
import { readerOf } from '../../page/reader.ts';
import { type SpecForm, specText } from '../../page/spec-form.ts';
import { type App, allowMethods, type Env, type Parts, requireRight } from '../../parts.ts';
import { builtIn } from './built-in.ts';
import { boardsPage } from './edit-views.ts';
import { addPanel, deleteBoard, findBoard, readBoard, saveBoard, savedBoards } from './saved.ts';

export function editRoutes(app: App, parts: Parts): void {
  const { store } = parts;
  const mayRead = requireRight(parts, 'read');
  const mayWrite = requireRight(parts, 'write');

  async function listed(c: Context<Env>, form: SpecForm, filter = '', status: 200 | 400 = 200) {
    const { rights } = c.get('principal');
    const own = await savedBoards(store);
    const page = boardsPage(
      builtIn,
      own,
      form,
      filter,
      rights.includes('write'),
      readerOf(c, parts),
      displayOptionsOf(c),
    );
    return c.html(page, status);
  }
  /** The list with the form as it was sent and what is wrong with it. */
  const refused = (c: Context<Env>, form: Omit<SpecForm, 'fault'>) => (error: unknown) => {
    if (!(error instanceof Problem) || error.status !== 400) throw error;
    return listed(c, { ...form, fault: error.message }, '', 400);
  };

  /** `board` is changed in the form; `filter` is that of the search from which a panel is made. */
  app.get('/boards', mayRead, async (c) => {
    const query = queryOf(c);
    const name = query.get('board') ?? '';
    const { title, panels } = await findBoard(store, name || 'overview');
    const spec = specText({ title: name ? title : 'My board', panels });
    return listed(c, { name, spec, fault: null }, query.get('filter') ?? '');
  });

  app.post('/boards', mayWrite, async (c) => {
    const fields = await formOf(c, parts);
    const [name, spec] = [fields.get('name') ?? '', fields.get('spec') ?? ''];
    const save = async () => c.redirect(`/boards/${await saveBoard(c, parts, name, readBoard(jsonOf(spec)))}`, 303);
    return save().catch(refused(c, { name, spec }));
  });

  app.post('/boards/panels', mayWrite, async (c) => {
    const { board = '', by = '', ...panel } = Object.fromEntries(await formOf(c, parts));
    const add = async () =>
      c.redirect(`/boards/${await addPanel(c, parts, board, { ...panel, by: by === '' ? [] : [by] })}`, 303);
    return add().catch(refused(c, { name: board, spec: '' }));
  });

  app.post('/boards/:name/delete', mayWrite, async (c) => {
    await formOf(c, parts);
    await deleteBoard(c, parts);
    return c.redirect('/boards', 303);
  });
  allowMethods(app, '/boards', 'GET', 'POST');
}

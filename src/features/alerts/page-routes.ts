/** The page of the rules: everything that the API does, with forms, for administrators. It works without JavaScript. */
import type { Context } from 'hono';
import { formOf, nameOf } from '../../api/changes.ts';
import { Problem } from '../../http/problem.ts';
import { jsonOf, queryOf } from '../../http/request.ts';
import { displayOptionsOf } from '../../page/display-options.ts';
import { readerOf } from '../../page/reader.ts';
import { type SpecForm, specText } from '../../page/spec-form.ts';
import { type App, allowMethods, type Env, type Parts, requireRight } from '../../parts.ts';
import { readRule } from './spec.ts';
import { deleteRule, muteRule, putRule, ruleSpecOf, rulesOf } from './verbs.ts';
import { rulesPage } from './views.ts';

export function rulePages(app: App, parts: Parts): void {
  const mayDo = requireRight(parts, 'admin');
  const listed = async (c: Context<Env>, form: SpecForm, status: 200 | 400 = 200) =>
    c.html(rulesPage(await rulesOf(parts), form, readerOf(c, parts), displayOptionsOf(c)), status);

  /** `rule` is changed in the form; `filter` is that of the search from which a new one is made. */
  app.get('/rules', mayDo, async (c) => {
    const query = queryOf(c);
    const name = query.get('rule') ?? '';
    const spec = name
      ? await ruleSpecOf(parts, nameOf(c, 'rule', name))
      : { type: 'count', filter: query.get('filter') ?? '', n: 5, window_s: 60, group_by: 'user_id' };
    return listed(c, { name, spec: specText(spec), fault: null });
  });

  app.post('/rules', mayDo, async (c) => {
    const fields = await formOf(c, parts);
    const [name, spec] = [fields.get('name') ?? '', fields.get('spec') ?? ''];
    try {
      await putRule(c, parts, nameOf(c, 'rule', name), readRule(jsonOf(spec)));
    } catch (error) {
      if (!(error instanceof Problem) || error.status !== 400) throw error;
      return listed(c, { name, spec, fault: error.message }, 400);
    }
    return c.redirect('/rules', 303);
  });

  app.post('/rules/:name/:verb', mayDo, async (c) => {
    const fields = await formOf(c, parts);
    const name = nameOf(c, 'rule');
    if (c.req.param('verb') === 'delete') await deleteRule(c, parts, name);
    else if (c.req.param('verb') === 'mute')
      await muteRule(c, parts, name, { group: fields.get('group'), for_s: Number(fields.get('for_s')) });
    else throw new Problem(404, 'There is nothing at this address.');
    return c.redirect('/rules', 303);
  });

  allowMethods(app, '/rules', 'GET', 'POST');
}

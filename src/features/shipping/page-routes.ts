/** The page of the sinks: everything that the API does, with forms, for administrators. It works without JavaScript. */
import type { Context } from 'hono';
import { formOf } from '../../api/changes.ts';
import { Problem } from '../../http/problem.ts';
import { jsonOf, queryOf } from '../../http/request.ts';
import { displayOptionsOf } from '../../page/display-options.ts';
import { readerOf } from '../../page/reader.ts';
import type { SpecForm } from '../../page/spec-form.ts';
import { type App, allowMethods, type Env, type Parts, requireRight } from '../../parts.ts';
import { readPart } from './routes.ts';
import { readerName, readSpec } from './spec.ts';
import { retryRefused, testSink } from './trial.ts';
import { cancelReplays, deleteSink, putSink, replaySink, sinkNameOf, sinkOf, sinksOf, switchSink } from './verbs.ts';
import { sinkPage, sinkStates, sinksPage, templates } from './views.ts';

const refused_max = 50;

export function sinkPages(app: App, parts: Parts): void {
  const mayDo = requireRight(parts, 'admin');
  const show = (c: Context<Env>) => [readerOf(c, parts), displayOptionsOf(c)] as const;
  const listed = async (c: Context<Env>, form: SpecForm, status: 200 | 400 = 200) =>
    c.html(sinksPage(await sinksOf(parts), form, ...show(c)), status);

  /** The page of one sink, with what became of a request that was made from it. */
  const one = async (c: Context<Env>, said: string | null = null) => {
    const name = sinkNameOf(c);
    const sink = await sinkOf(parts, name);
    const refused = await parts.store.deliveries.refused(readerName(name), 0, refused_max);
    return c.html(sinkPage(sink, refused, said, ...show(c)));
  };

  app.get('/sinks', mayDo, (c) => {
    const kind = queryOf(c).get('kind') ?? 'elasticsearch';
    return listed(c, { name: '', spec: templates[kind] ?? '{}', fault: null });
  });
  app.get('/sinks/~states', mayDo, async (c) => c.html(sinkStates(await sinksOf(parts), displayOptionsOf(c))));
  app.get('/sinks/:name', mayDo, (c) => one(c));

  app.post('/sinks', mayDo, async (c) => {
    const fields = await formOf(c, parts);
    const [name, spec] = [fields.get('name') ?? '', fields.get('spec') ?? ''];
    try {
      await putSink(c, parts, sinkNameOf(c, name), readSpec(jsonOf(spec), parts.limits.OUTBOUND_ALLOW));
    } catch (error) {
      if (!(error instanceof Problem) || error.status !== 400) throw error;
      return listed(c, { name, spec, fault: error.message }, 400);
    }
    return c.redirect(`/sinks/${name}`, 303);
  });

  app.post('/sinks/:name/:verb', mayDo, async (c) => {
    const fields = await formOf(c, parts);
    const name = sinkNameOf(c);
    switch (c.req.param('verb')) {
      case 'pause':
      case 'resume':
        await switchSink(c, parts, name, c.req.param('verb') === 'pause' ? 'paused' : 'on');
        return c.redirect(`/sinks/${name}`, 303);
      case 'delete':
        await deleteSink(c, parts, name);
        return c.redirect('/sinks', 303);
      case 'replay': {
        const id = (key: string) => (fields.get(key) ? Number(fields.get(key)) : undefined);
        await replaySink(c, parts, name, ...(await readPart(parts, { after: id('after'), until: id('until') })));
        return c.redirect(`/sinks/${name}`, 303);
      }
      case 'cancel':
        await cancelReplays(c, parts, name);
        return c.redirect(`/sinks/${name}`, 303);
      case 'test': {
        const { outcome, reason, status, ms, answer } = await testSink(parts, name);
        return one(
          c,
          `Test: ${outcome}${status === null ? '' : `, status ${status}`}, after ${ms} ms. ${reason ?? answer ?? ''}`,
        );
      }
      case 'retry': {
        const { kept, refused, not_now, reason } = await retryRefused(parts, name);
        return one(c, `Sent again: ${kept} kept, ${refused} refused, ${not_now} not now. ${reason ?? ''}`);
      }
      default:
        throw new Problem(404, 'There is nothing at this address.');
    }
  });

  allowMethods(app, '/sinks', 'GET', 'POST');
}

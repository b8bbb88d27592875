/** The API of the sinks: `/api/sinks/:name`, for administrators. */
import type { Context } from 'hono';
import { bodyOf } from '../../api/changes.ts';
import { badField, Problem } from '../../http/problem.ts';
import { queryOf } from '../../http/request.ts';
import { type App, allowMethods, type Env, type Parts, requireRight } from '../../parts.ts';
import { readerName, readSpec } from './spec.ts';
import { retryRefused, testSink } from './trial.ts';
import { cancelReplays, deleteSink, putSink, replaySink, sinkNameOf, sinkOf, sinksOf, switchSink } from './verbs.ts';

const refused_max = 1_000;

export function sinkRoutes(app: App, parts: Parts): void {
  const mayDo = requireRight(parts, 'admin');
  const answer = async (c: Context<Env>, status: 200 | 201 = 200) => c.json(await sinkOf(parts, sinkNameOf(c)), status);

  app.get('/api/sinks', mayDo, async (c) => c.json({ sinks: await sinksOf(parts) }));
  app.get('/api/sinks/:name', mayDo, (c) => answer(c));

  app.put('/api/sinks/:name', mayDo, async (c) => {
    const body = await bodyOf(c, parts);
    const isNew = await putSink(c, parts, sinkNameOf(c), readSpec(body, parts.limits.OUTBOUND_ALLOW));
    return answer(c, isNew ? 201 : 200);
  });

  app.delete('/api/sinks/:name', mayDo, async (c) => {
    await bodyOf(c, parts);
    await deleteSink(c, parts, sinkNameOf(c));
    return c.body(null, 204);
  });

  for (const [verb, status] of [
    ['pause', 'paused'],
    ['resume', 'on'],
  ] as const)
    app.post(`/api/sinks/:name/${verb}`, mayDo, async (c) => {
      await bodyOf(c, parts);
      await switchSink(c, parts, sinkNameOf(c), status);
      return answer(c);
    });

  app.post('/api/sinks/:name/test', mayDo, async (c) => {
    await bodyOf(c, parts);
    return c.json(await testSink(parts, sinkNameOf(c)));
  });

  app.post('/api/sinks/:name/replay', mayDo, async (c) => {
    const body = await bodyOf(c, parts);
    // What cannot be read must not mean the whole log.
    if (typeof body !== 'object' || body === null || Array.isArray(body))
      throw new Problem(400, 'A replay takes a JSON object with after and until, or no body.');
    for (const key of Object.keys(body))
      if (key !== 'after' && key !== 'until') throw badField(key, 'is no field of a replay');
    await replaySink(c, parts, sinkNameOf(c), ...(await readPart(parts, body)));
    return answer(c);
  });

  app.delete('/api/sinks/:name/replays', mayDo, async (c) => {
    await bodyOf(c, parts);
    await cancelReplays(c, parts, sinkNameOf(c));
    return answer(c);
  });

  app.get('/api/sinks/:name/refused', mayDo, async (c) => {
    const name = sinkNameOf(c);
    const { refused_events } = await sinkOf(parts, name);
    const after = Number(queryOf(c).get('after') ?? 0);
    if (!Number.isSafeInteger(after)) throw badField('after', 'must be an id');
    const refused = await parts.store.deliveries.refused(readerName(name), after, refused_max);
    return c.json({ refused, count: refused.length, refused_events });
  });

  app.post('/api/sinks/:name/refused/retry', mayDo, async (c) => {
    await bodyOf(c, parts);
    const name = sinkNameOf(c);
    const result = await retryRefused(parts, name);
    return c.json({ ...(await sinkOf(parts, name)), ...result });
  });

  allowMethods(app, '/api/sinks', 'GET');
  allowMethods(app, '/api/sinks/:name', 'GET', 'PUT', 'DELETE');
  for (const verb of ['pause', 'resume', 'test', 'replay', 'refused/retry'])
    allowMethods(app, `/api/sinks/:name/${verb}`, 'POST');
  allowMethods(app, '/api/sinks/:name/replays', 'DELETE');
  allowMethods(app, '/api/sinks/:name/refused', 'GET');
}

/** The part of the log that is sent again: the ids above `after` up to `until`, which is by default the newest. */
export async function readPart(
  { store }: Parts,
  { after = 0, until }: { after?: unknown; until?: unknown },
): Promise<[number, number]> {
  const { id: head } = await store.newest();
  const last = until === undefined ? head : until;
  const isId = (value: unknown): value is number =>
    typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
  if (!isId(after)) throw badField('after', 'must be an id');
  if (!isId(last)) throw badField('until', 'must be an id');
  const end = Math.min(last, head);
  if (after >= end) throw badField('after', 'must be below until and below the newest id');
  return [after, end];
}

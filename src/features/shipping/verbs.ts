/** What people do with sinks: make, change, pause, resume, replay, delete. Each change is an event of the log. */
import type { Context } from 'hono';
import { type Change, changeReader, nameOf } from '../../api/changes.ts';
import { Problem } from '../../http/problem.ts';
import { replayOf } from '../../log/delivery-rows.ts';
import type { Env, Parts } from '../../parts.ts';
import { noSuchSink } from './kind.ts';
import { readerKind, readerName, type SinkSpec } from './spec.ts';
import { type SinkView, viewsOf } from './view.ts';

/** The name in the address of a request. */
export const sinkNameOf = (c: Context, name?: string): string => nameOf(c, readerKind, name);

export async function sinksOf({ store }: Parts): Promise<SinkView[]> {
  const all = await store.deliveries.list();
  return viewsOf(
    all.filter(({ kind }) => kind === readerKind),
    Date.now(),
  );
}

export async function sinkOf(parts: Parts, name: string): Promise<SinkView> {
  const sink = (await sinksOf(parts)).find((one) => one.name === name);
  if (!sink) throw noSuchSink();
  return sink;
}

const changeSink = (c: Context<Env>, parts: Parts, name: string, change: Change) =>
  changeReader(c, parts, readerKind, name, change);

/** Makes a sink, or changes it; a new one begins after the id that its spec says. Returns whether it is new. */
export async function putSink(
  c: Context<Env>,
  parts: Parts,
  name: string,
  { spec, filter, after }: SinkSpec,
): Promise<boolean> {
  const known = await parts.store.deliveries.one(readerName(name));
  if (known && after !== (known.spec?.after ?? 0))
    throw new Problem(400, 'after: A sink that exists keeps its place. Use replay to send a part of the log again.', {
      errors: [{ field: 'after', reason: 'a sink that exists keeps its place' }],
    });
  let isNew = false;
  await changeSink(c, parts, name, async (deliveries) => {
    const did = await deliveries.put({ name: readerName(name), kind: readerKind, spec, filter }, after);
    isNew = did === 'made';
    if (did === 'same') return null;
    const metadata = { spec, filter };
    return isNew
      ? { type: 'SINK_CREATED', description: `Sink ${name} was made`, metadata }
      : { type: 'SINK_CHANGED', description: `Sink ${name} was changed`, metadata };
  });
  return isNew;
}

export async function deleteSink(c: Context<Env>, parts: Parts, name: string): Promise<void> {
  const { cursor } = await sinkOf(parts, name);
  await changeSink(c, parts, name, async (deliveries) =>
    (await deliveries.drop(readerName(name)))
      ? { type: 'SINK_DELETED', description: `Sink ${name} was deleted`, metadata: { cursor } }
      : null,
  );
}

export async function switchSink(c: Context<Env>, parts: Parts, name: string, to: 'on' | 'paused'): Promise<void> {
  const { cursor } = await sinkOf(parts, name);
  await changeSink(c, parts, name, async (deliveries) => {
    if (!(await deliveries.switchTo(readerName(name), to))) return null;
    return to === 'paused'
      ? { type: 'SINK_PAUSED', description: `Sink ${name} was paused`, metadata: { cursor } }
      : { type: 'SINK_RESUMED', description: `Sink ${name} was resumed`, metadata: { cursor } };
  });
}

/** Sends a part of the log once more, beside what the sink does: it does not keep new events waiting. */
export async function replaySink(
  c: Context<Env>,
  parts: Parts,
  name: string,
  after: number,
  until: number,
): Promise<void> {
  const known = await parts.store.deliveries.one(readerName(name));
  if (!known) throw noSuchSink();
  const replay = { ...known, spec: known.spec ?? {}, name: replayOf(known.name, after, until) };
  await changeSink(c, parts, name, async (deliveries) => {
    await deliveries.put(replay, after, until);
    const description = `Sink ${name} sends ${after + 1} to ${until} again`;
    return { type: 'SINK_REPLAYED', description, metadata: { after, until } };
  });
}

/** Ends the replays of a sink where they are; what they have sent stays sent. */
export async function cancelReplays(c: Context<Env>, parts: Parts, name: string): Promise<void> {
  await sinkOf(parts, name);
  await changeSink(c, parts, name, async (deliveries) => {
    const replays = (await deliveries.list()).filter((one) => one.name.startsWith(`${readerName(name)}~`));
    let n = 0;
    for (const replay of replays) if (await deliveries.drop(replay.name)) n += 1;
    if (n === 0) return null;
    return {
      type: 'SINK_REPLAYS_CANCELLED',
      description: `The replays of sink ${name} were cancelled`,
      metadata: { n },
    };
  });
}

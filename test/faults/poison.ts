/** One poison event among 100,000 delays its neighbours by seconds; nothing but poison stops a sink after ten. */
import { elasticsearch } from '../support/sinks/elasticsearch.ts';
import { type FarSide, farSide } from '../support/sinks/far-side.ts';
import { ordersFrom, startFleet, upTo, wait } from '../support/sinks/fleet.ts';
import { splunk } from '../support/sinks/splunk.ts';
import { type FaultRun, rounded } from './run.ts';

const n_events = 100_000;
const n_still_ms = 10_000;

/** A kind of sink whose far side refuses some ids: which event it is, where it is, or only that it is in the request. */
type Picky = {
  open(isPoison: (id: number) => boolean): Promise<FarSide>;
  spec: object;
  /** The ids in a request. */
  ids: RegExp;
  /** Whether the rest of a request is kept. */
  isByEvent: boolean;
};

const kinds: Record<string, Picky> = {
  elasticsearch: {
    open: (isPoison) => elasticsearch({ isPoison: ({ id }) => isPoison(id) }),
    spec: {},
    ids: /"_id":"(\d+)"/g,
    isByEvent: true,
  },
  splunk: {
    open: async (isPoison) => Object.assign(await splunk('hec-token', false), { isPoison }),
    spec: { token: 'env:HEC_TOKEN' },
    ids: /"edgetrail_id":"(\d+)"/g,
    isByEvent: false,
  },
  webhook: {
    open: (isPoison) =>
      farSide(({ body }) => ({ status: idsOf(body, /"id":(\d+),"timestamp"/g).some(isPoison) ? 422 : 204 })),
    spec: { secret: 'env:HOOK_SECRET' },
    ids: /"id":(\d+),"timestamp"/g,
    isByEvent: false,
  },
};

const idsOf = (body: Buffer, form: RegExp) => [...`${body}`.matchAll(form)].map(([, id]) => Number(id));

/** Opens a far side, and notes when it kept which event and when it was asked to keep poison. */
async function watched({ open, ids: form, isByEvent }: Picky, isPoison: (id: number) => boolean) {
  const far = await open(isPoison);
  const keptAt_ms = new Map<number, number>();
  const refusedAt_ms: number[] = [];
  far.see = ({ body, at_ms }) => {
    const ids = idsOf(body, form);
    const hasPoison = ids.some(isPoison);
    if (hasPoison) refusedAt_ms.push(at_ms);
    if (!hasPoison || isByEvent) for (const id of ids) if (!isPoison(id)) keptAt_ms.set(id, at_ms);
  };
  return { far, keptAt_ms, refusedAt_ms };
}

export const poison: FaultRun = async ({ fresh, say }) => {
  const env = { HEC_TOKEN: 'hec-token', HOOK_SECRET: `whsec_${Buffer.alloc(32, 7).toString('base64')}` };
  const fleet = await startFleet({ DATABASE_URL: await fresh(), env, ms_max: 20 * 60_000 });
  for (let n = 0; n < n_events; n += 1_000) await fleet.write(ordersFrom(n, 1_000));
  say(`${n_events} events are written`);
  const numbers: Record<string, unknown> = {};
  const claims: Record<string, boolean> = {};

  const bad = n_events / 2 + 123;
  for (const [kind, picky] of Object.entries(kinds)) {
    const { far, keptAt_ms, refusedAt_ms } = await watched(picky, (id) => id === bad);
    const name = `one-${kind}`;
    const head = await fleet.head();
    await fleet.put(name, { kind, url: far.url, ...picky.spec });
    await fleet.upToDate(name);
    // The neighbours are all that was sent with it, and what waited behind that.
    const near = [...keptAt_ms].filter(([id]) => Math.abs(id - bad) <= 2_000).map(([, at_ms]) => at_ms);
    const delay_s = (Math.max(...near) - (refusedAt_ms[0] ?? Number.NaN)) / 1_000;
    const missing = upTo(head).filter((id) => !keptAt_ms.has(id));
    numbers[name] = { delay_s: rounded(delay_s), requests_with_it: refusedAt_ms.length, missing };
    claims[`${kind}: one poison event delays its neighbours by less than 5 s`] = delay_s < 5;
    claims[`${kind}: it is refused, all others are kept`] =
      `${missing}` === `${bad}` && `${await fleet.refused(name)}` === `${bad}`;
    claims[`${kind}: each request was as the protocol says`] = far.faults.length === 0;
    await fleet.ask(`/api/sinks/${name}`, { method: 'DELETE' });
    await far.close();
  }

  const walls: { kind: string; name: string; far: FarSide }[] = [];
  for (const [kind, picky] of Object.entries(kinds)) {
    const { far } = await watched(picky, () => true);
    const name = `all-${kind}`;
    await fleet.put(name, { kind, url: far.url, ...picky.spec });
    walls.push({ kind, name, far });
  }
  for (const { name } of walls)
    await fleet.until(`${name} is held`, async () => (await fleet.sink(name)).status === 'held');
  const before = walls.map(({ far }) => far.asked.length);
  await fleet.write(ordersFrom(0, 1_000));
  await (await fleet.kill()).ready;
  await wait(n_still_ms);
  for (const [i, { kind, name, far }] of walls.entries()) {
    const { status, cursor, refused_events } = await fleet.sink(name);
    const requests = far.asked.length;
    numbers[name] = { requests, status, cursor, refused_events };
    claims[`${kind}: nothing but poison is held after 10`] = status === 'held' && refused_events === 10;
    claims[`${kind}: and moves nothing further, also after a restart`] = cursor === 10 && requests === before[i];
    await far.close();
  }
  await fleet.end();
  return { numbers, claims };
};

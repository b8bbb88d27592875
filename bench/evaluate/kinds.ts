/** Series and silence: what was put into the counts of real series, and taken out of a team's history. */
import { day_ms, hour_ms, type Story } from '../../src/features/unusual/actor.ts';
import type { Event } from '../../src/features/unusual/fold.ts';
import { dayOf, inOrder, randomOf, readActivity, runFold } from './activity-log.ts';
import { readSeries, type Series } from './nab-files.ts';
import type { Part, Row } from './part.ts';

type Change = { service: string; from: number; to: number; times: number; what: string };

const rest = { entity_type: 'tweet', user_id: null, ip_address: null, user_agent: null };
const minutes_5 = 300_000;

const serviceOf = (name: string) => /_(\w+)\.csv/.exec(name)?.[1] ?? name;

/** Five series of the number of tweets as events of five services; what is frequent is thinned. `changes` are made of them. */
export function eventsOf(series: Series[], changes: Change[]): Event[] {
  const events: Event[] = [];
  for (const { name, times, values } of series) {
    const service = serviceOf(name);
    const thin = Math.max(1, Math.round(values.reduce((sum, n) => sum + n, 0) / 30_000));
    const own = changes.filter((change) => change.service === service);
    let left = 0;
    for (const [i, at] of times.entries()) {
      const { times: factor = 1 } = own.find(({ from, to }) => at >= from && at < to) ?? {};
      left += ((values[i] ?? 0) / thin) * factor;
      const n = Math.floor(left);
      left -= n;
      for (let k = 0; k < n; k += 1)
        events.push({ ...rest, id: 0, at: at + Math.floor((k * minutes_5) / n), event_type: 'TWEET', service });
    }
  }
  return inOrder(events);
}

const kinds_of_change = [
  { what: 'six hours without any', hours: 6, times: 0 },
  { what: 'three hours with a third', hours: 3, times: 1 / 3 },
  { what: 'two hours with three times as many', hours: 2, times: 3 },
  { what: 'two hours with ten times as many', hours: 2, times: 10 },
] as const;

/** Every four days a change of each service, from the third week on. */
export function changesOf(series: Series[], seed: number): Change[] {
  const random = randomOf(seed);
  return series.flatMap(({ name, times }) => {
    const service = serviceOf(name);
    const [first = 0, last = 0] = [times[0], times.at(-1)];
    const changes: Change[] = [];
    for (let at = first + 15 * day_ms; at < last - 4 * day_ms; at += 4 * day_ms) {
      const kind = kinds_of_change[Math.floor(random() * 4)] ?? kinds_of_change[0];
      const from = at + Math.floor(random() * 3 * day_ms);
      changes.push({ service, from, to: from + kind.hours * hour_ms, times: kind.times, what: kind.what });
    }
    return changes;
  });
}

export const isOf = ({ subject, facts }: Story, { service, from, to }: Change, late_ms: number) =>
  subject === `s:${service}` &&
  facts.some(
    (fact) => fact.fires && /^(surge|drop|silence)$/.test(fact.kind) && fact.from < to + late_ms && fact.to > from,
  );

function rowsOf(of: string, fired: Story[], changes: Change[], days: number, late_ms: number): Row[] {
  const rows = [...new Set(changes.map(({ what }) => what))].map((what): Row => {
    const own = changes.filter((change) => change.what === what);
    const found = own.filter((change) => fired.some((story) => isOf(story, change, late_ms))).length;
    return { what: `${of}: ${what}: fired`, measured: `${found} of ${own.length}` };
  });
  const others = fired.filter((story) => !changes.some((change) => isOf(story, change, late_ms)));
  return [
    ...rows,
    ...(['surge', 'drop', 'silence'] as const).map((kind) => {
      const [all, wrong] = [fired, others].map(
        (stories) => stories.filter(({ facts }) => facts.some((fact) => fact.kind === kind && fact.fires)).length,
      );
      return {
        what: `${of}: fired with a ${kind}, and those of nothing that was changed`,
        measured: `${all}, ${wrong}`,
      };
    }),
    { what: `${of}: fired a week`, measured: ((fired.length * 7) / days).toFixed(2) },
  ];
}

async function tweets(folder: string): Promise<Row[]> {
  const series = (await readSeries(folder)).filter(({ name }) => /^realTweets/.test(name));
  const days = dayOf(series[0]?.times.at(-1) ?? 0) - dayOf(series[0]?.times[0] ?? 0);
  return [1, 2].flatMap((seed) => {
    const changes = changesOf(series, seed);
    const { fired } = runFold(eventsOf(series, changes), { per_day_max: 3 / 7, kinds: ['surge', 'drop', 'silence'] });
    const isLabelled = ({ subject, facts }: Story) =>
      series.some(
        ({ name, times, windows }) =>
          subject === `s:${serviceOf(name)}` &&
          windows.some(([from, to]) =>
            facts.some((fact) => fact.fires && fact.from < (times[to] ?? 0) && fact.to > (times[from] ?? 0)),
          ),
      );
    const natural = fired.filter((story) => !changes.some((change) => isOf(story, change, hour_ms)));
    const labelled = natural.filter(isLabelled).length;
    const of = `${series.length} series of tweets, 3 a week asked, seed ${seed}`;
    return [
      ...rowsOf(of, fired, changes, days, hour_ms),
      {
        what: `${of}: of nothing that was changed, and within a labelled window`,
        measured: `${natural.length}, ${labelled}`,
      },
    ];
  });
}

/** The folders of the history as services, one of which stops for some days. */
async function stopped(folder: string): Promise<Row[]> {
  const history = (await readActivity(folder)).map((event) => ({
    ...event,
    service: event.entity_type.split('/').slice(0, 2).join('/'),
  }));
  const days = dayOf(history.at(-1)?.at ?? 0) - dayOf(history[0]?.at ?? 0);
  const random = randomOf(1);
  const n = 20;
  const changes = Array.from({ length: n }, (_, i): Change => {
    const service = ['src/test', 'src/backend'][i % 2] ?? '';
    // From the second year on, 60 days apart, so that one does not hide another.
    const from = Math.floor((history[0]?.at ?? 0) + (365 + i * 65 + random() * 20) * day_ms);
    const length = i % 4 < 2 ? 5 : 10;
    return { service, from, to: from + length * day_ms, times: 0, what: `${length} days without any of a service` };
  });
  const left = history.filter(
    ({ service, at }) => !changes.some((change) => change.service === service && at >= change.from && at < change.to),
  );
  const { fired } = runFold(inOrder(left), { per_day_max: 1 / 7, kinds: ['silence'] });
  const silences = fired.filter(({ facts }) => facts.some(({ kind, fires }) => kind === 'silence' && fires));
  return rowsOf('a team’s history, 1 silence a week asked', silences, changes, days, day_ms);
}

export const tweetsPart: Part = { name: 'series', folder: 'nab', run: tweets };
export const stoppedPart: Part = { name: 'silence', folder: 'activity-git', run: stopped };

/**
 * Numbers are their events: each number of a panel is a recount of the exported entries, and the list behind its link has
 * as many. What differs is said.
 */
import type { Entry } from '../../src/log/schema.ts';
import { periodOf, type RandomPanel, randomPanels } from './random-panels.ts';
import { hourOfWeek, type Interval, matching, measured, startOf } from './recount.ts';

type Mark = {
  names: (string | null)[];
  value: number;
  href: string | null;
  at?: number;
  isOther?: true;
  parts?: number[];
  before?: { value: number; href: string | null };
};
type View = {
  is_exact: boolean;
  fault: string | null;
  interval: Interval | null;
  marks: Mark[];
  series: (string | null)[];
  cursor: number;
};

/** How the claims ask the service: as a user who may read, write and export. */
export type Ask = (path: string, init?: RequestInit) => Promise<Response>;
export type Outcome = { panels: number; numbers: number; lists: number; wrong: string[] };

const board_panels_max = 20;
const read = async <T>(ask: Ask, path: string): Promise<T> => {
  const answer = await ask(path);
  if (!answer.ok) throw new Error(`${path}: ${answer.status} ${await answer.text()}`);
  return (await answer.json()) as T;
};

/** All entries of the log as an export has them. */
export async function exported(ask: Ask): Promise<Entry[]> {
  const text = await (await ask('/api/logs/export?format=ndjson')).text();
  return text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Entry);
}

/**
 * Puts random panels on boards, and checks each number. `lists_max`: the lists of a panel that are asked for, spread over
 * its marks. The log must not change meanwhile, but by the boards, which are saved first.
 */
export async function panelClaims(ask: Ask, n: number, seed: number, lists_max: number): Promise<Outcome> {
  const panels = randomPanels(await exported(ask), n, seed);
  const outcome: Outcome = { panels: n, numbers: 0, lists: 0, wrong: [] };
  const addresses: { panel: RandomPanel; path: string }[] = [];
  for (let i = 0; i < panels.length; i += board_panels_max) {
    const some = panels.slice(i, i + board_panels_max);
    const name = `random-${i}`;
    await save(ask, name, some);
    for (const [place, panel] of some.entries())
      addresses.push({ panel, path: `/boards/${name}/${place + 1}.json?${join(panel.period, panel.narrowed)}` });
  }
  const entries = await exported(ask);
  for (const { panel, path } of addresses) {
    const { view, now_ms } = await viewOf(ask, path);
    const wrong = (what: string) => outcome.wrong.push(`${what}: ${JSON.stringify(panel)} ${path}`);
    if (view.fault !== null || !view.is_exact) wrong(`not exact (${view.fault})`);
    for (const text of recounted(panel, view, entries, now_ms)) wrong(text);
    outcome.numbers += view.marks.length;
    const linked = view.marks.flatMap((mark) => [mark, ...(mark.before ? [mark.before] : [])]);
    const every = Math.max(1, Math.ceil(linked.length / lists_max));
    for (const { value, href } of linked.filter((_, i) => i % every === 0)) {
      if (href === null) continue;
      outcome.lists += 1;
      const fault = await listed(ask, entries, panel, href, value);
      if (fault) wrong(fault);
    }
  }
  return outcome;
}

const join = (...queries: string[]) => queries.filter((text) => text !== '').join('&');

async function save(ask: Ask, name: string, panels: RandomPanel[]): Promise<void> {
  const spec = {
    title: name,
    panels: panels.map(({ kind, filter, by, measure }) => ({ title: kind, kind, filter, by, measure })),
  };
  const answer = await ask('/boards', {
    method: 'POST',
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    body: String(new URLSearchParams({ name, spec: JSON.stringify(spec) })),
    redirect: 'manual',
  });
  if (answer.status !== 303) throw new Error(`${answer.status} ${await answer.text()}`);
}

/** The panel, and a time of the same hour as that of the answer: `last` ends with it. */
async function viewOf(ask: Ask, path: string): Promise<{ view: View; now_ms: number }> {
  for (;;) {
    const now_ms = Date.now();
    const view = await read<View>(ask, path);
    if (startOf('hour', now_ms) === startOf('hour', Date.now())) return { view, now_ms };
  }
}

/** The total of the list behind a link, and the measure of its entries, against a number. */
async function listed(ask: Ask, entries: Entry[], { kind, measure }: RandomPanel, href: string, value: number) {
  if (/^\/logs\/\d+$/.test(href)) return (await ask(`/api${href}`)).ok ? null : `${href} is not there`;
  const { total } = await read<{ total: number }>(ask, `/api${href}&limit=1&count=exact`);
  if (measure === 'count' && total !== value) return `the list ${href} has ${total}, not ${value}`;
  // Only the database masks descriptions.
  if (kind === 'patterns') return null;
  const behind = matching(entries, href.replace('/logs?', ''));
  if (behind.length !== total) return `the export has ${behind.length} of ${href}, not ${total}`;
  return same(measured(behind, measure), value) ? null : `${href} is ${measured(behind, measure)}, not ${value}`;
}

/** Sums of numbers with a fraction are rounded by JavaScript. */
const same = (a: number, b: number) => Math.abs(a - b) <= 1e-9 * Math.max(1, Math.abs(a), Math.abs(b));

/** What a recount of the exported entries finds to be another number. */
function recounted(panel: RandomPanel, view: View, entries: Entry[], now_ms: number): string[] {
  const { kind, filter, narrowed, by, measure, period } = panel;
  const { from, to } = periodOf(period, now_ms);
  const upto = entries.filter(({ id }) => id <= view.cursor);
  const all = matching(matching(upto, filter), narrowed);
  const between = (first: number, last: number) =>
    all.filter(({ timestamp }) => Date.parse(timestamp) >= first && Date.parse(timestamp) <= last);
  const found = between(from, to);
  const wrong: string[] = [];
  const expect = (what: string, own: Entry[], value: number) => {
    if (!same(measured(own, measure), value)) wrong.push(`${what} is ${value}, a recount ${measured(own, measure)}`);
  };
  const has = (entry: Entry, names: (string | null)[]) => by.every((key, i) => entry[key] === names[i]);
  const named = view.marks.filter(({ isOther }) => !isOther);
  switch (kind) {
    case 'number':
      for (const { value, before } of view.marks) {
        expect('the number', found, value);
        if (before) expect('the number before', between(from - (to - from + 1), from - 1), before.value);
      }
      break;
    case 'bars':
    case 'lines': {
      const interval = view.interval ?? 'hour';
      if (view.marks[0]?.at !== startOf(interval, from)) wrong.push(`begins at ${view.marks[0]?.at}`);
      const whole = between(startOf(interval, from), to);
      for (const { at, value, parts = [] } of view.marks) {
        const own = whole.filter(({ timestamp }) => startOf(interval, Date.parse(timestamp)) === at);
        expect(`${at}`, own, value);
        for (const [i, name] of view.series.entries())
          expect(
            `${at} ${name}`,
            own.filter((entry) => has(entry, [name])),
            parts[i] ?? 0,
          );
      }
      if (measure === 'count' && sum(view.marks) !== whole.length) wrong.push('entries are in no interval');
      break;
    }
    case 'top':
      for (const { names, value } of named)
        expect(
          `${names}`,
          found.filter((entry) => has(entry, names)),
          value,
        );
      for (const { value } of view.marks.filter(({ isOther }) => isOther))
        expect(
          'the others',
          found.filter((entry) => !named.some(({ names }) => has(entry, names))),
          value,
        );
      if (measure === 'count' && sum(view.marks) !== found.length) wrong.push('entries are in no group');
      break;
    case 'heat':
      for (const { at, value } of view.marks)
        expect(
          `${at}`,
          found.filter(({ timestamp }) => hourOfWeek(Date.parse(timestamp)) === at),
          value,
        );
      if (measure === 'count' && sum(view.marks) !== found.length) wrong.push('entries are in no hour');
      break;
    case 'patterns':
      if (measure === 'count' && sum(view.marks) !== found.length) wrong.push('entries are in no pattern');
      break;
    case 'events': {
      const newest = found.toSorted((a, b) => Date.parse(b.timestamp) - Date.parse(a.timestamp) || b.id - a.id);
      const ids = newest.slice(0, view.marks.length || 1).map(({ id }) => id);
      if (`${ids}` !== `${view.marks.map(({ value }) => value)}`) wrong.push(`the newest are ${ids}`);
      break;
    }
    default: // Of visits and stories: the lists behind their links say it.
  }
  return wrong;
}

const sum = (marks: Mark[]) => marks.reduce((all, { value }) => all + value, 0);

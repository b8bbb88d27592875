/** The page /status. Data in, markup out. */
import { html } from 'hono/html';
import type { Transport } from '../../http/meter.ts';
import { eventsOf, type Growth, type MonthCounts } from '../../log/growth.ts';
import type { Rights } from '../../log/rights.ts';
import { type ReaderState, type RefusedRow, type Sizes, type Vitals, vitalsLimits } from '../../log/vitals.ts';
import {
  type DisplayOptions,
  formatAge,
  formatBytes,
  formatCount,
  formatDuration,
  formatEventCount,
  formatExactTime,
  visible,
} from '../../page/format.ts';
import { framedPage } from '../../page/framed-page.ts';
import type { Markup } from '../../page/layout.ts';
import type { Reader } from '../../page/menu-and-help.ts';
import { table } from '../../page/table.ts';
import type { Build } from '../../parts.ts';

export type Status = {
  vitals: Vitals;
  sizes: Sizes;
  growth: Growth[];
  months: MonthCounts;
  refused: RefusedRow[];
  rights: Rights;
  build: Build;
  /** Open live streams of the process; null where there is no such process. */
  followers: Record<Transport, number> | null;
};

/** Rights that are named. */
const rights_shown = 5;

/** Months that are shown before the older ones are folded. */
const months_shown = 12;

const time = (ms: number, display: DisplayOptions): Markup =>
  html`<time datetime="${new Date(ms).toISOString()}">${formatExactTime(ms, display)}</time>`;

/** Terms with their texts. */
const facts = (rows: [string, Markup | string][]): Markup =>
  html`<dl>${rows.map(([term, text]) => html`<dt>${term}</dt><dd>${text}</dd>`)}</dl>`;

const bytesOfLog = ({ tables }: Sizes): number => tables.reduce((sum, { bytes }) => sum + bytes, 0);

function log({ vitals: { head, newest_at_ms }, sizes, growth }: Status, display: DisplayOptions): Markup {
  const bytes = bytesOfLog(sizes);
  const stored = growth.map(({ days, events }): [string, string] => [
    days === 1 ? 'In the last 24 hours' : `In the last ${days} days`,
    `${formatCount(events)} stored${head > 0 && events > 0 ? `, about ${formatBytes((bytes / head) * events)}` : ''}`,
  ]);
  return facts([
    ['Events', formatCount(head)],
    ['On the disk', `${formatBytes(bytes)} with all tables and indexes`],
    [
      'Newest stored',
      newest_at_ms === null ? 'none yet' : html`${formatAge(newest_at_ms, display)}, ${time(newest_at_ms, display)}`,
    ],
    ...stored,
  ]);
}

function service({ build, vitals, followers, rights }: Status, display: DisplayOptions): Markup {
  const { version, runtime, database, usage } = build;
  const streams = followers && Object.values(followers).reduce((sum, n) => sum + n, 0);
  return facts([
    ['Version', `${version} on ${runtime} with ${database}`],
    ...(usage
      ? ([
          ['Started', html`${formatAge(usage.started_ms, display)}, ${time(usage.started_ms, display)}`],
          ['Memory', formatBytes(usage.rss_bytes())],
        ] satisfies [string, Markup | string][])
      : []),
    ...(followers
      ? ([
          [
            'Followers',
            `${streams}: ${followers.sse} by event streams, ${followers.page} pages, ${followers.websocket} sockets`,
          ],
        ] satisfies [string, string][])
      : []),
    ['Months ahead', monthsAhead(vitals.months_ahead)],
    ['Database role', databaseRole(rights, build)],
  ]);
}

/** What whoever runs statements as the service can do to the log. */
function databaseRole({ owns, more }: Rights, { database }: Build): Markup | string {
  if (owns && database === 'pglite')
    return html`owns the tables: who can write to <code>DATA_DIR</code> can change events`;
  if (owns)
    return html`<strong>owns the tables</strong>: who has its password can change events. <code>MIGRATION_DATABASE_URL</code> gives them another owner`;
  if (more.length === 0) return 'owns nothing: it can append and read events, but not change them';
  const others = more.length > rights_shown ? ` and ${more.length - rights_shown} other rights` : '';
  return html`owns nothing, but <strong>has more rights than it needs</strong>: ${more.slice(0, rights_shown).join(', ')}${others}`;
}

const monthsAhead = (n: number): Markup | string =>
  n === 0
    ? html`<strong>the next month has no partition: its events will be refused</strong>`
    : `${n} have a partition`;

const lagOf = ({ lag_events, lag_seconds }: ReaderState): string =>
  lag_events === 0
    ? 'up to date'
    : `${formatEventCount(lag_events)}, the oldest stored ${formatDuration(lag_seconds)} ago`;

const readers = ({ vitals }: Status): Markup =>
  vitals.readers.length === 0
    ? html`<p>No reader has begun yet.</p>`
    : table(
        'Each reads the events in the order of their ids',
        ['Reader', 'Has read up to', 'Is behind by', 'State'],
        vitals.readers.map((reader) => [reader.name, formatCount(reader.cursor), lagOf(reader), reader.status]),
      );

const atLeast = (n: number): string =>
  n >= vitalsLimits.inbox_rows_max ? `${formatCount(n)} or more` : formatCount(n);

const inbox = ({ vitals: { inbox }, refused }: Status, display: DisplayOptions): Markup => html`${facts([
  ['Waiting', atLeast(inbox.n_waiting)],
  [
    'Refused',
    inbox.n_refused === 0
      ? '0'
      : html`<strong>${atLeast(inbox.n_refused)}</strong>, in <code>activity_inbox_refused</code>`,
  ],
])}
${
  refused.length === 0
    ? ''
    : table(
        inbox.n_refused > refused.length ? `The newest ${refused.length} refused rows` : 'The refused rows',
        ['Row', 'Reason', 'When'],
        refused.map(({ n, reason, at_ms }) => [formatCount(n), visible(reason), time(at_ms, display)]),
      )
}`;

/** The months of a partition's name. */
function periodOf(partition: string): string {
  const [, from = '', until] = /^activity_logs_(\d{4}_\d{2})(?:_until_(\d{4}_\d{2}))?$/.exec(partition) ?? [];
  const month = (text: string) => text.replace('_', '-');
  if (until) return `${month(from)} until ${month(until)}, without events of their own`;
  if (from) return month(from);
  return partition === 'activity_logs_history' ? 'all before' : partition;
}

function months({ sizes: { partitions }, months: counts }: Status): Markup {
  const names = partitions.map(({ name }) => name);
  const newestFirst = partitions.toSorted((a, b) => (a.name < b.name ? 1 : -1));
  // "history" sorts above the years, and is older than all of them.
  const ordered = [
    ...newestFirst.filter(({ name }) => /\d/.test(name)),
    ...newestFirst.filter(({ name }) => !/\d/.test(name)),
  ];
  const bytes_max = Math.max(1, ...partitions.map(({ bytes }) => bytes));
  const rows = ordered.map(({ name, bytes }) => [
    periodOf(name),
    formatCount(eventsOf(name, names, counts)),
    formatBytes(bytes),
    html`<meter max="${bytes_max}" value="${bytes}" aria-label="${periodOf(name)}"></meter>`,
  ]);
  const heads = ['Month of the events', 'Events', 'On the disk', 'Share of the largest'];
  const older = rows.slice(months_shown);
  return html`${table('Months (UTC), with their indexes', heads, rows.slice(0, months_shown))}
${older.length === 0 ? '' : html`<details><summary>${older.length} older</summary>${table('Older months', heads, older)}</details>`}`;
}

const tables = ({ tables }: Sizes): Markup =>
  table(
    'Tables, with their indexes',
    ['Table', 'On the disk'],
    tables.toSorted((a, b) => b.bytes - a.bytes).map(({ name, bytes }) => [name, formatBytes(bytes)]),
  );

/** The state of the log and of the service. */
export const statusPage = (status: Status, reader: Reader, display: DisplayOptions): Markup =>
  framedPage(
    'Status',
    html`<main class="alone"><h1>Status</h1>
<div class="details"><section><h2>Log</h2>${log(status, display)}</section>
<section><h2>Service</h2>${service(status, display)}</section>
<section><h2>Inbox</h2>${inbox(status, display)}</section></div>
<h2>Readers</h2>${readers(status)}
<h2>Size by month</h2>${months(status)}
<details><summary>Size by table</summary>${tables(status.sizes)}</details>
<p>Sizes are measured at most once a minute. The events of the months are counted up to where the reader <code>rollup</code> has read.${
      status.followers ? ' The service is the process that made this page.' : ''
    }</p></main>`,
    reader,
    display,
  );

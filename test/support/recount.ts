/** The entries of a filter and what they are counted to, in plain JavaScript: an oracle beside the SQL. */
import type { Entry } from '../../src/log/schema.ts';

const hour_ms = 3_600_000;
const day_ms = 24 * hour_ms;

/** The hour of the week in UTC: 0 is Monday from midnight to one o'clock. */
export const hourOfWeek = (ms: number) => ((new Date(ms).getUTCDay() + 6) % 7) * 24 + new Date(ms).getUTCHours();

/** A time as a query writes it: a date, a minute with a Z, or milliseconds; and the milliseconds that it covers. */
const first = (text: string) => Date.parse(text.length === 10 ? `${text}T00:00:00Z` : text);
const unit = (text: string) => (text.length === 10 ? day_ms : text.length === 17 ? 60_000 : 1);

/** The entries of a query, which has no pattern. Throws at a parameter that it does not know. */
export function matching(all: Entry[], query: string): Entry[] {
  const parameters = new URLSearchParams(query);
  const tests = [...new Set(parameters.keys())].map((name) => testOf(name, parameters.getAll(name)));
  return all.filter((entry) => tests.every((holds) => holds(entry)));
}

const columns = [
  'event_type',
  'entity_type',
  'entity_id',
  'user_id',
  'service',
  'session_id',
  'trace_id',
  'ip_address',
];

function testOf(name: string, values: string[]): (entry: Entry) => boolean {
  const key = name.replace(/!$/, '');
  const [value = ''] = values;
  const isWanted = name === key;
  switch (key) {
    case 'start_date':
      return ({ timestamp }) => Date.parse(timestamp) >= first(value);
    case 'end_date':
      return ({ timestamp }) => Date.parse(timestamp) < first(value) + unit(value);
    case 'first_id':
      return ({ id }) => id >= Number(value);
    case 'last_id':
      return ({ id }) => id <= Number(value);
    case 'without':
      return (entry) => values.every((field) => (entry[field as keyof Entry] === null) === isWanted);
    case 'hour_of_week':
      return ({ timestamp }) => values.includes(String(hourOfWeek(Date.parse(timestamp))));
    case 'search': {
      const has = ({ description }: Entry, text: string) =>
        (description ?? '').toLowerCase().includes(text.toLowerCase());
      return (entry) =>
        isWanted ? values.every((text) => has(entry, text)) : !values.some((text) => has(entry, text));
    }
    default:
      if (!columns.includes(key)) throw new Error(`the oracle knows no ${name}`);
      return (entry) => {
        const own = entry[key as keyof Entry];
        return own === null ? !isWanted : values.includes(String(own)) === isWanted;
      };
  }
}

/** A measure of entries, as `measure` names it; sums are of `metadata.amount`. */
export function measured(found: Entry[], measure: string): number {
  const distinct = (values: (string | null)[]) => new Set(values.filter((value) => value !== null)).size;
  if (measure === 'count') return found.length;
  if (measure === 'users') return distinct(found.map(({ user_id }) => user_id));
  if (measure === 'addresses') return distinct(found.map(({ ip_address }) => ip_address));
  if (measure === 'entities')
    return distinct(found.map(({ entity_type, entity_id }) => entity_id && `${entity_type} ${entity_id}`));
  const amounts = found.map(({ metadata }) => Number((metadata as { amount?: unknown } | null)?.amount ?? Number.NaN));
  return amounts.filter((amount) => !Number.isNaN(amount)).reduce((sum, amount) => sum + amount, 0);
}

export type Interval = 'hour' | 'day' | 'week' | 'month';

/** The beginning of the interval of a time, in UTC. Weeks begin on Monday. */
export function startOf(interval: Interval, ms: number): number {
  const date = new Date(ms);
  date.setUTCMinutes(0, 0, 0);
  if (interval !== 'hour') date.setUTCHours(0);
  if (interval === 'week') date.setUTCDate(date.getUTCDate() - ((date.getUTCDay() + 6) % 7));
  if (interval === 'month') date.setUTCDate(1);
  return date.getTime();
}

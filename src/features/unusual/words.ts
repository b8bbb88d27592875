/** A story in words, and the addresses of exactly the events that it is about. */
import { own_service } from '../../log/entry.ts';
import { eventHref, filterHref } from '../../page/links.ts';
import { type Fact, isOfHours, type Story } from './actor.ts';

export const subjectKinds = { u: 'user_id', s: 'service', a: 'anybody' } as const;

export function subjectOf(subject: string): { kind: (typeof subjectKinds)['u' | 's' | 'a']; name: string | null } {
  const kind = subjectKinds[subject.charAt(0) as 'u' | 's' | 'a'];
  return { kind, name: kind === 'anybody' ? null : subject.slice(2) };
}

/** The events of a fact: all of its subject, and of its type, between two ids. */
export function factHref(subject: string, fact: Fact): string {
  const { kind, what, first_id, last_id, n, from, to } = fact;
  if (n === 1) return eventHref(first_id);
  const { kind: field, name } = subjectOf(subject);
  if (kind === 'sequence' && fact.group) {
    const [by, id, entity_type] = fact.group;
    const without = by === 'trace_id' ? [] : by === 'session_id' ? ['trace_id'] : ['trace_id', 'session_id'];
    return filterHref([
      ...[[by, id], ...(entity_type === undefined ? [] : [['entity_type', entity_type]])],
      ...without.map((field) => ['without', field]),
      ...[
        ['service!', own_service],
        ['first_id', String(first_id)],
        ['last_id', String(last_id)],
      ],
    ]);
  }
  if (isOfHours(kind))
    // By their time, and as the log was when the hour ended: what comes late is not of it.
    return filterHref({
      ...(name === null ? { without: 'service' } : { service: name }),
      ...(what !== '' && { event_type: what }),
      start_date: new Date(from).toISOString(),
      end_date: new Date(to).toISOString(),
      last_id: String(last_id),
    });
  return filterHref({
    ...(name !== null && { [field]: name }),
    ...(kind === 'burst' && { event_type: what }),
    ...(field !== 'service' && { 'service!': own_service }),
    first_id: String(first_id),
    last_id: String(last_id),
  });
}

const clock = (at: number) => new Date(at).toISOString().slice(11, 16);
export const dateOf = (at: number) => new Date(at).toISOString().slice(0, 10);
const span = ({ from, to }: Fact) =>
  clock(from) === clock(to) ? `at ${clock(from)}` : `between ${clock(from)} and ${clock(to)}`;
const firstOf: Record<string, string> = {
  action: 'for the first time',
  network: 'for the first time from',
  agent: 'for the first time with',
  hours: 'for the first time within',
};

const between = ([least, most]: Fact['usual'] = [0, 0, 0]) =>
  least === most ? `is ${least}` : `are ${least} to ${most}`;

export function factWords(fact: Fact): string {
  const { kind, what, n, usual, score, held } = fact;
  const note = held ? ` (${held})` : '';
  if (kind === 'behaviour') return `a day unlike the others: ${n} events, ${score.toFixed(2)} bits`;
  if (kind === 'first_seen') {
    const [field = '', ...value] = what.split(':');
    return `${firstOf[field] ?? field} ${value.join(':')} ${span(fact)}${note}`;
  }
  if (kind === 'sequence') {
    const [by, id] = fact.group ?? ['', ''];
    return `${what}, which was hardly ever in this order (${fact.bits?.toFixed(0)} bits), in the ${n} events of the ${by.replace('_id', '')} ${id}${note}`;
  }
  if (kind === 'surge' || kind === 'drop')
    return `${n} ${what || 'events'} ${span(fact)}; usual at this hour ${between(usual)} (the last ${usual?.[2] ?? 0})${note}`;
  if (kind === 'silence')
    return `no ${what || 'event'} since ${dateOf(fact.from)} ${clock(fact.from)}, for ${fact.silent_hours} hours in which others had some; the longest silence before were ${usual?.[1] ?? 0}${note}`;
  const past = usual ? `usual in an hour with any ${between(usual)} (the last ${usual[2]})` : 'never before';
  return `${n} ${what} ${span(fact)}; ${past}${note}`;
}

export function sentenceOf({ subject, from, facts }: Story): string {
  const { kind, name } = subjectOf(subject);
  const who = name === null ? 'Anybody' : kind === 'service' ? `Service ${name}` : name;
  return `${who}, ${dateOf(from)} UTC: ${facts.map(factWords).join('; ')}`.slice(0, 10_000).toWellFormed();
}

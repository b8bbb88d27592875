/** A story in words, and the addresses of exactly the events that it is about. */
import { own_service } from '../../log/entry.ts';
import { eventHref, filterHref } from '../../page/links.ts';
import type { Fact, Story } from './actor.ts';

export const subjectKinds = { u: 'user_id', s: 'service', a: 'anybody' } as const;

export function subjectOf(subject: string): { kind: (typeof subjectKinds)['u' | 's' | 'a']; name: string | null } {
  const kind = subjectKinds[subject.charAt(0) as 'u' | 's' | 'a'];
  return { kind, name: kind === 'anybody' ? null : subject.slice(2) };
}

/** The events of a fact: all of its subject, and of its type, between two ids. */
export function factHref(subject: string, { kind, what, first_id, last_id, n }: Fact): string {
  if (n === 1) return eventHref(first_id);
  const { kind: field, name } = subjectOf(subject);
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

export function factWords(fact: Fact): string {
  const { kind, what, n, usual, score, held } = fact;
  const note = held ? ` (${held})` : '';
  if (kind === 'behaviour') return `a day unlike the others: ${n} events, ${score.toFixed(2)} bits`;
  if (kind === 'first_seen') {
    const [field = '', ...value] = what.split(':');
    return `${firstOf[field] ?? field} ${value.join(':')} ${span(fact)}${note}`;
  }
  const past = usual
    ? `usual in an hour with any ${usual[0] === usual[1] ? `is ${usual[0]}` : `are ${usual[0]} to ${usual[1]}`} (the last ${usual[2]})`
    : 'never before';
  return `${n} ${what} ${span(fact)}; ${past}${note}`;
}

export function sentenceOf({ subject, from, facts }: Story): string {
  const { kind, name } = subjectOf(subject);
  const who = name === null ? 'Anybody' : kind === 'service' ? `Service ${name}` : name;
  return `${who}, ${dateOf(from)} UTC: ${facts.map(factWords).join('; ')}`.slice(0, 10_000).toWellFormed();
}

/** Learns what was held back, because its story has fired. */
import type { Actor, Unlearned, Whole } from './actor.ts';
import { learnDay } from './behaviour.ts';
import { learnHour } from './bursts.ts';

export function learnNow(whole: Whole, actor: Actor, { type, n, facts }: Unlearned): void {
  if (type !== undefined && n !== undefined) learnHour(whole, actor, type, n);
  if (facts) learnDay(whole, actor, facts);
}

/** A story as the API and the page show it. */
import { eventHref } from '../../page/links.ts';
import type { Fact, Story } from './actor.ts';
import type { Said } from './tables.ts';
import { factHref, factWords, sentenceOf, subjectOf } from './words.ts';

export type FactView = Omit<Fact, 'from' | 'to' | 'usual'> & {
  from: string;
  to: string;
  usual: { least: number; most: number; hours: number } | null;
  words: string;
  /** The address of exactly its events. */
  link: string;
};

export type StoryView = {
  id: string;
  subject: ReturnType<typeof subjectOf>;
  from: string;
  to: string;
  score: number;
  fired: boolean;
  /** The address of the event with which it fired. */
  fired_at: string | null;
  sentence: string;
  facts: FactView[];
  verdict: Said | null;
};

export function viewOf(story: Story, said: Said | undefined): StoryView {
  const { id, subject, from, to, score, fired_at, facts } = story;
  return {
    id,
    subject: subjectOf(subject),
    from: new Date(from).toISOString(),
    to: new Date(to).toISOString(),
    score,
    fired: fired_at !== null,
    fired_at: fired_at === null ? null : eventHref(fired_at),
    sentence: sentenceOf(story),
    facts: facts.map((fact) => {
      const { usual } = fact;
      return {
        ...fact,
        from: new Date(fact.from).toISOString(),
        to: new Date(fact.to).toISOString(),
        usual: usual ? { least: usual[0], most: usual[1], hours: usual[2] } : null,
        words: factWords(fact),
        link: factHref(subject, fact),
      };
    }),
    verdict: said && said.verdict !== 'none' ? said : null,
  };
}

/** The panel of a board: the facts of the stories that fired, each a row with the address of exactly its events. */
import type { PanelSource } from '../../parts.ts';
import type { Story } from './actor.ts';
import { firedStories } from './tables.ts';
import { factHref, factWords, subjectOf } from './words.ts';

const rowsOf = ({ id, subject, facts }: Story) =>
  facts
    .filter(({ fires }) => fires)
    .map((fact) => ({
      names: [
        new Date(fact.to).toISOString().replace('T', ' ').slice(0, 19),
        subjectOf(subject).name ?? 'anybody',
        factWords(fact),
      ],
      value: fact.n,
      href: factHref(subject, fact),
      page: `/unusual/${id}`,
      span: [fact.from, fact.to] as [number, number],
    }));

export const unusualPanel: PanelSource = {
  keys: ['user_id', 'service'],
  async ask({ store }, { terms, from, to, rows_max }) {
    // A story is of one subject: with a user and a service there is none.
    const subjects = terms.map(({ key, values }) => values.map((value) => `${key === 'user_id' ? 'u' : 's'}:${value}`));
    const stories =
      subjects.length > 1 ? [] : await store.reads((db) => firedStories(db, subjects[0], from, to, rows_max));
    // Not exact to the newest event, and not called so: a story that fires later is an event, and the board is asked again.
    return { columns: ['Until (UTC)', 'Of', 'What'], rows: stories.flatMap(rowsOf), is_exact: true };
  },
};

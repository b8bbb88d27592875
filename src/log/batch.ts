/** What followers receive: the entries of a read, and their encoded forms, each made once. */
import type { Entry } from './schema.ts';
import type { SinceRead } from './since.ts';

/** What a follower receives: matching entries, and the id up to which there are no others. */
export type Batch = SinceRead & {
  /** The entries in an encoded form, made once for all followers that share the batch. `form` identifies the encoding. */
  as<T>(form: string, make: (entries: Entry[]) => T): T;
};

/**
 * Takes a batch; false ends the follower. A promise is for a follower that must wait for its client: one promise for each
 * follower and batch would cost more than the write.
 */
export type Take = (batch: Batch) => boolean | Promise<boolean>;

/** The batches of reads that several groups share. */
const batches = new WeakMap<SinceRead, Batch>();

/** The batch of a read: the same one for the same read. */
export function toBatch(read: SinceRead): Batch {
  const made = batches.get(read);
  if (made) return made;
  const forms = new Map<string, unknown>();
  const batch: Batch = {
    ...read,
    as: <T>(form: string, make: (entries: Entry[]) => T): T => {
      if (!forms.has(form)) forms.set(form, make(read.entries));
      return forms.get(form) as T;
    },
  };
  batches.set(read, batch);
  return batch;
}

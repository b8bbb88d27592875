/** A step of a reader that appends what it finds in the log to the log: it moves and appends in one commit. */
import type { Delivery, Move } from './delivery-rows.ts';
import type { Json, NewEntry } from './entry.ts';
import type { Newest } from './history.ts';
import type { Database } from './schema.ts';
import type { Store } from './store.ts';

export type Found = {
  /** The reader has read up to here. */
  to: number;
  events: NewEntry[];
  state: Json;
  /** When it must be looked at again even if the log has no more entries, in epoch ms. */
  wake_at: number | null;
  /**
   * Of events that time alone has made, after the end of the log: they hold if they directly follow that end and the log
   * takes them after this time. The log says so itself when it appends them, so that no clock but its own decides.
   */
  quiet_until: number | null;
  /** Writes the rows that were derived, in the transaction that moves the reader. */
  write?: (db: Database) => Promise<void>;
};

/** What a kind of readers finds. The same entries must give the same events, whatever the steps. */
export type Finder = { find(row: Delivery, end: Newest, store: FinderStore): Promise<Found> };
export type FinderStore = Pick<Store, 'matches' | 'known' | 'reads'>;

export const finderLimits = {
  /** The pause of a reader that has read everything. */
  idle_ms: 1_000,
  /** The pause after the log has gone on meanwhile, or has an earlier time than this process. */
  again_ms: 250,
} as const;

/** Appends what a reader that was taken has found, and moves it. Resolves to when its next step is due, as stepDelivery. */
export async function moveFound(
  { store, notify }: { store: Pick<Store, 'derive' | 'deliveries'>; notify?: ((id: number) => void) | undefined },
  row: Delivery,
  end: Newest,
  { to, events, state, wake_at, quiet_until, write }: Found,
): Promise<number | null> {
  const { idle_ms, again_ms } = finderLimits;
  const due_ms = to < end.id ? 0 : idle_ms;
  const move: Move = {
    pending: wake_at === null ? null : { wake_at: new Date(wake_at).toISOString() },
    state,
    due_ms,
    attempts: 0,
    error: null,
    ok: true,
    keep: false,
    refused: [],
  };
  if (events.length === 0 && !write) return (await store.deliveries.move(row, to, move)) ? due_ms : null;
  const appended = await store.derive(row, to, move, events, quiet_until, write);
  if (appended === 'early') return again_ms;
  const last = appended?.at(-1);
  if (last) notify?.(last.id);
  return appended && due_ms;
}

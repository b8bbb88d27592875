/**
 * A position in the log as text: `<id>-<mark>`. Ids begin again in another log, and after a restore from a backup the
 * same ids are given to other events. The mark is when the event with this id was stored, so that the log itself shows
 * whether a position is one of its own, whatever way it was restored.
 */

/** `at_ms` is the event's `created_at`, or when its batch was committed; null is a bare id, which cannot be checked. */
export type Position = { id: number; at_ms: number | null };

export const writePosition = ({ id, at_ms }: Position): string =>
  at_ms === null ? String(id) : `${id}-${at_ms.toString(36)}`;

/** Reads what writePosition wrote, or a bare id; null for anything else. */
export function readPosition(text: string): Position | null {
  const [, id, mark] = /^(\d{1,16})(?:-(-?[\da-z]{1,10}))?$/.exec(text) ?? [];
  if (id === undefined || !Number.isSafeInteger(Number(id))) return null;
  return { id: Number(id), at_ms: mark === undefined ? null : Number.parseInt(mark, 36) };
}

/** The position of an event that was read. */
export function positionOf({ id, created_at }: { id: number; created_at: string }): Position {
  const at_ms = Date.parse(created_at);
  return { id, at_ms: Number.isNaN(at_ms) ? null : at_ms };
}

/** Why a position is refused whose mark is not the log's. */
export const foreignPosition = 'is from another log, or from before this one was restored from a backup';

/** Which terms of a filter an index answers. */
import type { PgColumn } from 'drizzle-orm/pg-core';
import type { Term } from './filter.ts';
import { metadataPrefix } from './metadata-path.ts';
import { activityLogs as log } from './schema.ts';
import { hasTrigram } from './search-text.ts';

/** The columns that have an index which continues with the time: entries with one value of them are read in order. */
export const orderedColumns: Partial<Record<string, PgColumn>> = {
  event_type: log.event_type,
  entity_type: log.entity_type,
  entity_id: log.entity_id,
  user_id: log.user_id,
  trace_id: log.trace_id,
  session_id: log.session_id,
};

/** Whether an index may find the entries of a term. */
export const hasIndex = ({ key, negated, values }: Term): boolean =>
  !negated &&
  (orderedColumns[key] !== undefined ||
    key.startsWith(metadataPrefix) ||
    (key === 'search' && values.some(hasTrigram)));

/** How an event is written for another system: as this log has it. */
import * as v from 'valibot';
import type { Entry } from '../../log/schema.ts';

export const mappings = ['ours'] as const;
export type Mapping = (typeof mappings)[number];

export const mapping = v.optional(v.picklist(mappings, `must be one of ${mappings.join(', ')}`), 'ours');

/** An event as JSON, in the fields of a mapping. */
export const mapped = (_mapping: Mapping, entry: Entry): string => JSON.stringify(entry);

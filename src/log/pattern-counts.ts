/**
 * What is derived of patterns, for those that ask beside the feature: totals of filters by pattern, because to mask each
 * description of a long log takes minutes, and texts.
 */
import { and, eq, inArray, sql } from 'drizzle-orm';
import type { Filter } from './filter.ts';
import type { Derivation } from './reader.ts';
import { type Database, activityLogs as log, logBatches, logIdentity, logPattern, logReaders } from './schema.ts';

/** The functions derive_patterns_<version> and forget_patterns of the migrations. */
export const patterns: Derivation = { name: 'patterns', version: 1 };

/** How many entries above the reader's cursor a count masks and counts itself. */
export const patternGap = { ids_max: 5_000 } as const;

/** The id up to which patterns are counted; null where no reader of this version counts them. */
export const patternCursor = sql`(select ${logReaders.cursor} from ${logReaders} where ${logReaders.name} = ${patterns.name}
  and ${logReaders.version} = ${patterns.version}
  and ${logReaders.log_id} = (select ${logIdentity.log_id} from ${logIdentity}))`;

/**
 * The number of entries with one of some patterns; null where the counts cannot say: another filter, a reader that is
 * behind, or a pattern that may be counted as `other` of its service.
 */
export async function patternTotal(tx: Database, { terms, where }: Filter): Promise<number | null> {
  const [term] = terms;
  if (!term || terms.length > 1 || term.key !== 'pattern' || term.negated) return null;
  const version = eq(logPattern.version, patterns.version);
  const own = and(version, inArray(logPattern.key, term.values));
  const [found] = await tx
    .select({
      derived: sql`(select coalesce(sum(${logPattern.n}), 0) from ${logPattern} where ${own})`.mapWith(Number),
      known: sql`(select count(*) from ${logPattern} where ${own})`.mapWith(Number),
      others: sql`(select count(*) from ${logPattern} where ${and(version, eq(logPattern.key, 'other'))})`.mapWith(
        Number,
      ),
      above: sql`(select count(*) from ${log} where ${log.id} > ${patternCursor}
        and ${log.id} <= ${patternCursor} + ${patternGap.ids_max}::bigint and ${where})`.mapWith(Number),
      gap: sql<unknown>`coalesce((select max(${logBatches.last_id}) from ${logBatches}), 0) - ${patternCursor}`,
    })
    .from(sql`(select) as nothing`);
  if (!found || found.gap === null || Number(found.gap) < 0 || Number(found.gap) > patternGap.ids_max) return null;
  if (found.others > 0 && found.known < term.values.length) return null;
  return found.derived + found.above;
}

/**
 * The services and texts of patterns by their keys: of those that the reader has come to, and that have a count of their
 * own. A service is '' where there is none.
 */
export async function patternTexts(db: Database, keys: string[]): Promise<Map<string, PatternText>> {
  const { key, service, text } = logPattern;
  const found = await db
    .select({ key, service, text })
    .from(logPattern)
    .where(and(eq(logPattern.version, patterns.version), inArray(key, keys)));
  return new Map(found.map((row) => [row.key, row]));
}

export type PatternText = { service: string; text: string };

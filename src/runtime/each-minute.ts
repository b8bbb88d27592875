/** What the features do once a minute. */
import type { Store } from '../log/store.ts';
import type { Feature, Parts, Report } from '../parts.ts';

/** Does it for each feature, one after the other. A failure is logged: the next minute tries again. */
export async function doEachMinute(
  features: readonly Feature[],
  store: Store,
  limits: Parts['limits'],
  report: Report,
): Promise<void> {
  for (const { name, eachMinute } of features)
    await eachMinute?.(store, limits).catch((error) =>
      report(`the minute’s work of ${name} failed`, error, { level: 'warn' }),
    );
}

/** Statistics, totals, facets and the histogram of the generated log, compared with those of a small one. */
import { timesOf, withBothLogs } from './ask.ts';
import type { Context, Measurement, Row } from './measurement.ts';

const tries = 30;
const answer_ms_max = 20;
const ratio_max = 2;

const questions: [path: string, what: string][] = [
  ['/api/logs/stats', 'statistics'],
  ['/api/logs/stats?event_type=UPDATE&entity_type=order', 'statistics of two fields'],
  ['/api/logs?limit=1&event_type=UPDATE&entity_type=order', 'a list with its total'],
  ['/logs/counts', 'total, facets and histogram of the page'],
  ['/logs/counts?event_type=UPDATE', 'total, facets and histogram of an event type'],
];

async function measureCounts(context: Context): Promise<Row[]> {
  const { rows_n } = context;
  return withBothLogs(context, async (large, small) => {
    const rows: Row[] = [];
    for (const [path, what] of questions) {
      const ofSmall = await timesOf(small.port, path, tries);
      const ofLarge = await timesOf(large.port, path, tries);
      const name = `count: ${what}, ${rows_n.toLocaleString('en')} rows`;
      rows.push(
        { name, value: ofLarge.median, unit: 'ms', goal: { at_most: answer_ms_max }, steady: false },
        {
          name: `${name}, against 100,000`,
          value: ofLarge.median,
          unit: 'ms',
          reference: { name: 'ms for 100,000 rows', value: ofSmall.median },
          goal: { at_most: ratio_max },
          steady: true,
        },
      );
    }
    return rows;
  });
}

export const countMeasurements: Measurement[] = [{ name: 'count', measure: measureCounts }];

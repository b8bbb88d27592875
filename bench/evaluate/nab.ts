/** The series detector on the Numenta Anomaly Benchmark. */
import { createSeriesScorer } from '../../src/features/unusual/series.ts';
import { readSeries, type Series } from './nab-files.ts';
import { profiles, scoreOf } from './nab-score.ts';
import { atLeast, atMost, type Part, type Row } from './part.ts';

function scoresOf({ times, values }: Series, n = values.length): Float64Array {
  const scorer = createSeriesScorer();
  return Float64Array.from({ length: n }, (_, i) => scorer.score(times[i] ?? 0, values[i] ?? 0));
}

async function run(folder: string): Promise<Row[]> {
  const series = await readSeries(folder);
  const points = series.reduce((sum, { values }) => sum + values.length, 0);
  for (const each of series) scoresOf(each);
  const started = performance.now();
  const corpus = series.map((each) => ({ scores: scoresOf(each), windows: each.windows }));
  const us = ((performance.now() - started) * 1_000) / points;
  const [even, odd] = [0, 1].map((rest) => corpus.filter((_, i) => i % 2 === rest)) as [typeof corpus, typeof corpus];
  const prefixes = series.filter((each, i) => {
    const half = each.values.length >> 1;
    return scoresOf(each, half).every((score, at) => score === corpus[i]?.scores[at]);
  });
  const { standard } = profiles;
  return [
    atLeast(`${series.length} series, ${points} points: standard profile`, scoreOf(corpus, standard).score, 59),
    ...(['low FP', 'low FN'] as const).map((name) => ({
      what: `${name} profile`,
      measured: scoreOf(corpus, profiles[name]).score.toFixed(1),
    })),
    { what: 'the one threshold of the standard profile', measured: scoreOf(corpus, standard).threshold.toFixed(4) },
    ...(
      [
        [even, odd],
        [odd, even],
      ] as const
    ).map(([given, judged], i) => ({
      what: `every second series from the ${i === 0 ? 'first' : 'second'} on, threshold from the others`,
      measured: scoreOf(given, standard, scoreOf(judged, standard).threshold).score.toFixed(1),
    })),
    atMost('time of a point', us, 5, 2, ' µs'),
    atLeast('series whose first half alone has the same scores', (100 * prefixes.length) / series.length, 100, 0, ' %'),
  ];
}

export const nab: Part = { name: 'nab', folder: 'nab', run };

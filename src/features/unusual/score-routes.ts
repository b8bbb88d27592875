/** `POST /api/unusual/score`: the scores of a series that is sent, to try what the log's own series are judged by. */
import { eventLoopTurn } from '../../http/pause.ts';
import { Problem } from '../../http/problem.ts';
import { readText } from '../../http/request.ts';
import { type App, allowMethods, type Parts, requireRight } from '../../parts.ts';
import { linesOf, pointOf } from './points.ts';
import { createSeriesScorer } from './series.ts';

/** Points after which other requests have a turn: about 3 ms. */
const turn_points = 2_000;

export function scoreRoutes(app: App, parts: Parts): void {
  app.post('/api/unusual/score', requireRight(parts, 'read'), async (c) => {
    // Read before it is refused: workerd resets the connection of a request whose body was not.
    const text = await readText(c, parts.limits.BODY_BYTES_MAX);
    if (!/^text\/(csv|plain)\b/i.test(c.req.header('content-type') ?? ''))
      throw new Problem(415, 'Send the series as text/csv: lines of timestamp,value.');
    return c.json({ scores: await scoresOf(text) });
  });
  allowMethods(app, '/api/unusual/score', 'POST');
}

async function scoresOf(text: string): Promise<number[]> {
  const scorer = createSeriesScorer();
  const scores: number[] = [];
  for (const [line, row] of linesOf(text)) {
    const { at, value } = pointOf(line, row);
    scores.push(Math.round(scorer.score(at, value) * 1e4) / 1e4);
    if (scores.length % turn_points === 0) await eventLoopTurn();
  }
  return scores;
}

/** The text of GET /metrics, read as Prometheus reads it. */

/** The samples by name and labels, as they are written: `edgetrail_followers{transport="sse"}`. */
export type Samples = ReadonlyMap<string, number>;

export function samplesOf(text: string): Samples {
  const samples = text
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line): [string, number] => {
      const space = line.lastIndexOf(' ');
      return [line.slice(0, space), Number(line.slice(space + 1).replace('+Inf', 'Infinity'))];
    });
  const found = new Map(samples);
  if (found.size < samples.length) throw new Error('a series is written twice');
  return found;
}

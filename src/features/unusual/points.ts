/** Reads the lines of a series, `timestamp,value`, with or without a header. */
import { Problem } from '../../http/problem.ts';

export const seriesLimits = { points_max: 100_000 } as const;

const time = /^(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d(?::\d\d(?:\.\d+)?)?)(Z|[+-]\d\d:\d\d)?$/;

/** A time as RFC 3339 or SQL writes it, in epoch ms. Without a zone it is UTC. */
function timeOf(text: string): number {
  const [, date, clock, zone = 'Z'] = time.exec(text) ?? [];
  return date ? Date.parse(`${date}T${clock}${zone}`) : Number.NaN;
}

const numberOf = (text: string) => (text.trim() === '' ? Number.NaN : Number(text));
const plain = (cell: string) => cell.trim().replace(/^"(.*)"$/, '$1');

export type Point = { at: number; value: number };

/** The lines with a point, and the number of each. */
export function linesOf(text: string): [line: number, text: string][] {
  const { points_max } = seriesLimits;
  // A header, and what shows that there is more. Blank lines count.
  const lines = text.split('\n', points_max + 3);
  const filled = lines.flatMap((line, i): [number, string][] => (line.trim() === '' ? [] : [[i + 1, line]]));
  const [first] = filled;
  const isHeader = first?.[1].split(',').every((cell) => !/^["\s]*[-+.\d]/.test(cell));
  const points = isHeader ? filled.slice(1) : filled;
  if (points.length > points_max || lines.length === points_max + 3)
    throw new Problem(413, `A series may have at most ${points_max} points.`);
  return points;
}

/** A point of a line. Throws a 422 that names the line. */
export function pointOf(line: number, text: string): Point {
  const cells = text.split(',');
  const [first = '', second = ''] = cells;
  const at = timeOf(plain(first));
  const value = numberOf(plain(second));
  const reason =
    cells.length !== 2
      ? 'must be timestamp,value'
      : Number.isNaN(at)
        ? 'the timestamp must be like 2026-11-30T08:00:00Z or 2026-11-30 08:00:00'
        : Number.isFinite(value)
          ? null
          : 'the value must be a number';
  if (reason) throw new Problem(422, `line ${line}: ${reason}`, { errors: [{ field: `line ${line}`, reason }] });
  return { at, value };
}

/** Reads the series of the Numenta Anomaly Benchmark and their labelled windows from a folder. */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';

export type Series = { name: string; times: number[]; values: number[]; windows: [from: number, to: number][] };

/** A time without a zone is UTC. */
const timeOf = (text: string) => Date.parse(`${text.replace(' ', 'T')}${/Z$|[+-]\d\d:?\d\d$/.test(text) ? '' : 'Z'}`);

export async function readSeries(folder: string): Promise<Series[]> {
  const labels: Record<string, [string, string][]> = JSON.parse(await readFile(join(folder, 'windows.json'), 'utf8'));
  const files = (await readdir(folder, { recursive: true })).filter((name) => name.endsWith('.csv.gz')).sort();
  return Promise.all(
    files.map(async (name) => {
      const text = gunzipSync(await readFile(join(folder, name))).toString('utf8');
      const rows = text.trim().split(/\r?\n/).slice(1);
      const times = rows.map((row) => timeOf(row.slice(0, row.indexOf(','))));
      const values = rows.map((row) => Number(row.slice(row.indexOf(',') + 1)));
      const windows = (labels[name.replace(/\.gz$/, '')] ?? []).map(([from, to]): [number, number] => [
        times.findIndex((at) => at >= timeOf(from)),
        times.findLastIndex((at) => at <= timeOf(to)),
      ]);
      return { name, times, values, windows };
    }),
  );
}

/**
 * `npm run bench`: runs the benchmarks and prints one table, or with `--json` one JSON text. `--only export` runs those
 * whose name contains the text, `--rows 1m` sets the size of the generated log, and `--log postgres://…` takes one of that
 * size that was generated before. `--record` writes the ratios to docs/benchmarks.json, and `--check` exits with 1 when a
 * steady ratio is worse than the recorded one by more than 30 %.
 */
import { readFile, writeFile } from 'node:fs/promises';
import { cpus } from 'node:os';
import { parseArgs } from 'node:util';
import { appendMeasurements } from './append.ts';
import { archiveMeasurements } from './archive.ts';
import { boardMeasurements } from './board.ts';
import { countMeasurements } from './count.ts';
import { type BenchDatabases, openBenchDatabases } from './databases.ts';
import { deriveMeasurements } from './derive.ts';
import { exportMeasurements } from './export.ts';
import { pageMeasurements } from './first-page.ts';
import { followMeasurements } from './follow.ts';
import { generateLog } from './generate.ts';
import { guestMeasurements } from './guests.ts';
import { listMeasurements } from './list.ts';
import { type Context, hasFallen, type Measurement, meetsGoal, type Row, ratioOf } from './measurement.ts';
import { rollupMeasurements } from './rollup.ts';
import { sealMeasurements } from './seal.ts';
import { startMeasurements } from './start.ts';
import { writeMeasurements } from './write.ts';

const measurements: Measurement[] = [
  ...appendMeasurements,
  ...writeMeasurements,
  ...exportMeasurements,
  ...followMeasurements,
  ...rollupMeasurements,
  ...deriveMeasurements,
  ...sealMeasurements,
  ...guestMeasurements,
  ...pageMeasurements,
  ...listMeasurements,
  ...countMeasurements,
  ...boardMeasurements,
  ...archiveMeasurements,
  ...startMeasurements,
];

const recordFile = new URL('../docs/benchmarks.json', import.meta.url);
type Recorded = { machine: string; ratios: Record<string, number> };

const { values: options } = parseArgs({
  options: {
    only: { type: 'string', default: '' },
    rows: { type: 'string', default: '200k' },
    log: { type: 'string', default: '' },
    json: { type: 'boolean', default: false },
    check: { type: 'boolean', default: false },
    record: { type: 'boolean', default: false },
  },
});

/** `200k`, `1m`, `10m` or a plain number. */
function rowsOf(text: string): number {
  const [, digits, unit = ''] = /^(\d+)([km]?)$/i.exec(text) ?? [];
  const rows = Number(digits) * ({ k: 1_000, m: 1_000_000 }[unit.toLowerCase()] ?? 1);
  if (!rows || rows % 1_000 !== 0) throw new Error(`--rows ${text}: must be a multiple of 1,000, such as 200k or 1m`);
  return rows;
}

const say = (text: string) => (options.json ? console.error(text) : console.log(text));

const number = (value: number) =>
  value.toLocaleString('en', value < 100 ? { maximumSignificantDigits: 3 } : { maximumFractionDigits: 0 });

const columns = [46, 18, 40, 8, 8] as const;
const cells = (texts: string[]) =>
  texts
    .map((text, i) => (i === 1 || i > 2 ? text.padStart(columns[i] ?? 0) : text.padEnd(columns[i] ?? 0)))
    .join(' ')
    .trimEnd();

function line(row: Row): string {
  const { name, value, unit, reference, goal, more = {}, note = '' } = row;
  const ratio = ratioOf(row);
  const bound = goal && ('at_least' in goal ? `≥ ${goal.at_least}` : `≤ ${goal.at_most}`);
  const isMet = meetsGoal(row);
  const texts = [
    name,
    `${number(value)} ${unit}`,
    reference ? `  ${number(reference.value)} ${reference.name}` : '',
    ratio === null ? '' : ratio.toFixed(2),
    bound ?? '',
    isMet === null ? '' : isMet ? 'met' : 'MISSED',
    ...Object.entries(more).map(([what, n]) => `${what} ${number(n)}`),
    note,
  ];
  return cells(texts);
}

const machine = () =>
  `Node ${process.version}, ${cpus().length} cores (${cpus()[0]?.model ?? 'unknown'}) that service, load, reference and database share`;

async function run(): Promise<Row[]> {
  const chosen = measurements.filter(({ name }) => name.includes(options.only));
  if (chosen.length === 0) throw new Error(`no benchmark has "${options.only}" in its name`);
  const databases = await openBenchDatabases();
  let generated: Promise<string> | null = options.log ? Promise.resolve(options.log) : null;
  let small: Promise<string> | null = null;
  const context: Context = {
    databases,
    rows_n: rowsOf(options.rows),
    generatedLog: () => (generated ??= makeLog(databases, context.rows_n)),
    smallLog: () => (small ??= makeLog(databases, small_rows)),
  };
  say(`${databases.postgres.name}; ${machine()}\n`);
  say(cells(['', 'measured', '  reference in the same run', 'ratio', 'goal']));
  const rows: Row[] = [];
  try {
    for (const { measure } of chosen) {
      for (const row of await measure(context)) {
        rows.push(row);
        say(line(row));
      }
    }
  } finally {
    await databases.close();
  }
  return rows;
}

const small_rows = 100_000;

async function makeLog(databases: BenchDatabases, rows_n: number): Promise<string> {
  const place = await databases.postgres.fresh();
  if (!('DATABASE_URL' in place)) throw new Error('the generated log is for PostgreSQL');
  const rows_per_s = await generateLog(place.DATABASE_URL, rows_n);
  say(`(a log of ${number(rows_n)} events was generated at ${number(rows_per_s)} rows/s)`);
  return place.DATABASE_URL;
}

const ratiosOf = (rows: Row[]): Record<string, number> =>
  Object.fromEntries(
    rows.flatMap((row) => {
      const ratio = ratioOf(row);
      return row.steady && ratio !== null ? [[row.name, Number(ratio.toFixed(3))]] : [];
    }),
  );

/** Adds the ratios of this run to the recorded ones: a run of some benchmarks keeps those of the others. */
async function record(rows: Row[]): Promise<void> {
  const before = await readRecord();
  const recorded: Recorded = { machine: machine(), ratios: { ...before.ratios, ...ratiosOf(rows) } };
  await writeFile(recordFile, `${JSON.stringify(recorded, null, 2)}\n`);
}

const readRecord = async (): Promise<Recorded> => JSON.parse(await readFile(recordFile, 'utf8')) as Recorded;

/** Prints the ratios that have fallen, and sets the exit status. */
async function check(rows: Row[]): Promise<void> {
  const { ratios } = await readRecord();
  for (const row of rows) {
    const recorded = ratios[row.name];
    if (recorded === undefined || !hasFallen(row, recorded)) continue;
    console.error(`${row.name}: the ratio is ${ratioOf(row)?.toFixed(2)}, recorded was ${recorded.toFixed(2)}`);
    process.exitCode = 1;
  }
}

const rows = await run();
if (options.json) {
  const printed = rows.map((row) => ({ ...row, ratio: ratioOf(row), goal_met: meetsGoal(row) }));
  console.log(JSON.stringify({ machine: machine(), rows: printed }, null, 2));
}
if (options.record) await record(rows);
if (options.check) await check(rows);

/** The conformance table: promise × target, printed at the end of a run. Nothing is left out of it without its reason. */
import { basename } from 'node:path';
import type { Reporter, TestModule } from 'vitest/node';
import { targetName, targets } from '../targets/index.ts';
import { reasons } from '../targets/reasons.ts';

/** The promises, in the order of the table; each is a file in test/conformance/, or several (`export`, `export-broken`). */
const promises: Record<string, string> = {
  writes: 'Writes',
  unreadable: 'Rows that cannot be read',
  input: 'Input, wrong and odd',
  filters: 'Filters',
  paging: 'Paging',
  stats: 'Stats',
  export: 'Export',
  sse: 'SSE',
  websocket: 'WebSocket',
  rights: 'Sign-in and rights',
  refusals: 'Refusals and errors',
  conditional: 'Unchanged answers (304)',
  cors: 'Pages of other sites (CORS)',
  viewer: 'Viewer',
  session: 'Sessions',
  conditions: 'Bad conditions',
  racing: 'Racing, two instances',
  shutdown: 'Shutdown',
};

const promiseOf = ({ moduleId }: TestModule) => {
  const [file = ''] = basename(moduleId, '.test.ts').split('-');
  return promises[file] ?? file;
};

type Cell = { passed: number; failed: number; notes: Set<string> };

/** What became of the tests of one promise on one target. */
function cellOf(modules: TestModule[]): Cell {
  const cell: Cell = { passed: 0, failed: 0, notes: new Set() };
  for (const module of modules) count(module, cell);
  return cell;
}

function count(module: TestModule, cell: Cell): void {
  const before = cell.failed;
  for (const test of module.children.allTests()) {
    const result = test.result();
    if (result.state === 'passed') cell.passed += 1;
    else if (result.state === 'failed') cell.failed += 1;
    else cell.notes.add((result.state === 'skipped' && result.note) || unnamed);
  }
  // A file that fails before its first test, or that is cut off, has none to count.
  if (module.state() !== 'passed' && module.state() !== 'skipped' && cell.failed === before) cell.failed += 1;
}

const unnamed = 'NOT RUN, for no named reason';
const named = new Set<string>(Object.values(reasons).map(({ because }) => because));

/** Prints the table of the conformance files that ran, and fails the run when something was left out unexplained. */
export class ConformanceTable implements Reporter {
  onTestRunEnd(modules: readonly TestModule[]): void {
    const ran = modules.filter(({ moduleId }) => moduleId.includes('/test/conformance/'));
    if (ran.length === 0) return;
    const { rows, notes } = tableOf(ran);
    console.log(`\n${textOf(rows)}`);
    for (const [i, note] of notes.entries()) console.log(`  (${i + 1}) ${note}`);
    console.log('');
    // Whoever asks for some tests by name leaves out the others on purpose.
    const all = ran.every(({ project }) => !project.vitest.config.testNamePattern);
    if (all && notes.some((note) => !named.has(note))) process.exitCode = 1;
  }
}

function tableOf(modules: TestModule[]): { rows: string[][]; notes: string[] } {
  const columns = targets.map(targetName).filter((name) => modules.some(({ project }) => project.name === name));
  const found = new Set(modules.map(promiseOf));
  const titles = [...Object.values(promises).filter((title) => found.delete(title)), ...found];
  const notes: string[] = [];
  const rows = titles.map((title) => [
    title,
    ...columns.map((column) => {
      const own = modules.filter((module) => promiseOf(module) === title && module.project.name === column);
      return own.length > 0 ? write(cellOf(own), notes) : '';
    }),
  ]);
  return { rows: [['', ...columns], ...rows], notes };
}

/** A cell's text; a note that is new gets the next number. */
function write({ passed, failed, notes: own }: Cell, notes: string[]): string {
  for (const note of own) if (!notes.includes(note)) notes.push(note);
  const numbers = [...own].map((note) => `(${notes.indexOf(note) + 1})`);
  const count = failed > 0 ? `${failed} failed` : passed > 0 ? `${passed}` : '–';
  return [count, ...numbers].join(' ');
}

/** Rows as columns of equal width, the first to the left and the others to the right. */
function textOf(rows: string[][]): string {
  const widths = (rows[0] ?? []).map((_, i) => Math.max(...rows.map((row) => row[i]?.length ?? 0)));
  return rows
    .map((row) =>
      row.map((cell, i) => (i === 0 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0))).join('   '),
    )
    .join('\n');
}

/** The reporter that prints the conformance table: promise × target, with the reason for each skipped test. */
import { basename } from 'node:path';
import type { Reporter, TestModule } from 'vitest/node';
import { targetName, targets } from '../targets/index.ts';
import { countOf, reasonOf } from './exit-status.ts';

/** The promises, in the order of the table; each is a file in test/conformance/, or several (`export`, `export-broken`). */
const promises: Record<string, string> = {
  writes: 'Writes',
  unreadable: 'Unreadable rows',
  input: 'Invalid and unusual input',
  filters: 'Filters',
  paging: 'Paging',
  stats: 'Stats',
  totals: 'Totals',
  export: 'Export',
  sse: 'SSE',
  websocket: 'WebSocket',
  rights: 'Sign-in and rights',
  rate: 'Rate limits',
  own: 'Own events',
  refusals: 'Refusals and errors',
  conditional: 'Conditional requests (304)',
  identity: 'Identity of the log',
  cors: 'CORS',
  metrics: 'Metrics',
  viewer: 'Viewer',
  session: 'Sessions',
  conditions: 'Outages and slow clients',
  racing: 'Concurrency, two instances',
  shutdown: 'Shutdown',
};

const promiseOf = ({ moduleId }: TestModule) => {
  const [file = ''] = basename(moduleId, '.test.ts').split('-');
  return promises[file] ?? file;
};

const unnamed = 'SKIPPED without a reason of test/targets/reasons.ts';

/** Prints the table of the conformance files that ran. */
export class ConformanceTable implements Reporter {
  onTestRunEnd(modules: readonly TestModule[]): void {
    const ran = modules.filter(({ moduleId }) => moduleId.includes('/test/conformance/'));
    if (ran.length === 0) return;
    const { rows, notes } = tableOf(ran);
    console.log(`\n${textOf(rows)}`);
    console.log(
      '  Empty, or a smaller number: the target makes no difference to the other claims (test/vitest.config.ts).',
    );
    for (const [i, note] of notes.entries()) console.log(`  (${i + 1}) ${note}`);
    console.log('');
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
      return own.length > 0 ? cellText(own, notes) : '';
    }),
  ]);
  return { rows: [['', ...columns], ...rows], notes };
}

/** The text of a cell: how many tests passed or failed, and the numbers of its notes; a new note gets the next number. */
function cellText(modules: TestModule[], notes: string[]): string {
  const { passed, failed, skipped } = countOf(modules);
  const own = new Set(skipped.map((test) => reasonOf(test) ?? unnamed));
  for (const note of own) if (!notes.includes(note)) notes.push(note);
  const numbers = [...own].map((note) => `(${notes.indexOf(note) + 1})`);
  const count = failed > 0 ? `${failed} failed` : passed > 0 ? `${passed}` : '–';
  return [count, ...numbers].join(' ');
}

/** Pads the columns to equal widths: the first is left-aligned, the others are right-aligned. */
function textOf(rows: string[][]): string {
  const widths = (rows[0] ?? []).map((_, i) => Math.max(...rows.map((row) => row[i]?.length ?? 0)));
  return rows
    .map((row) =>
      row.map((cell, i) => (i === 0 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0))).join('   '),
    )
    .join('\n');
}

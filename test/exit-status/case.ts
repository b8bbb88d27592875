/** The test file of the runs whose exit status is tested. The suite's own file names do not match it. */
import { current, green, red, unsteady } from './cases.ts';

const run = green[current] ?? red[current] ?? unsteady[current];
if (!run) throw new Error(`unknown case: ${current}`);
run();

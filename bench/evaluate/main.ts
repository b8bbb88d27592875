/**
 * `npm run evaluate -- <folder>`: runs the models on labelled data and prints a table. Each part reads one folder below
 * the given one; a part without its folder is named and left out. `--only nab` runs one part. Ends with status 1 where a
 * goal is missed.
 */
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { activity } from './activity.ts';
import { stoppedPart, tweetsPart } from './kinds.ts';
import { loghub } from './loghub.ts';
import { nab } from './nab.ts';
import { openstack } from './openstack.ts';
import type { Part } from './part.ts';
import { secrets } from './secrets.ts';
import { visitsPart } from './visits.ts';

const parts: readonly Part[] = [nab, activity, tweetsPart, stoppedPart, openstack, loghub, visitsPart, secrets];

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: { only: { type: 'string', default: '' } },
});
const [data] = positionals;
if (!data) throw new Error('npm run evaluate -- <folder>: which folder has the data?');

const wanted = parts.filter(({ name }) => name.includes(options.only));
if (wanted.length === 0)
  throw new Error(`--only ${options.only}: the parts are ${parts.map(({ name }) => name).join(', ')}`);

let missed = 0;
console.log('| part | measured | value | goal |\n|---|---|---|---|');
for (const { name, folder, run } of wanted) {
  const path = join(data, folder);
  const isThere = await stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  );
  if (!isThere) {
    console.log(`| ${name} | left out: there is no folder ${folder} | | |`);
    continue;
  }
  for (const { what, measured, goal = '', met = true } of await run(path)) {
    if (!met) missed += 1;
    console.log(`| ${name} | ${what} | ${measured} | ${goal}${met ? '' : ' **missed**'} |`);
  }
}
if (missed > 0) process.exitCode = 1;

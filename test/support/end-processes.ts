/** A setup file: ends the processes and services that a test file has started. vitest runs it for each file, also where files share modules. */
import { afterAll } from 'vitest';
import { runAtEnd } from './at-end.ts';
import { endCommands } from './command.ts';
import { stopServices } from './harness.ts';
import { endServices } from './process.ts';

// Here and not where a process is started: a hook that a running test registers is never called.
afterAll(async () => {
  endCommands();
  await stopServices();
  await endServices();
  await runAtEnd();
});

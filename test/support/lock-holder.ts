/** A process that locks a folder, prints the outcome, and holds the lock until SIGTERM. Runs on Node and Bun. */
import { lockFolder } from '../../src/runtime/data-dir-lock.ts';

const hold = setInterval(() => {}, 1_000);
try {
  const unlock = await lockFolder(process.argv[2] ?? '');
  process.on('SIGTERM', async () => {
    await unlock();
    process.exit(0);
  });
  console.log('locked');
} catch (error) {
  console.log(String(error));
  clearInterval(hold);
}

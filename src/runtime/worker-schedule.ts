/** The Worker's cron schedule, each minute: makes the partitions of the next months, moves the inbox into the log, and counts. */
import type { Settings } from '../settings.ts';
import { openRequestDatabase } from './worker-database.ts';

/** Runs the schedule once. Rejects with the driver's error: Cloudflare shows a failed run. */
export async function runSchedule(settings: Settings): Promise<void> {
  const { store, end } = openRequestDatabase(settings);
  try {
    await store.makePartitions();
    while ((await store.drain()) > 0);
    while ((await store.rollUp()).remaining > 0);
  } finally {
    await end();
  }
}

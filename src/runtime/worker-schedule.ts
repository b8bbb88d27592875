/** The Worker's cron schedule, each minute: makes the partitions of the next months, moves the inbox into the log, and derives. */
import { features } from '../features/index.ts';
import { fetchReach } from '../http/reach.ts';
import { redactionOf, type Settings } from '../settings.ts';
import { catchUp } from './derivations.ts';
import { doEachMinute } from './each-minute.ts';
import { httpAnchors } from './http-anchors.ts';
import { report } from './report.ts';
import { sha256 } from './sha256.ts';
import { openRequestDatabase } from './worker-database.ts';

/** Runs the schedule once. Rejects with the driver's error: Cloudflare shows a failed run. */
export async function runSchedule(settings: Settings): Promise<void> {
  const { store, end } = openRequestDatabase(settings, redactionOf(settings));
  try {
    await store.makePartitions();
    while ((await store.drain()) > 0);
    await catchUp(features, {
      store,
      sha256,
      anchors: httpAnchors(settings.ANCHORS, fetchReach(settings.OUTBOUND_ALLOW)),
      limits: settings,
      report,
    });
    await doEachMinute(features, store, settings, report);
  } finally {
    await end();
  }
}

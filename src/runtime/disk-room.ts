/** diskRoom(): refuses writes before the disk of DATA_DIR is full, because PGlite does not survive a full disk. */
import { statfsSync } from 'node:fs';
import { unavailable } from '../http/problem.ts';
import type { Room } from '../log/room.ts';

const mib = 1024 * 1024;

/**
 * When the WAL cannot be extended, PostgreSQL ends its process (PANIC). PGlite runs in this process: it never returns,
 * and the service responds to nothing any more, not even to SIGTERM.
 */
export const diskLimits = {
  /**
   * Free bytes below which no events are stored. A commit of a few rows can flush the pending list of the trigram index
   * (4 MB), which writes up to 70 MB in index pages and WAL segments of 16 MB; readers write WAL, too (hint bits, because
   * pages have checksums). A batch needs its own estimate in addition.
   */
  events_free_bytes_min: 256 * mib,
  /**
   * Free bytes below which nothing is written on purpose: no session, no checkpoint, no start. What remains is for the
   * readers' hint bits: at most a few WAL segments.
   */
  free_bytes_min: 64 * mib,
} as const;

export type DiskRoom = Room & {
  /** Whether there is room for `VACUUM`, which writes as much as events do. */
  isEnoughForEvents(): boolean;
  isEnoughForFewRows(): boolean;
};

const inMib = (bytes: number) => `${Math.floor(bytes / mib).toLocaleString('en-US')} MiB`;

/** The room on the disk of a folder. `report` is called once for each outage. */
export function diskRoom(folder: string, report: (what: string, error: unknown) => void): DiskRoom {
  const { events_free_bytes_min, free_bytes_min } = diskLimits;
  let reported = false;

  // Synchronous and not cached: it takes 2 microseconds, and one commit may write 100 MB.
  const freeBytes = () => {
    const { bavail, bsize } = statfsSync(folder);
    return bavail * bsize;
  };

  function demand(bytes_min: number): void {
    const free_bytes = freeBytes();
    // Twice the limit: an outage at its edge is one outage, and one line.
    if (free_bytes >= 2 * events_free_bytes_min) reported = false;
    if (free_bytes >= bytes_min) return;
    const why = `${inMib(free_bytes)} are free and ${inMib(bytes_min)} are needed`;
    if (!reported) report('the disk of DATA_DIR is full: writes are refused', new Error(`${folder}: ${why}`));
    reported = true;
    throw unavailable(`The disk of the service is full: ${why}. Reading still works.`, 'nothing', 'disk_full');
  }

  return {
    forEvents: (bytes_max) => demand(events_free_bytes_min + bytes_max),
    forFewRows: () => demand(free_bytes_min),
    isEnoughForEvents: () => freeBytes() >= events_free_bytes_min,
    isEnoughForFewRows: () => freeBytes() >= free_bytes_min,
  };
}

/** The disk has too little room to open the database. The message says how much is needed. */
export class DiskFull extends Error {
  override name = 'DiskFull';
}

/** Throws DiskFull when there is no room to open the database in a folder; a new one needs more (40 MB and its WAL). */
export function requireRoomToOpen(folder: string, isNew: boolean): void {
  const { bavail, bsize } = statfsSync(folder);
  const bytes_min = isNew ? diskLimits.events_free_bytes_min : diskLimits.free_bytes_min;
  if (bavail * bsize < bytes_min)
    throw new DiskFull(
      `${folder}: the disk is full. ${inMib(bavail * bsize)} are free, and the embedded database needs ${inMib(bytes_min)} to open.`,
    );
}

/** The embedded database (PGlite): PostgreSQL in this process, stored in DATA_DIR. One process may open a DATA_DIR. */
import { mkdir, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { PGlite } from '@electric-sql/pglite';
import { pg_trgm } from '@electric-sql/pglite/contrib/pg_trgm';
import { drizzle } from 'drizzle-orm/pglite';
import { migrate } from 'drizzle-orm/pglite/migrator';
import { sharedReads } from '../log/reads.ts';
import { serverRoom } from '../log/room.ts';
import { lockFolder } from './data-dir-lock.ts';
import type { OpenDatabase } from './database.ts';
import { migrationsFolder, takeOverLegacy } from './database.ts';
import { type DiskRoom, diskRoom, requireRoomToOpen } from './disk-room.ts';
import { report } from './report.ts';

/** PGlite has no checkpointer and no autovacuum: without these its WAL grows and the planner has no statistics. */
const maintenance_ms = 5 * 60 * 1000;

/**
 * Opens the database in a folder (created when missing), or in memory when `folder` is null. Rejects when another
 * process has the folder open: PGlite itself has no lock, and two writers lose each other's rows.
 */
export async function openPglite(folder: string | null): Promise<OpenDatabase> {
  const unlock = folder ? await lockFolder(folder) : async () => {};
  try {
    const client = await start(folder);
    const db = drizzle({ client });
    const room = folder ? diskRoom(folder, report) : memoryRoom;
    const maintenance = setInterval(() => {
      maintain(client, room).catch((error) => report('the maintenance of the embedded database failed', error));
    }, maintenance_ms);
    maintenance.unref();
    return {
      db,
      reads: sharedReads(db),
      room,
      migrate: async (logLine) => {
        await migrate(db, { migrationsFolder });
        await takeOverLegacy(db, room, logLine);
      },
      close: async () => {
        clearInterval(maintenance);
        // Both write. Without them the next start replays the WAL, as after a kill.
        if (room.isEnoughForFewRows()) {
          await client.exec('CHECKPOINT');
          await client.close();
        }
        await unlock();
      },
    };
  } catch (error) {
    await unlock();
    throw error;
  }
}

/** The database in memory. */
const memoryRoom: DiskRoom = { ...serverRoom, isEnoughForEvents: () => true, isEnoughForFewRows: () => true };

async function maintain(client: PGlite, room: DiskRoom): Promise<void> {
  // A checkpoint needs little room and lets old WAL be used again. Two calls: one exec() is one transaction, and VACUUM
  // cannot run inside a transaction.
  if (room.isEnoughForFewRows()) await client.exec('CHECKPOINT');
  if (room.isEnoughForEvents()) await client.exec('VACUUM (ANALYZE)');
}

async function start(folder: string | null): Promise<PGlite> {
  const extensions = { pg_trgm };
  if (!folder) return PGlite.create({ extensions });
  const home = join(folder, 'pglite');
  const isNew = !(await exists(home));
  requireRoomToOpen(folder, isNew);
  if (isNew) {
    // A process killed during initdb leaves a folder that cannot be opened: initialize under another name, then rename.
    const unfinished = join(folder, 'pglite.unfinished');
    await rm(unfinished, { recursive: true, force: true });
    await mkdir(unfinished, { recursive: true });
    const first = await PGlite.create({ dataDir: unfinished, extensions });
    await first.close();
    await rename(unfinished, home);
  }
  return PGlite.create({ dataDir: home, extensions });
}

const exists = (path: string) =>
  stat(path).then(
    () => true,
    () => false,
  );

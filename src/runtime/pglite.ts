/** The embedded database: PostgreSQL in this process, in a folder. For one process and one machine. */
import { mkdir, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { PGlite } from '@electric-sql/pglite';
import { pg_trgm } from '@electric-sql/pglite/contrib/pg_trgm';
import { drizzle } from 'drizzle-orm/pglite';
import { migrate } from 'drizzle-orm/pglite/migrator';
import type { OpenDatabase } from './database.ts';
import { migrationsFolder, takeOverLegacy } from './database.ts';
import { lockFolder } from './folder-lock.ts';
import { report } from './report.ts';

/** PGlite has no background workers: without these its WAL grows for ever and the planner knows nothing. */
const upkeep_ms = 5 * 60 * 1000;

/**
 * Opens the database in a folder (made when missing), or in memory when none is named. Rejects when another process
 * has the folder open: PGlite would let both write, and half of what they wrote would be gone.
 */
export async function openPglite(folder: string | null): Promise<OpenDatabase> {
  const unlock = folder ? await lockFolder(folder) : async () => {};
  try {
    const client = await start(folder);
    const db = drizzle({ client });
    const upkeep = setInterval(() => {
      // Apart: together they would be one transaction, and VACUUM refuses to run in one.
      const kept = client.exec('CHECKPOINT').then(() => client.exec('VACUUM (ANALYZE)'));
      kept.catch((error) => report("the embedded database's upkeep failed", error));
    }, upkeep_ms);
    upkeep.unref();
    return {
      db,
      migrate: async (say) => {
        await migrate(db, { migrationsFolder });
        await takeOverLegacy(db, say);
      },
      close: async () => {
        clearInterval(upkeep);
        await client.exec('CHECKPOINT');
        await client.close();
        await unlock();
      },
    };
  } catch (error) {
    await unlock();
    throw error;
  }
}

async function start(folder: string | null): Promise<PGlite> {
  const extensions = { pg_trgm };
  if (!folder) return PGlite.create({ extensions });
  const home = join(folder, 'pglite');
  if (!(await exists(home))) {
    // A process killed within initdb leaves a folder that never opens: it gets its name only when it is whole.
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

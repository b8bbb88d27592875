/** The migrated PGlite folder that tests copy. The first test that needs it makes it: most single files do not. */
import { cp, mkdir, rename, rm, stat } from 'node:fs/promises';
import { inject } from 'vitest';

/** Makes `folder` a DATA_DIR that is migrated and empty. */
export async function copyTemplate(folder: string): Promise<void> {
  const template = inject('templateFolder');
  const deadline = Date.now() + template_ms_max;
  while (!(await exists(template)) && !(await make(template))) {
    if (Date.now() > deadline) throw new Error(`no PGlite template after ${template_ms_max} ms`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  await cp(template, folder, { recursive: true });
}

const template_ms_max = 50_000;

const exists = (path: string) =>
  stat(path).then(
    () => true,
    () => false,
  );

/**
 * Makes the template; returns false while another process makes it. A failure releases the lock: a waiting process then
 * tries it and fails with its own reason.
 */
async function make(template: string): Promise<boolean> {
  const [lock, draft] = [`${template}.lock`, `${template}.draft`];
  try {
    await mkdir(lock);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
  try {
    if (await exists(template)) return true;
    const { openPglite } = await import('../../src/runtime/pglite.ts');
    const database = await openPglite(draft);
    await database.migrate(() => {});
    await database.close();
    await rename(draft, template);
    return true;
  } finally {
    await rm(draft, { recursive: true, force: true });
    await rm(lock, { recursive: true });
  }
}

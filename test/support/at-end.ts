/** What a test file leaves behind, removed after its tests. */

const works: (() => Promise<unknown>)[] = [];

/**
 * Runs `work` after the file's tests and after their services have ended. A hook that a running test registers is never
 * called: what may be called in a test uses this instead.
 */
export const atEnd = (work: () => Promise<unknown>): void => void works.push(work);

/** For end-processes.ts, which vitest runs for each file. */
export const runAtEnd = (): Promise<unknown> => Promise.all(works.splice(0).map((work) => work()));

/** The checkpoints that services give out under a fault, and whether the log at the end goes on from each of them: a fork would not. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { statusOf, verifyFiles } from '../../src/commands/verify.ts';
import { readNotes } from '../../src/proof/note.ts';
import { wait } from '../support/sinks/fleet.ts';
import type { Result } from './under-load.ts';

const every_ms = 250;
const answer_ms_max = 2_000;
const headers = { authorization: `Basic ${btoa('admin:admin-password')}` };

/** Asks each service for its checkpoint, again and again; one that is killed or paused gives none. */
export function keepCheckpoints(urls: readonly string[]) {
  const kept = new Set<string>();
  const over = new AbortController();
  async function keep(url: string): Promise<void> {
    while (!over.signal.aborted) {
      const signal = AbortSignal.timeout(answer_ms_max);
      const answer = await fetch(`${url}/checkpoint`, { headers, signal }).catch(() => null);
      const note = await answer?.text().catch(() => null);
      if (answer?.status === 200 && note) kept.add(note);
      await wait(every_ms);
    }
  }
  const keeping = urls.map(keep);

  /** Ends it, and verifies the whole log of a service, to which nothing is written any more, with all that was kept. */
  return async function verified(url: string): Promise<Result> {
    over.abort();
    await Promise.all(keeping);
    const folder = await mkdtemp(join(tmpdir(), 'edgetrail-checkpoints-'));
    const fileOf = async (name: string, text: string) => {
      await writeFile(join(folder, name), text);
      return join(folder, name);
    };
    const textOf = async (path: string) => {
      const answer = await fetch(url + path, { headers });
      if (!answer.ok) throw new Error(`${path} was answered with ${answer.status} ${await answer.text()}`);
      return answer.text();
    };
    // The proof first: it seals what is new.
    const proof = await fileOf('proof', await textOf('/api/logs/export/proof'));
    const events = await fileOf('events', await textOf('/api/logs/export?format=ndjson'));
    const notes = [...kept].join('\n');
    const checkpoints = await fileOf('kept', notes);
    const report = await verifyFiles([events, proof, '--checkpoint', checkpoints]);
    await rm(folder, { recursive: true, force: true });
    return {
      numbers: { checkpoints: kept.size, verified: report.n_checked, findings: report.findings.slice(0, 3) },
      claims: {
        'the log is as it was sealed, and goes on from every checkpoint: its tree has no fork':
          kept.size > 1 && readNotes(notes).length === kept.size && report.n_checked > 0 && statusOf(report) === 0,
      },
    };
  };
}

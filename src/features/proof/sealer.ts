/** The sealer of a process: seals one step at a time, remembers what it has signed, and says why it has stopped. */
import type { Step } from '../../log/reader.ts';
import type { Store } from '../../log/store.ts';
import type { StoredCheckpoint } from '../../log/tiles.ts';
import type { Anchor, Report } from '../../parts.ts';
import type { Sha256 } from '../../proof/bytes.ts';
import { SealFault } from '../../proof/leaves.ts';
import { type Checkpoint, readCheckpoint, readNotes, readSignerKey, type SignerKey } from '../../proof/note.ts';
import { seal } from './seal.ts';

/** Anchors get the newest checkpoint at most this often: a file grows by 200 bytes each time. */
const publish_ms = 60_000;

export type SealerParts = {
  store: Pick<Store, 'tiles' | 'newest'>;
  sha256: Sha256;
  /** Signing keys as text; the first one names the log. */
  keys: readonly string[];
  anchors: readonly Anchor[];
  report: Report;
};

export type Sealer = {
  step(ids_max: number): Promise<Step>;
  /** Why nothing is sealed any more; null when all is well. */
  fault(): string | null;
  origin(): Promise<string>;
  signers(): Promise<readonly SignerKey[]>;
};

type Known = Pick<Checkpoint, 'size' | 'root'>;

/** The name of a log without a key. */
const unnamed = (log_id: string) => `edgetrail/${log_id}`;

export function createSealer({ store, sha256, keys, anchors, report }: SealerParts): Sealer {
  const { tiles } = store;
  let fault: string | null = null;
  let own: Known | null = null;
  let opened: Promise<{ origin: string; signers: SignerKey[]; unchecked: Known[] }> | null = null;
  let running: Promise<Step> | null = null;
  let published_at = Number.NEGATIVE_INFINITY;

  async function open() {
    const signers = await Promise.all(keys.map((key) => readSignerKey(key)));
    const origin = signers[0]?.name ?? unnamed((await store.newest()).log_id);
    const unchecked: Known[] = [];
    for (const { name, newest } of anchors) {
      const note = readNotes((await newest?.()) ?? '').at(-1);
      const known = note && readCheckpoint(note.text);
      if (!known) continue;
      if (known.origin !== origin)
        throw new SealFault(`the anchor ${name} has a checkpoint of ${known.origin}, and this log is ${origin}`);
      unchecked.push(known);
    }
    return { origin, signers, unchecked };
  }
  /** A failure is not remembered: an anchor or the database may have been away. */
  const ready = () => {
    opened ??= open();
    opened.catch(() => {
      opened = null;
    });
    return opened;
  };

  async function stepNow(ids_max: number): Promise<Step> {
    try {
      const { origin, signers, unchecked } = await ready();
      const known = own ? [...unchecked, own] : unchecked;
      const { checkpoint, size, ...step } = await seal({ tiles, sha256, origin, signers, known }, ids_max);
      fault = null;
      opened = Promise.resolve({ origin, signers, unchecked: unchecked.filter((one) => one.size > size) });
      if (!checkpoint) return step;
      own = checkpoint;
      publish(checkpoint);
      return step;
    } catch (error) {
      if (error instanceof SealFault) fault = error.message;
      throw error;
    }
  }

  /** Not awaited: an anchor that is away must not delay the sealing. */
  function publish({ note }: Pick<StoredCheckpoint, 'note'>): void {
    const now = performance.now();
    if (now - published_at < publish_ms) return;
    published_at = now;
    for (const { name, put } of anchors)
      put(note).catch((error) => report(`the anchor ${name} did not take a checkpoint`, error, { level: 'warn' }));
  }

  return {
    step: (ids_max) => {
      running ??= stepNow(ids_max).finally(() => {
        running = null;
      });
      return running;
    },
    fault: () => fault,
    origin: async () => (await ready()).origin,
    signers: async () => (await ready()).signers,
  };
}

const sealers = new WeakMap<Store['tiles'], Sealer>();

/** The sealer of this process for a log: its reader and its routes have the same one. */
export function sealerOf(parts: SealerParts): Sealer {
  const known = sealers.get(parts.store.tiles) ?? createSealer(parts);
  sealers.set(parts.store.tiles, known);
  return known;
}

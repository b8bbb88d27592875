/** What a process counts about its appends, as plain numbers. */
import { createHistogram, type Histogram, zeros } from '../http/metric.ts';
import { type SecretKind, secretKinds } from './secret-keys.ts';

/** Seconds of a commit. A single writer takes 0.5 ms; waiting for the lock ends after 2 s. */
const commit_bounds_s = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5];
/** Events of a commit, at most `batch_rows_max`. */
const commit_bounds_events = [1, 2, 5, 10, 25, 50, 100, 250, 500, 1_000];

export type AppendMeter = {
  /** How long each commit took, in seconds, and how many events it had. */
  seconds: Histogram;
  events: Histogram;
  /** For how long this process has stored events (`busyMs`), without the time that goes on since `busy_since`. */
  busy_ms: number;
  busy_since: number | null;
  /** Events that wait for the next commit. */
  n_waiting: number;
  /** Events that writers were told are stored, those among them that had been stored before, and rows of the inbox. */
  n_received: number;
  n_duplicates: number;
  n_drained: number;
  /** Values that looked like secrets and were replaced before they were stored. */
  redacted: Record<SecretKind, number>;
};

export const createAppendMeter = (): AppendMeter => ({
  seconds: createHistogram(commit_bounds_s),
  events: createHistogram(commit_bounds_events),
  busy_ms: 0,
  busy_since: null,
  n_waiting: 0,
  n_received: 0,
  n_duplicates: 0,
  n_drained: 0,
  redacted: zeros<SecretKind>(secretKinds),
});

/** For how long events were committed, and their writers answered and the next ones read, up to now. */
export const busyMs = ({ busy_ms, busy_since }: AppendMeter): number =>
  busy_since === null ? busy_ms : busy_ms + performance.now() - busy_since;

/** A service that a target has started. */
export type Running = {
  /** Its URL, with an IP address as the host. */
  url: string;
  /** Stops it as an operator does; rejects when it does not exit with 0. */
  stop(): Promise<void>;
  /** Its resident memory, in bytes. */
  rss_bytes(): number;
  /** Runs the scheduled work, on the runtime where only a schedule runs it. */
  scheduled?(): Promise<void>;
};

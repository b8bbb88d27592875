/** A service that a target has started. */
export type Running = {
  /** Where it answers, by IP address. */
  url: string;
  /** Ends it as an operator does; rejects when it does not end well. */
  stop(): Promise<void>;
  /** What it holds of the machine's memory. */
  rss_bytes(): number;
  /** Runs what a schedule runs, where nothing runs by itself. */
  scheduled?(): Promise<void>;
};

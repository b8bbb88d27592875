/** What the operating system knows of this process: its start, its CPU time, its memory. */
import type { ProcessUsage } from '../parts.ts';

/** The time of the start, in epoch ms. */
const started_ms = Date.now() - process.uptime() * 1_000;

export const processUsage: ProcessUsage = {
  started_ms,
  cpu_seconds: () => {
    const { user, system } = process.cpuUsage();
    return (user + system) / 1_000_000;
  },
  rss_bytes: () => process.memoryUsage.rss(),
};

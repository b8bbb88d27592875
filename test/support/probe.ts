/** Preloaded into a service under test: on SIGUSR2 it collects garbage and prints the heap and the timers. */
/// <reference path="../../node_modules/bun-types/jsc.d.ts" />

process.on('SIGUSR2', async () => {
  const usage = 'Bun' in globalThis ? await usageOnBun() : usageOnNode();
  process.stdout.write(`probe ${JSON.stringify(usage)}\n`);
});

function usageOnNode() {
  globalThis.gc?.();
  const n_timers = process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout').length;
  return { heap_bytes: process.memoryUsage().heapUsed, n_timers };
}

async function usageOnBun() {
  const { fullGC, heapStats } = await import('bun:jsc');
  fullGC();
  const { heapSize, protectedObjectTypeCounts } = heapStats();
  return { heap_bytes: heapSize, n_timers: protectedObjectTypeCounts.Timeout ?? 0 };
}

/** Preloaded into a service under test: at SIGUSR2 it collects garbage and says what is left. The product knows nothing of it. */
/// <reference path="../../node_modules/bun-types/jsc.d.ts" />

process.on('SIGUSR2', async () => {
  const left = 'Bun' in globalThis ? await leftOnBun() : leftOnNode();
  process.stdout.write(`probe ${JSON.stringify(left)}\n`);
});

function leftOnNode() {
  globalThis.gc?.();
  const n_timers = process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout').length;
  return { heap_bytes: process.memoryUsage().heapUsed, n_timers };
}

async function leftOnBun() {
  const { fullGC, heapStats } = await import('bun:jsc');
  fullGC();
  const { heapSize, protectedObjectTypeCounts } = heapStats();
  return { heap_bytes: heapSize, n_timers: protectedObjectTypeCounts.Timeout ?? 0 };
}

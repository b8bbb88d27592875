/** Disconnected followers leak nothing on Node and Bun: no follower, socket, timer or memory. */
import { leakTests } from '../support/leaks.ts';
import { startProbed } from '../support/probed.ts';

const n = 2_000;

// A leaked follower holds more than 2 KiB, a socket and, over SSE, a timer.
const grown_max = { heap_bytes: n * 1024, n_sockets: 2, n_timers: 2 };

leakTests('Node', { n, start: (settings) => startProbed(settings, 'node'), grown_max });
leakTests('Bun', { n, start: (settings) => startProbed(settings, 'bun'), grown_max });

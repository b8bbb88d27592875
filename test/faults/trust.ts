/** What proof and the removal of secrets cost the writers: events a second with both, and with neither. */
import { newSignerKey } from '../../src/proof/note.ts';
import { startFleet } from '../support/sinks/fleet.ts';
import type { FaultRun } from './run.ts';
import { inTurns, token } from './turns.ts';

export const trust: FaultRun = async ({ fresh, say, args: [wanted = '6'] }) => {
  const { signer } = await newSignerKey('faults');
  // Neither has stories to look for: what is compared is small.
  const env = { TOKENS: `load:write:${token}`, UNUSUAL_PER_DAY_MAX: '0' };
  const open = async (more: Record<string, string>) =>
    startFleet({ DATABASE_URL: await fresh(), env: { ...env, ...more }, ms_max: 30 * 60_000 });
  const on = await open({ SEAL_KEYS: signer });
  const off = await open({ PROOF: 'off', REDACT: 'off' });
  const found = await inTurns({ on, off, paths: [], wanted: Number(wanted), at_least: 0.95, say });
  await Promise.all([on.end(), off.end()]);
  return found;
};

/** A Splunk with acknowledgement while the service is killed between the collector's answer and the ack, or an ack is forgotten. */
import postgres from 'postgres';
import { ordersFrom, startFleet } from './fleet.ts';
import { splunk } from './splunk.ts';

export type AckRun = {
  DATABASE_URL: string;
  /** Kills, each after the answer of the collector was stored and before the ack. */
  n_kills: number;
  /** Every so many kills the indexer is asked once before it has indexed the batch: that takes 10 s. */
  early_every: number;
  /** Whether the sink waits for the ack of the batch that is forgotten as long as it does, which is 5 minutes, or believes that it has. */
  waits: boolean;
  say?(line: string): void;
};

export type AckResult = {
  kills: number;
  events: number;
  /** Events that are indexed more often than once, after the kills, and after an ack was forgotten. */
  sent_again_by_kills: number;
  sent_again_by_forgetting: number;
  /** Requests that were sent again with the same events, and other requests with events that were known. */
  batches_again: number;
  forgotten: number;
  waited_s: number;
  lost: number;
  faults: string[];
};

const again = (ids: number[]) => ids.length - new Set(ids).size;

export async function ackRun(run: AckRun, ms_max: number): Promise<AckResult> {
  const { DATABASE_URL, n_kills, early_every, waits, say = () => {} } = run;
  const far = await splunk('hec-token', true);
  const fleet = await startFleet({ DATABASE_URL, env: { HEC_TOKEN: 'hec-token' }, ms_max });
  const sql = postgres(DATABASE_URL, { max: 1 });
  const isNoted = async () => {
    const [row] = await sql<{ noted: boolean }[]>`
      select coalesce(pending->'note'->>'ack', '') <> '' as noted from log_readers where name = 'sink/hec'`;
    return row?.noted === true;
  };
  await fleet.put('hec', { kind: 'splunk', url: far.url, token: 'env:HEC_TOKEN', ack: true });
  await fleet.upToDate('hec');

  let n = 0;
  for (let i = 0; i < n_kills; i += 1) {
    far.isIndexed = false;
    await fleet.write(ordersFrom(n, 300));
    n += 300;
    await fleet.until('the answer of the collector is stored', isNoted);
    const { ready } = await fleet.kill();
    await ready;
    const asked = far.acksAsked;
    if (i % early_every === early_every - 1)
      await fleet.until('the indexer is asked too early', () => far.acksAsked > asked);
    far.isIndexed = true;
    await fleet.upToDate('hec');
  }
  const sent_again_by_kills = again(far.indexed);
  say(`${n_kills} kills between answer and ack: ${sent_again_by_kills} events were sent again`);

  const before = far.batches.length;
  const started = performance.now();
  far.forgets = (batch) => batch === before + 2;
  for (let i = 0; i < 3; i += 1) {
    await fleet.write(ordersFrom(n, 1_000));
    n += 1_000;
  }
  await fleet.until('the second batch is sent', () => far.batches.length === before + 2);
  await fleet.until('the answer of the collector is stored', isNoted);
  // It asks on after a restart, and its time runs on.
  await (await fleet.kill()).ready;
  if (!waits)
    await fleet.until('it is sent again', async () => {
      // Again, because a question that is under way would store the time that it has read.
      await sql`update log_readers set pending = jsonb_set(pending, '{note,sent_ms}', '1'), due_at = clock_timestamp()
                where name = 'sink/hec' and pending->'note'->>'ack' is not null`;
      return far.batches.length > before + 2;
    });
  await fleet.upToDate('hec');
  const forgotten = far.batches[before + 1]?.length ?? 0;
  const events = await fleet.head();
  await fleet.end();
  await sql.end();
  await far.close();
  const known = new Set(far.indexed);
  return {
    kills: n_kills,
    events,
    sent_again_by_kills,
    sent_again_by_forgetting: again(far.indexed) - sent_again_by_kills,
    batches_again: far.batches.length - new Set(far.batches.map((ids) => ids.join())).size,
    forgotten,
    waited_s: Math.round((performance.now() - started) / 1_000),
    lost: events - known.size,
    faults: far.faults,
  };
}

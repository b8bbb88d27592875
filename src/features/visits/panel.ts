/** The panel of a board: the latest visits as lanes, a lane a user, each with the address of exactly its events. */
import type { PanelSource } from '../../parts.ts';
import { latestVisits } from './tables.ts';
import { linkOf } from './verbs.ts';

const clock = (iso: string) => iso.replace('T', ' ').slice(0, 19);

export const visitsPanel: PanelSource = {
  keys: ['user_id', 'session_id'],
  async ask({ store }, { terms, from, to, rows_max }) {
    const values = (wanted: string) => terms.find(({ key }) => key === wanted)?.values ?? [];
    const filter = { users: values('user_id'), sessions: values('session_id'), from_ms: from, to_ms: to };
    const { visits, exact } = await store.reads((db) => latestVisits(db, filter, rows_max));
    const rows = visits.map((visit) => ({
      names: [visit.user_id ?? `session ${visit.session_id}`, clock(visit.started), clock(visit.ended)],
      value: visit.n,
      href: linkOf(visit),
      page: `/visits/${visit.visit}`,
      span: [Date.parse(visit.started), Date.parse(visit.ended)] as [number, number],
    }));
    return { columns: ['User', 'From (UTC)', 'To (UTC)'], rows, is_exact: exact };
  },
};

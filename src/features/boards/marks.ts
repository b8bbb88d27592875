/** What a panel shows, whichever its kind: its marks, each with its number and the address of its events. */
import type { GroupKey } from '../../log/aggregate-sources.ts';
import type { Parts } from '../../parts.ts';
import type { Panel } from './panel.ts';
import type { BoardQuery, PanelInterval } from './question.ts';

/** One number, as a mark of the figure and as a row of the table. */
export type Mark = {
  /** What it is of; null is a group that has no value. */
  names: (string | null)[];
  value: number;
  href: string | null;
  /** The page that tells more of it than its events do. */
  page?: string;
  /** The beginning of its interval, in epoch ms. */
  at?: number;
  /** When what it is of began and ended, in epoch ms. */
  span?: [number, number];
  /** The groups that are not named, together. */
  isOther?: true;
  /** The parts of a bar, in the order of the series. */
  parts?: number[];
  before?: { value: number; href: string | null };
};

export type PanelView = {
  panel: Panel;
  is_exact: boolean;
  cursor: number;
  interval: PanelInterval | null;
  /** What the names of the marks are. */
  columns: string[];
  marks: Mark[];
  /** The parts of the bars, or the lines. */
  series: (string | null)[];
  /** Why there is nothing. */
  fault: string | null;
  /** These are the newest, and the period has others. */
  has_more: boolean;
};

export const hrefOf = (filter: string | null) => (filter === null ? null : filter === '' ? '/logs' : `/logs?${filter}`);

const labels: Record<GroupKey, string> = {
  event_type: 'Event',
  entity_type: 'Entity type',
  entity_id: 'Entity id',
  service: 'Service',
  user_id: 'User',
  ip_address: 'Address',
  pattern: 'Pattern',
};
export const labelOf = (key: GroupKey) => labels[key];

export const empty = {
  interval: null,
  columns: [],
  marks: [],
  series: [],
  fault: null,
  is_exact: true,
  has_more: false,
};

/** Asks for what a panel shows under the filter of an address; `newest` is the id up to which events count. */
export type Ask = (parts: Parts, panel: Panel, query: BoardQuery, newest: number) => Promise<PanelView>;

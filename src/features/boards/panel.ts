/** A board and its panels: what each shows, of which events, over how long. */
import type { GroupKey } from '../../log/aggregate-sources.ts';

export const panelKinds = [
  'number',
  'bars',
  'lines',
  'top',
  'heat',
  'patterns',
  'lanes',
  'unusual',
  'seen',
  'events',
] as const;
export type PanelKind = (typeof panelKinds)[number];

/** Kinds that are a table and have no figure on the page. */
export const isList = (kind: PanelKind): boolean => kind === 'events' || kind === 'seen' || kind === 'unusual';
/** Whether a mark has a number: that of an event is its id. */
export const isNumbered = (kind: PanelKind): boolean => kind !== 'events' && kind !== 'seen';

/** The ranges that end with this hour, by their name in an address. */
export const ranges = { '24h': 1, '7d': 7, '30d': 30, '90d': 90, '1y': 365 } as const;
export type RangeName = keyof typeof ranges;
export const isRange = (text: string): text is RangeName => Object.hasOwn(ranges, text);

export type Panel = {
  title: string;
  kind: PanelKind;
  /** The query string of a filter; the filter of the address narrows it. */
  filter: string;
  /** What it is counted by: one field, or for `top` two. */
  by: GroupKey[];
  /** As `measure` of GET /api/logs/aggregate. */
  measure: string;
  /** '' is that of the address. */
  range: RangeName | '';
};

export type Board = {
  name: string;
  title: string;
  /** The parameters that it is about: fields of a form above it. */
  asks: GroupKey[];
  panels: Panel[];
};

export const panel = (title: string, kind: PanelKind, more: Partial<Panel> = {}): Panel => ({
  title,
  kind,
  filter: '',
  by: [],
  measure: 'count',
  range: '',
  ...more,
});

/** Boards that people made. Each change of one is an event of the log, and the newest event of a name is the board. */
import type { Context } from 'hono';
import * as v from 'valibot';
import { readMeasure } from '../../api/aggregate-answer.ts';
import { checked, nameOf, recordChange } from '../../api/changes.ts';
import { badField, Problem } from '../../http/problem.ts';
import { groupKeys } from '../../log/aggregate-sources.ts';
import { type Metadata, own_service } from '../../log/entry.ts';
import { filterOf } from '../../log/filter.ts';
import { readFilterText } from '../../log/filter-text.ts';
import type { Entry } from '../../log/schema.ts';
import type { Store } from '../../log/store.ts';
import type { Env, Parts } from '../../parts.ts';
import { builtIn } from './built-in.ts';
import { type Board, panelKinds, ranges } from './panel.ts';

const panels_max = 20;
/** Changes that the list of boards is made of, the newest ones. */
const changes_max = 1_000;
const saved = 'BOARD_SAVED';

const short = v.pipe(
  v.string('must be text'),
  v.minLength(1, 'must not be empty'),
  v.maxLength(100, 'must be at most 100 characters long'),
);
const range = ['', ...(Object.keys(ranges) as (keyof typeof ranges)[])] as const;
const Spec = v.strictObject({
  title: short,
  panels: v.pipe(
    v.array(
      v.strictObject({
        title: short,
        kind: v.picklist(panelKinds, `must be one of ${panelKinds.join(', ')}`),
        filter: v.optional(v.string('must be a filter'), ''),
        by: v.optional(
          v.pipe(
            v.array(v.picklist(groupKeys, `must be of ${groupKeys.join(', ')}`)),
            v.maxLength(2, 'takes at most two fields'),
          ),
          [],
        ),
        measure: v.optional(v.string('must be text'), 'count'),
        range: v.optional(v.picklist(range, `must be one of ${range.join(', ')}`), ''),
      }),
      'must be a list of panels',
    ),
    v.maxLength(panels_max, `takes at most ${panels_max} panels`),
  ),
});
export type BoardSpec = Pick<Board, 'title' | 'panels'>;

/** Checks a board as a person writes it. Throws a 400 that names each field and its fault. */
export function readBoard(body: unknown): BoardSpec {
  const { title, panels } = checked(Spec, body, 'a board');
  return {
    title,
    panels: panels.map((panel, i) => {
      if (panel.kind === 'top' && panel.by.length === 0) throw badField(`panels.${i}.by`, 'is required');
      readMeasure(panel.measure);
      return { ...panel, filter: readFilterText(panel.filter, `panels.${i}.filter`) };
    }),
  };
}

const ofBoards = (name?: string) =>
  filterOf(
    Object.entries({ service: own_service, entity_type: 'board', ...(name !== undefined && { entity_id: name }) }).map(
      ([key, value]) => ({ key, negated: false, values: [value] }),
    ),
  );

const isBuiltIn = (name: string) => builtIn.some((board) => board.name === name);

/** The board of an event; null where it was deleted, or is no board: who may write may write such an event, too. */
function boardOf({ event_type, entity_id, metadata }: Entry): Board | null {
  if (event_type !== saved || entity_id === null) return null;
  try {
    return { name: entity_id, asks: [], ...readBoard(metadata) };
  } catch (error) {
    if (error instanceof Problem) return null;
    throw error;
  }
}

const newestOf = async (store: Store, limit: number, name?: string) =>
  (await store.page(ofBoards(name), { limit, offset: 0, before: null, after: null })).logs;

/** A board by its name. Throws a 404. */
export async function findBoard(store: Store, name: string): Promise<Board> {
  const own = builtIn.find((board) => board.name === name);
  if (own) return own;
  const [newest] = await newestOf(store, 1, name);
  const board = newest && boardOf(newest);
  if (!board) throw new Problem(404, 'There is no board of this name.');
  return board;
}

/** The boards that people made, by name. */
export async function savedBoards(store: Store): Promise<Board[]> {
  const newest = new Map<string | null, Entry>();
  for (const entry of await newestOf(store, changes_max))
    if (!newest.has(entry.entity_id)) newest.set(entry.entity_id, entry);
  return [...newest.values()].flatMap((entry) => boardOf(entry) ?? []).sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** The name of a board that may be changed. */
function ownName(c: Context, name?: string): string {
  const asked = nameOf(c, 'board', name);
  if (isBuiltIn(asked)) throw new Problem(400, 'This board is of every log: save your own under another name.');
  return asked;
}

export async function saveBoard(
  c: Context<Env>,
  parts: Parts,
  name: string,
  { title, panels }: BoardSpec,
): Promise<string> {
  const own = ownName(c, name);
  await recordChange(c, parts, 'board', own, {
    type: saved,
    description: `Board ${own} was saved`,
    metadata: { title, panels } as unknown as Metadata,
  });
  return own;
}

/** Puts a panel at the end of a board, which is made where there is none of the name. */
export async function addPanel(c: Context<Env>, parts: Parts, name: string, panel: unknown): Promise<string> {
  const own = ownName(c, name);
  const board = await findBoard(parts.store, own).catch((error) => {
    if (error instanceof Problem && error.status === 404) return { title: own, panels: [] };
    throw error;
  });
  return saveBoard(c, parts, own, readBoard({ title: board.title, panels: [...board.panels, panel] }));
}

export async function deleteBoard(c: Context<Env>, parts: Parts): Promise<void> {
  const { name } = await findBoard(parts.store, ownName(c));
  await recordChange(c, parts, 'board', name, { type: 'BOARD_DELETED', description: `Board ${name} was deleted` });
}

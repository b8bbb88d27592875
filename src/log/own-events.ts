/** The events by which the product says what people did with it: which there are, how they are kept few, and how stored. */
import { type Metadata, type NewEntry, own_service, readEntry } from './entry.ts';

/** The kinds that OWN_EVENTS names. */
export const ownKinds = ['sign_in', 'export', 'refusal', 'token'] as const;
export type OwnKind = (typeof ownKinds)[number];

/** Every event type, and its kind. */
export const ownTypes = {
  SIGN_IN: 'sign_in',
  SIGN_OUT: 'sign_in',
  SIGN_IN_FAILED: 'sign_in',
  EXPORT: 'export',
  REFUSED: 'refusal',
  TOKEN_USED: 'token',
} as const satisfies Record<string, OwnKind>;

export type OwnEvent = {
  type: keyof typeof ownTypes;
  entity_type: 'user' | 'token' | 'log' | 'right';
  entity_id?: string | undefined;
  user_id?: string | undefined;
  description: string;
  ip_address?: string | undefined;
  metadata?: Metadata;
};

const limits = {
  /** What may happen at any rate is told of at once, and then at most once in this time, with its number. */
  tally_ms: 60_000,
  /** Different ones in that time; those beyond are counted together, by their type. */
  tally_max: 10,
  /** Names that have been seen today. Forgotten ones are stored once all the same, by their event_uid. */
  today_max: 10_000,
} as const;

type Tallied = { event: OwnEvent; times: number };

export type OwnEvents = ReturnType<typeof createOwnEvents>;

/** What a process remembers of its own events. It outlives the requests of a Worker. `now_ms` is a clock that nobody sets. */
export function createOwnEvents(kinds: readonly OwnKind[], now_ms: () => number = () => performance.now()) {
  const tallies = new Map<string, Tallied>();
  const today = new Set<string>();
  let told_ms = Number.NEGATIVE_INFINITY;

  const isOn = ({ type }: Pick<OwnEvent, 'type'>): boolean => kinds.includes(ownTypes[type]);

  return {
    isOn,
    /** Counts what a client can cause at any rate. */
    count(event: OwnEvent): void {
      if (!isOn(event)) return;
      const key = JSON.stringify([event.type, event.entity_type, event.entity_id, event.user_id, event.description]);
      const counted = tallies.get(key);
      if (counted) counted.times += 1;
      else if (tallies.size < limits.tally_max) tallies.set(key, { event, times: 1 });
      else {
        const rest = { type: event.type, entity_type: event.entity_type, description: `${event.type} of others` };
        const others = tallies.get(event.type) ?? { event: rest, times: 0 };
        tallies.set(event.type, { ...others, times: others.times + 1 });
      }
    },
    /** What has been counted, unless it was told of less than a minute ago. `always` at the end of the process. */
    takeCounted(always = false): OwnEvent[] {
      if (tallies.size === 0 || (!always && now_ms() - told_ms < limits.tally_ms)) return [];
      told_ms = now_ms();
      const taken = [...tallies.values()].map(({ event, times }) => ({
        ...event,
        description: times > 1 ? `${event.description} (${times} times)` : event.description,
        metadata: { ...event.metadata, times },
      }));
      tallies.clear();
      return taken;
    },
    /** Whether something is seen for the first time on this day, by this process. */
    isFirst(day: string, name: string): boolean {
      const key = `${day} ${name}`;
      if (today.has(key)) return false;
      if (today.size >= limits.today_max) today.clear();
      today.add(key);
      return true;
    },
  };
}

/** How the events of a request are stored. `keep` lets work go on after the response. */
export type OwnStore = {
  append(entries: NewEntry[]): Promise<{ entry: { id: number } }[]>;
  redact(entries: NewEntry[]): unknown;
  notify(id: number): void;
  keep(work: Promise<unknown>): void;
  report(what: string, error: unknown): void;
};

export type Recorder = ReturnType<typeof createRecorder>;

/** Records what is done with the product. Reading and following record nothing, so that nothing loops. */
export function createRecorder(own: OwnEvents, { append, redact, notify, keep, report }: OwnStore) {
  async function store(events: OwnEvent[], event_uid?: string): Promise<void> {
    if (events.length === 0) return;
    const entries = events.map((event) => entryOf(event, event_uid));
    // A filter may hold a secret that somebody searched for.
    redact(entries);
    for (const { entry } of await append(entries)) notify(entry.id);
  }

  /** What was done goes on although it could not be recorded; the service's own log says so. */
  const orReport = (storing: Promise<void>): Promise<void> =>
    storing.catch((error) => report('an event of the product itself could not be stored', error));

  return {
    /** Resolves when it is stored, or reported. */
    record: (event: OwnEvent): Promise<void> => (own.isOn(event) ? orReport(store([event])) : Promise.resolve()),
    /** Rejects when it cannot be stored. */
    demand: async (event: OwnEvent): Promise<void> => {
      if (own.isOn(event)) await store([event]);
    },
    count: own.count,
    /** The first of a day (UTC), in all processes together: the event_uid stores it once. */
    daily(type: OwnEvent['type'], name: string, make: () => Omit<OwnEvent, 'type'>): void {
      if (!own.isOn({ type })) return;
      const day = new Date().toISOString().slice(0, 10);
      if (own.isFirst(day, `${type} ${name}`))
        keep(orReport(store([{ type, ...make() }], `edgetrail:${type}:${day}:${name}`)));
    },
    /** Stores what was counted, if it is time. */
    tellCounted(always = false): void {
      const events = own.takeCounted(always);
      if (events.length > 0) keep(orReport(store(events)));
    },
  };
}

/** Records nothing. */
export const unrecorded: Recorder = createRecorder(createOwnEvents([]), {
  append: async () => [],
  redact: () => {},
  notify: () => {},
  keep: () => {},
  report: () => {},
});

function entryOf(
  { type: event_type, entity_id, user_id, ip_address, ...event }: OwnEvent,
  event_uid?: string,
): NewEntry {
  const given = { event_type, ...event, entity_id, user_id, ip_address, event_uid, service: own_service };
  const read = readEntry(Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)));
  if ('faults' in read) throw new Error(read.faults.map(({ field, reason }) => `${field}: ${reason}`).join('; '));
  return read.entry;
}

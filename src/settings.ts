/** A record of strings in, checked settings out. Reads no environment itself. A test compares docs/settings.md with these rows. */
import type { User } from './auth/auth.ts';
import { readTokens, readUsers } from './auth/credentials.ts';
import type { SignInLimits } from './auth/sign-in-limits.ts';
import { isInSome, type Network, readAddress, readNetwork } from './http/addresses.ts';
import { type RateLimit, rateLimit } from './http/rate-limit.ts';
import { queueLimits } from './log/append-queue.ts';
import { parseDatabaseUrl } from './log/database-url.ts';
import { entryLimits, isLonger } from './log/entry.ts';
import { createOwnEvents, type OwnEvents, type OwnKind, ownKinds } from './log/own-events.ts';
import { createRedaction, type Redact } from './log/redaction.ts';

type Setting<T> = { fallback: string; read(text: string): T };

/** Invalid settings: one line per fault. No line contains a secret. */
export class SettingsError extends Error {
  override name = 'SettingsError';
  readonly faults: string[];
  constructor(faults: string[]) {
    super(faults.join('\n'));
    this.faults = faults;
  }
}

const whole = (min: number, max: number) => (text: string) => {
  const value = /^\d{1,12}$/.test(text) ? Number(text) : Number.NaN;
  if (!(value >= min && value <= max)) throw new Error(`must be a whole number from ${min} to ${max}`);
  return value;
};

const setting = <T>(fallback: string, read: (text: string) => T): Setting<T> => ({ fallback, read });

/** Every setting: its default, and its parser, which throws the reason why a text is invalid. */
export const settingRows = {
  PORT: setting('9000', whole(0, 65_535)),
  HOST: setting('127.0.0.1', readHost),
  DATABASE_URL: setting('', readDatabaseUrl),
  MIGRATION_DATABASE_URL: setting('', readDatabaseUrl),
  DATA_DIR: setting('./data', readPath),
  MIGRATE: setting('on', readSwitch),
  ARCHIVE_DIR: setting('', readPath),
  PACK_AFTER_DAYS: setting('90', whole(0, 36_500)),
  USERS: setting('', readUsers),
  TOKENS: setting('', readTokens),
  PUBLIC_URL: setting('', readPublicUrl),
  CORS_ORIGINS: setting('', readOrigins),
  OWN_EVENTS: setting('on', readOwnKinds),
  TRUSTED_PROXIES: setting('', readProxies),
  SIGN_IN_NAME_PER_MINUTE_MAX: setting('5', whole(0, 1_000_000)),
  SIGN_IN_ADDRESS_PER_MINUTE_MAX: setting('30', whole(0, 1_000_000)),
  WRITE_EVENTS_PER_MINUTE_MAX: setting('0', readEventsPerMinute),
  SESSION_SECONDS_MAX: setting('43200', whole(1, 30 * 24 * 60 * 60)),
  DATABASE_CONNECTIONS_MAX: setting('10', whole(1, 1_000)),
  READ_MS_MAX: setting('15000', whole(100, 600_000)),
  BODY_BYTES_MAX: setting('1048576', whole(1_024, 64 * 1024 * 1024)),
  PROOF: setting('on', readSwitch),
  SEAL_KEYS: setting('', readSealKeys),
  ANCHORS: setting('', readAnchors),
  REDACT: setting('on', readSwitch),
  REDACT_KEYS: setting('', readKeys),
  REDACT_ALLOW: setting('', readKeys),
  POLL_MS_MIN: setting('50', whole(5, 60_000)),
  POLL_MS_MAX: setting('1000', whole(5, 60_000)),
  HEARTBEAT_MS: setting('15000', whole(50, 600_000)),
  UNSENT_BYTES_MAX: setting('1048576', whole(1_024, 64 * 1024 * 1024)),
  STALL_MS_MAX: setting('2000', whole(10, 600_000)),
  OUTBOUND_ALLOW: setting('', readNetworks),
  SINK_LEASE_MS: setting('8000', whole(500, 600_000)),
  SHUTDOWN_MS_MAX: setting('8000', whole(0, 600_000)),
  UNUSUAL_PER_DAY_MAX: setting('3', readPerDay),
  UNUSUAL_KINDS: setting('burst first_seen surge drop silence sequence', readUnusualKinds),
  SIGN_IN_TYPES: setting('LOGIN,SIGN_IN,LOGON,USER_LOGIN,ConsoleLogin', readEventTypes),
  SIGN_OUT_TYPES: setting('LOGOUT,SIGN_OUT,LOGOFF,USER_LOGOUT', readEventTypes),
} as const;

/** What each setting means, for docs/settings.md. Not in the rows: the bundle for Workers leaves this out. */
export const settingMeanings: Record<keyof typeof settingRows, string> = {
  PORT: 'the port to listen on',
  HOST: 'the address to listen on; `0.0.0.0` for all (then `USERS` is needed)',
  DATABASE_URL: '`postgres://…` of a PostgreSQL 14 or newer; empty means the embedded database',
  MIGRATION_DATABASE_URL:
    'the same database for the role that owns the tables: migrations run with it, and the role of `DATABASE_URL` [owns nothing](deploy.md#two-roles)',
  DATA_DIR: 'the folder of the embedded database',
  MIGRATE: '`off`: the service does not apply migrations itself (`npm run migrate` does)',
  ARCHIVE_DIR:
    'the folder of the [archive](archive.md); empty means the database itself, or the folder `archive` in `DATA_DIR`',
  PACK_AFTER_DAYS: 'how many days after its end a month is packed by `npm run archive -- pack`',
  USERS:
    'people, as `name:role:password` separated by white space; role `guest` or `admin`; the password plain or from `npm run hash-password`',
  TOKENS:
    'services, as `name:rights:secret` separated by white space; rights such as `write` or `read+export`; the secret of 16 characters or more, or `sha256:` and its hex digest',
  PUBLIC_URL: 'the address people use when a proxy changes the Host header: requests from its pages are ours',
  CORS_ORIGINS:
    'the other sites whose pages may read, follow and write with their visitors’ credentials, as origins such as `https://desk.example.com`, separated by white space',
  OWN_EVENTS:
    'what the service records of its own use as [events of the log](security.md#own-events): `on`, `off`, or some of `sign_in`, `export`, `refusal` and `token`, separated by white space; nothing of the users for development',
  TRUSTED_PROXIES:
    'the addresses and networks of the proxies in front of the service, such as `127.0.0.1 10.0.0.0/8`, separated by white space: what they write into `X-Forwarded-For` is the [address of the client](security.md#limits) (not on Workers)',
  SIGN_IN_NAME_PER_MINUTE_MAX:
    'how many wrong passwords for one user name an address may try a minute; `0`: without this [limit](security.md#limits)',
  SIGN_IN_ADDRESS_PER_MINUTE_MAX:
    'how many wrong passwords for any names an address may try a minute; `0`: without this limit',
  WRITE_EVENTS_PER_MINUTE_MAX:
    'how many events a minute each user and each token may write over HTTP: `0`, without a limit, or at least 1000, which one request may have',
  SESSION_SECONDS_MAX: 'how long a person who signed in with the form stays so, in seconds',
  DATABASE_CONNECTIONS_MAX: 'connections to PostgreSQL; a third of them, at most 3, are kept for writes',
  READ_MS_MAX:
    'how long one query of a reader, and an exact count, may take on PostgreSQL before it is cancelled and answered with 503, in ms (not on Workers)',
  BODY_BYTES_MAX: 'the largest request body, in bytes; a compressed one also when it is decompressed',
  PROOF: '`off`: the log is [not sealed](proof.md)',
  SEAL_KEYS:
    'the keys that sign checkpoints, from `npm run seal-key`, separated by white space; the name of the first one is that of the log',
  ANCHORS:
    'where checkpoints are kept outside of the database, each minute: `stdout`, `file:/path` or `https://…`, separated by white space',
  REDACT: '`off`: [secrets](security.md#secrets-in-events) in events are stored as they come',
  REDACT_KEYS:
    'further keys of metadata whose values are secrets, such as `iban customer_pin`, separated by white space',
  REDACT_ALLOW:
    'keys of metadata, and fields such as `description`, that are stored as they come, with all beneath them',
  POLL_MS_MIN: 'how soon the log is looked at again while rows flow, in ms',
  POLL_MS_MAX: 'how seldom the log and the inbox are looked at while nothing happens, in ms',
  HEARTBEAT_MS: 'how often a quiet live stream says that it is alive, in ms',
  UNSENT_BYTES_MAX: 'how many bytes a follower may leave unread',
  STALL_MS_MAX: 'how long a follower who left that much unread may take nothing before it is cut, in ms',
  OUTBOUND_ALLOW:
    'networks that sinks may reach although they are loopback, private or link-local, such as `127.0.0.0/8 10.0.0.0/8`, separated by white space',
  SINK_LEASE_MS: 'after how long another process goes on with the sinks of one that has died, in ms',
  SHUTDOWN_MS_MAX: 'how long running requests may take after SIGTERM, in ms',
  UNUSUAL_PER_DAY_MAX:
    'how many unusual stories a day may fire, as a mean over 90 days; less than one, such as `0.14`, for one a week; `0`: none, and stories are looked for only after somebody has asked for them',
  UNUSUAL_KINDS:
    'what may fire, of `burst`, `first_seen`, `surge`, `drop`, `silence` and `sequence`: they share the number in equal parts',
  SIGN_IN_TYPES: 'the event types by which somebody signs in, separated by commas; visits show them',
  SIGN_OUT_TYPES: 'the event types by which somebody signs out',
};

export type Settings = { [K in keyof typeof settingRows]: ReturnType<(typeof settingRows)[K]['read']> };

/**
 * Parses all settings; unset ones get their default. Throws a SettingsError with all faults: invalid values, unknown
 * EDGETRAIL_ names, and names that are one or two letters away from a setting's.
 */
export function readSettings(env: Record<string, string | undefined>): Settings {
  const faults = Object.entries(env).flatMap(([name, value]) => unknownName(name, value));
  const entries = Object.entries(settingRows).map(([name, row]) => {
    const text = env[name]?.trim() || row.fallback;
    try {
      if (isQuoted(text)) throw new Error('the value is in quotes, which are part of it: remove them');
      return [name, row.read(text)];
    } catch (error) {
      faults.push(`${name}: ${error instanceof Error ? error.message : 'cannot be read'}`);
      return [name, undefined];
    }
  });
  if (faults.length > 0) throw new SettingsError(faults);
  const settings = Object.fromEntries(entries) as Settings;
  if (settings.POLL_MS_MIN > settings.POLL_MS_MAX)
    throw new SettingsError(['POLL_MS_MIN: must not be above POLL_MS_MAX']);
  if (settings.MIGRATION_DATABASE_URL && !settings.DATABASE_URL)
    throw new SettingsError(['MIGRATION_DATABASE_URL: needs DATABASE_URL, which the service uses']);
  return settings;
}

/**
 * Container engines do not remove the quotes of an env file: `"/data"` would be a folder with quotes in its name.
 * No valid value starts with a quote; passwords may end with one.
 */
const isQuoted = (text: string) => /^["'`]/.test(text);

/** How secrets in events are replaced. */
export const redactionOf = ({ REDACT, REDACT_KEYS, REDACT_ALLOW }: Settings): Redact =>
  createRedaction({ on: REDACT, keys: REDACT_KEYS, allowed: REDACT_ALLOW });

/** What is recorded of the product's own use. With the users for development nobody is known: anybody is `admin`. */
export const ownEventsOf = (settings: Settings): OwnEvents =>
  createOwnEvents(developmentUsers(settings) ? [] : settings.OWN_EVENTS);

export const signInLimitsOf = (settings: Settings): SignInLimits => ({
  per_name: settings.SIGN_IN_NAME_PER_MINUTE_MAX,
  per_address: settings.SIGN_IN_ADDRESS_PER_MINUTE_MAX,
});

/** The limit of events that each principal may write, for one process. */
export const writeLimitOf = ({ WRITE_EVENTS_PER_MINUTE_MAX: quota }: Settings): RateLimit | undefined =>
  quota > 0 ? rateLimit({ name: 'events', quota, window_s: 60, unit: 'events' }) : undefined;

/** The development users, or null when users are set, others can reach the service, or it uses a PostgreSQL server. */
export function developmentUsers(settings: Settings): User[] | null {
  // A PUBLIC_URL means that a proxy makes a service on loopback reachable.
  if (settings.USERS.length > 0 || settings.DATABASE_URL || settings.PUBLIC_URL || !isLoopback(settings.HOST))
    return null;
  return [
    { name: 'admin', role: 'admin', password: { plain: 'admin123' } },
    { name: 'guest', role: 'guest', password: { plain: 'guest123' } },
  ];
}

/**
 * The users who may sign in. Throws a SettingsError when none are set and development users are not allowed: a service
 * with known passwords must not be reachable.
 */
export function usersOf(settings: Settings): { users: User[]; development: boolean } {
  const development = developmentUsers(settings);
  if (development) return { users: development, development: true };
  if (settings.USERS.length === 0)
    throw new SettingsError([
      'USERS: name at least one user, such as USERS="ana:admin:a-long-password". The users for development exist only ' +
        'while the service listens on loopback with the embedded database.',
    ]);
  return { users: settings.USERS, development: false };
}

const isLoopback = (host: string) => host === 'localhost' || host === '::1' || /^127(\.\d{1,3}){3}$/.test(host);

/** A misspelt DATABASE_URL would quietly start an empty embedded database: names close to ours are asked about. */
function unknownName(name: string, value = ''): string[] {
  if (name in settingRows) return [];
  if (fromKubernetes.test(`${name}=${value}`)) return [];
  if (name.startsWith('EDGETRAIL_'))
    return [`${name}: is not a setting (the client's are EDGETRAIL_URL, EDGETRAIL_TOKEN and EDGETRAIL_USER)`].filter(
      () => !clientNames.includes(name),
    );
  const meant = Object.keys(settingRows).find((known) => known.includes('_') && distance(name, known, 2) <= 2);
  return meant ? [`${name}: is not a setting; is ${meant} meant?`] : [];
}

/** Variables that Kubernetes sets in every pod of a namespace that has a Service named `edgetrail`. */
const fromKubernetes = /^EDGETRAIL_(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT_\d+_\w+)=|^EDGETRAIL_PORT=(tcp|udp):/;

/** Environment variables of the client commands. */
export const clientNames = ['EDGETRAIL_URL', 'EDGETRAIL_TOKEN', 'EDGETRAIL_USER'];

/** The Levenshtein distance, or more than `max` when the lengths alone differ by more than `max`. */
function distance(a: string, b: string, max: number): number {
  if (Math.abs(a.length - b.length) > max) return max + 1;
  let previous = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++)
      row[j] = Math.min(
        (previous[j] ?? 0) + 1,
        (row[j - 1] ?? 0) + 1,
        (previous[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1),
      );
    previous = row;
  }
  return previous[b.length] ?? max + 1;
}

function readPerDay(text: string): number {
  const value = /^\d{1,4}(\.\d{1,6})?$/.test(text) ? Number(text) : Number.NaN;
  if (!(value >= 0 && value <= 1_000)) throw new Error('must be a number from 0 to 1000');
  return value;
}

const unusualKinds = ['burst', 'first_seen', 'surge', 'drop', 'silence', 'sequence'] as const;

function readUnusualKinds(text: string): (typeof unusualKinds)[number][] {
  const words = text.split(/\s+/).filter((word) => word !== '');
  const kinds = unusualKinds.filter((kind) => words.includes(kind));
  if (kinds.length !== new Set(words).size) throw new Error(`must be of ${unusualKinds.join(', ')}`);
  return kinds;
}

function readHost(text: string): string {
  if (!/^[A-Za-z0-9.:-]+$/.test(text)) throw new Error('must be a host name or an IP address');
  return text;
}

function readPath(text: string): string {
  if (text.includes('\0')) throw new Error('must be a path');
  return text;
}

function readDatabaseUrl(text: string): string {
  if (text !== '') parseDatabaseUrl(text);
  return text;
}

function readOrigins(text: string): string[] {
  return text
    .split(/\s+/)
    .filter((word) => word !== '')
    .map((word) => {
      // An origin has no path. `*` and `null` would allow every site.
      if (!URL.canParse(word) || !/^https?:$/.test(new URL(word).protocol) || new URL(word).origin !== word)
        throw new Error('must be origins such as https://desk.example.com, without a path');
      return word;
    });
}

function readNetworks(text: string): Network[] {
  return text
    .split(/\s+/)
    .filter((word) => word !== '')
    .map((word) => {
      const network = readNetwork(word);
      if (!network) throw new Error('must be networks such as 10.0.0.0/8 or fd00::/8');
      return network;
    });
}

function readOwnKinds(text: string): readonly OwnKind[] {
  if (text === 'on') return ownKinds;
  if (text === 'off') return [];
  const words = text.split(/\s+/);
  const kinds = ownKinds.filter((kind) => words.includes(kind));
  if (kinds.length !== new Set(words).size) throw new Error(`must be on, off, or of ${ownKinds.join(', ')}`);
  return kinds;
}

function readProxies(text: string): Network[] {
  const proxies = readNetworks(text);
  // Trusting every address is to believe what a client writes of itself.
  const ends = ['0.0.0.0', '255.255.255.255'].flatMap((end) => readAddress(end) ?? []);
  if (proxies.some((proxy) => [ends.slice(0, 16), ends.slice(16)].every((end) => isInSome(end, [proxy]))))
    throw new Error('must not hold every address: each client could then name any address as its own');
  return proxies;
}

function readEventsPerMinute(text: string): number {
  const value = whole(0, 1_000_000_000)(text);
  // With fewer a full batch would never be accepted.
  if (value > 0 && value < queueLimits.batch_rows_max)
    throw new Error(`must be 0, for no limit, or at least ${queueLimits.batch_rows_max}`);
  return value;
}

function readEventTypes(text: string): string[] {
  const types = text.split(',').map((type) => type.trim());
  if (types.includes('') || types.some((type) => isLonger(type, entryLimits.label_chars_max)))
    throw new Error('must be event types such as LOGIN, separated by commas');
  return types;
}

function readKeys(text: string): string[] {
  const keys = text.split(/\s+/).filter((word) => word !== '');
  if (keys.some((key) => !/[\p{L}\p{N}]/u.test(key) || /[,;*"]/.test(key)))
    throw new Error('must be names of keys such as customer_pin, separated by white space');
  return keys;
}

function readSealKeys(text: string): string[] {
  const keys = text.split(/\s+/).filter((word) => word !== '');
  if (keys.some((key) => !/^PRIVATE\+KEY\+[^+]+\+[0-9a-f]{8}\+[A-Za-z0-9+/]{44}$/.test(key)))
    throw new Error('must be keys from npm run seal-key, separated by white space');
  return keys;
}

function readAnchors(text: string): string[] {
  const anchors = text.split(/\s+/).filter((word) => word !== '');
  if (anchors.some((anchor) => anchor !== 'stdout' && !(/^(file|https?):/.test(anchor) && URL.canParse(anchor))))
    throw new Error('must be of stdout, file:/path and https://…, separated by white space');
  return anchors;
}

function readSwitch(text: string): boolean {
  if (text !== 'on' && text !== 'off') throw new Error('must be on or off');
  return text === 'on';
}

function readPublicUrl(text: string): string {
  if (text === '') return text;
  const url = URL.canParse(text) ? new URL(text) : null;
  if (!url || !/^https?:$/.test(url.protocol)) throw new Error('must be a URL such as https://log.example.com');
  return url.origin;
}

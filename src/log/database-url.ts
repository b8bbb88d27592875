/** DATABASE_URL: parses the connection URLs that libpq, providers and ORMs print. Every part is used, noted or refused. */

export const sslModes = ['disable', 'allow', 'prefer', 'require', 'verify-ca', 'verify-full'] as const;
export type SslMode = (typeof sslModes)[number];

export type DatabaseAddress = {
  hosts: { host: string; port: number }[];
  /** The folder of a unix socket, instead of `hosts`. */
  socket_folder: string | null;
  /** Unset parts come from PGUSER, PGPASSWORD and PGDATABASE. */
  user: string | null;
  password: string | null;
  database: string | null;
  sslmode: SslMode;
  is_tls_direct: boolean;
  target: string | null;
  connections_max: number | null;
  connect_timeout_s: number | null;
  /** Parameters of the session, as the startup message has them. */
  session: Record<string, string>;
  /** One sentence for each parameter that has no effect. */
  notes: string[];
};

const default_port = 5432;

/** Characters that end a part of a URL: the usual reason why one with a password cannot be read. */
const encodingHint = 'characters such as @ : / ? # % in a user name or password must be percent-encoded (% as %25)';

/**
 * Parses a connection URL (libpq, "Connection URIs", with several hosts). Throws the reason why it cannot be used; no
 * message repeats a user, password or value, because any part of a malformed URL may be a secret.
 */
export function parseDatabaseUrl(text: string): DatabaseAddress {
  const [, authority, path = '', query = ''] =
    /^postgres(?:ql)?:\/\/((?:[^?#]*@)?[^/?#]*)(\/[^?#]*)?(?:\?(.*))?$/s.exec(text) ?? [];
  if (authority === undefined)
    throw new Error(`must be a URL such as postgres://user:password@host:5432/database; ${encodingHint}`);
  const at = authority.lastIndexOf('@');
  const [user = '', ...password] = authority.slice(0, Math.max(at, 0)).split(':');
  const given: Given = {
    host: authority.slice(at + 1),
    port: '',
    user: decode(user),
    password: decode(password.join(':')),
    database: decode(path.slice(1)),
  };
  const parameters = readQuery(query);
  for (const [name, part] of Object.entries(partParameters)) {
    const value = parameters.get(name);
    if (value !== undefined) given[part] = value;
    parameters.delete(name);
  }
  const { hosts, socket_folder } = readHosts(given.host, given.port);
  const address: DatabaseAddress = {
    hosts,
    socket_folder,
    user: given.user || null,
    password: given.password || null,
    database: given.database || null,
    // As libpq, but without the round trip where nobody can listen in.
    sslmode: socket_folder || hosts.every(({ host }) => isLoopback(host)) ? 'disable' : 'prefer',
    is_tls_direct: false,
    target: null,
    connections_max: null,
    connect_timeout_s: null,
    session: {},
    notes: [],
  };
  for (const [name, value] of parameters) {
    const use = Object.hasOwn(uses, name) ? uses[name] : undefined;
    if (!use)
      throw new Error(
        `the parameter ${printable(name)} is not known; a server setting is written ?options=-c%20name=value`,
      );
    use(address, value, name);
  }
  return address;
}

type Given = Record<'host' | 'port' | 'user' | 'password' | 'database', string>;

/** Parameters that replace a part of the URL (libpq). */
const partParameters: Record<string, keyof Given> = {
  host: 'host',
  hostaddr: 'host',
  port: 'port',
  user: 'user',
  password: 'password',
  dbname: 'database',
};

const isLoopback = (host: string) => host === 'localhost' || host === '::1' || /^127(\.\d{1,3}){3}$/.test(host);
const printable = (name: string) => (/^[\w.-]{1,50}$/.test(name) ? name : 'of that name');

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw new Error(encodingHint);
  }
}

/** libpq does not read `+` as a space, and neither does this: it may be in a password. */
function readQuery(query: string): Map<string, string> {
  const pairs = query.split('&').filter((pair) => pair !== '');
  return new Map(
    pairs.map((pair) => {
      const [name = '', ...value] = pair.split('=');
      return [decode(name), decode(value.join('='))];
    }),
  );
}

function readHosts(hostText: string, portText: string): Pick<DatabaseAddress, 'hosts' | 'socket_folder'> {
  const names = hostText.split(',').map((name) => decode(name));
  const ports = portText.split(',');
  if (names[0]?.startsWith('/')) {
    if (names.length > 1) throw new Error('several unix sockets are not supported');
    // A URL's authority cannot hold `:port` after a folder, except percent-encoded as one.
    return { hosts: [{ host: 'localhost', port: readPort(ports[0] ?? '') }], socket_folder: names[0] };
  }
  const hosts = names.map((name, i) => {
    const [, six, plain, port] = /^(?:\[([0-9A-Fa-f:.]+)\]|([^:[\]@\s]*))(?::(\d*))?$/.exec(name) ?? [];
    if (six === undefined && plain === undefined) throw new Error(`the host and port cannot be read; ${encodingHint}`);
    return { host: six ?? (plain || 'localhost'), port: readPort(port || (ports[i] ?? ports[0] ?? '')) };
  });
  return { hosts, socket_folder: null };
}

function readPort(text: string): number {
  if (text === '') return default_port;
  const port = /^\d{1,5}$/.test(text) ? Number(text) : 0;
  if (port < 1 || port > 65_535) throw new Error(`the port must be a whole number from 1 to 65535; ${encodingHint}`);
  return port;
}

type Use = (address: DatabaseAddress, value: string, name: string) => void;

const oneOf =
  <T extends string>(values: readonly T[], use: (address: DatabaseAddress, value: T) => void): Use =>
  (address, value, name) => {
    const known = values.find((candidate) => candidate === value);
    if (known === undefined) throw new Error(`${name} must be one of ${values.join(', ')}`);
    use(address, known);
  };
const count =
  (use: (address: DatabaseAddress, n: number) => void): Use =>
  (address, value, name) => {
    if (!/^\d{1,6}$/.test(value)) throw new Error(`${name} must be a whole number`);
    use(address, Number(value));
  };
const session: Use = (address, value, name) => {
  address.session[name] = value;
};
const ignored =
  (because: string): Use =>
  (address, _value, name) =>
    void address.notes.push(`${name} has no effect: ${because}`);
const refused =
  (because: string): Use =>
  (_address, _value, name) => {
    throw new Error(`${name} is not supported: ${because}`);
  };

const noClientCertificates = refused('the service does not send client certificates');

/** Every parameter that is known, and what becomes of it. */
const uses: Record<string, Use> = {
  sslmode: oneOf([...sslModes, 'no-verify'], (address, mode) => {
    address.sslmode = mode === 'no-verify' ? 'require' : mode;
  }),
  ssl: oneOf(['true', 'false', '1', '0', ...sslModes], (address, mode) => {
    const known = sslModes.find((candidate) => candidate === mode);
    address.sslmode = known ?? (mode === 'true' || mode === '1' ? 'require' : 'disable');
  }),
  sslaccept: oneOf(['strict', 'accept_invalid_certs'], (address, value) => {
    address.sslmode = value === 'strict' ? 'verify-full' : 'require';
  }),
  sslnegotiation: oneOf(['postgres', 'direct'], (address, value) => {
    address.is_tls_direct = value === 'direct';
  }),
  sslrootcert: (address, value) => {
    if (value !== 'system')
      throw new Error('sslrootcert is not supported: set the variable NODE_EXTRA_CA_CERTS to that file instead');
    address.sslmode = 'verify-full';
  },
  sslcert: noClientCertificates,
  sslkey: noClientCertificates,
  sslpassword: noClientCertificates,
  sslidentity: noClientCertificates,
  channel_binding: oneOf(['disable', 'prefer', 'require'], (address, value) => {
    if (value === 'require')
      address.notes.push(
        'channel_binding=require has no effect: the driver has no channel binding. sslmode=verify-full protects from the same attack',
      );
  }),
  schema: (address, value) => {
    if (value !== 'public') address.session.search_path = `"${value.replaceAll('"', '""')}", public`;
  },
  pgbouncer: oneOf(['true', 'false'], () => {}),
  prepare: oneOf(['true', 'false'], () => {}),
  connection_limit: count((address, n) => {
    address.connections_max = Math.max(1, n);
  }),
  connect_timeout: count((address, n) => {
    // 0 is "no limit" in libpq; the default of the service is better than none.
    address.connect_timeout_s = n || null;
  }),
  target_session_attrs: oneOf(['any', 'read-write', 'primary'], (address, value) => {
    address.target = value === 'any' ? null : value;
  }),
  client_encoding: oneOf(['utf8', 'UTF8', 'utf-8', 'UTF-8', 'auto'], () => {}),
  application_name: session,
  fallback_application_name: (address, value) => {
    address.session.application_name ??= value;
  },
  options: session,
  search_path: session,
  statement_timeout: session,
  lock_timeout: session,
  idle_in_transaction_session_timeout: session,
  pool_timeout: ignored('a request waits for a connection as long as its own deadline'),
  socket_timeout: ignored('statements have deadlines of their own'),
  pool_mode: ignored('every mode of a pooler works'),
  workaround: ignored('it is for another driver'),
  supa: ignored('it is for another driver'),
  uselibpqcompat: ignored('sslmode has the meaning of libpq'),
  gssencmode: oneOf(['disable', 'prefer'], () => {}),
  load_balance_hosts: oneOf(['disable'], () => {}),
  keepalives: ignored('TCP keepalive is always on'),
  keepalives_idle: ignored('TCP keepalive is always on'),
  keepalives_interval: ignored('TCP keepalive is always on'),
  keepalives_count: ignored('TCP keepalive is always on'),
  tcp_user_timeout: ignored('statements have deadlines of their own'),
};

/** rsyslog and syslog-ng as far sides, where Debian's packages are: each writes what it has understood as lines of JSON. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { atEnd } from '../at-end.ts';
import { freePort } from '../postgres-server.ts';
import { makeCertificates } from './certificates.ts';

export const syslogServers = ['rsyslog', 'syslog-ng'] as const;
export type SyslogServer = (typeof syslogServers)[number];

/** Debian's two packages exclude each other, so `.ci/run` unpacks the second one here. */
const unpacked = '/opt/syslog-ng';
const ng = existsSync('/usr/sbin/syslog-ng') ? '' : unpacked;
const program = { rsyslog: '/usr/sbin/rsyslogd', 'syslog-ng': `${ng}/usr/sbin/syslog-ng` };
const tls = '/usr/lib/x86_64-linux-gnu/rsyslog/lmnsd_ossl.so';

export const hasSyslog = (name: SyslogServer) =>
  existsSync(program[name]) && (name !== 'rsyslog' || existsSync(tls)) && existsSync('/usr/bin/openssl');

/** A message as a server has understood it. */
export type Received = { fields: Record<string, string>; description: string | null; header: Record<string, string> };

export type SyslogSide = {
  /** `tls://localhost:port`. */
  url: string;
  /** The certificate of its authority, as PEM. */
  ca: string;
  received(): Promise<Received[]>;
  start(): Promise<void>;
  stop(signal: 'SIGTERM' | 'SIGKILL'): Promise<void>;
};

/** More than any event has. */
const message_bytes_max = 1_000_000;

const configs: Record<SyslogServer, (folder: string, port: number) => string> = {
  // Control characters as they are: by default rsyslog writes a line break as #012.
  rsyslog: (folder, port) => `
global(workDirectory="${folder}" maxMessageSize="${message_bytes_max}" parser.escapeControlCharactersOnReceive="off"
  defaultNetstreamDriver="ossl" defaultNetstreamDriverCAFile="${folder}/ca.pem"
  defaultNetstreamDriverCertFile="${folder}/cert.pem" defaultNetstreamDriverKeyFile="${folder}/key.pem")
module(load="imtcp" streamDriver.name="ossl" streamDriver.mode="1" streamDriver.authMode="anon" maxFrameSize="${message_bytes_max}")
module(load="mmpstrucdata")
template(name="json" type="list") {
  constant(value="{") property(name="$!rfc5424-sd" outname="sd" format="jsonf")
  constant(value=",") property(name="structured-data" outname="raw" format="jsonf")
  constant(value=",") property(name="msg" outname="msg" format="jsonf")
  constant(value=",") property(name="timereported" outname="time" format="jsonf" dateFormat="rfc3339")
  constant(value=",") property(name="hostname" outname="host" format="jsonf")
  constant(value=",") property(name="app-name" outname="app" format="jsonf")
  constant(value=",") property(name="msgid" outname="msgid" format="jsonf")
  constant(value=",") property(name="pri" outname="pri" format="jsonf")
  constant(value="}\\n")
}
ruleset(name="in") {
  action(type="mmpstrucdata")
  action(type="omfile" file="${folder}/out" template="json")
}
input(type="imtcp" address="127.0.0.1" port="${port}" ruleset="in")
`,
  'syslog-ng': (folder, port) => `
@version: 3.38
options { keep-hostname(yes); use-dns(no); stats-freq(0); log-msg-size(${message_bytes_max}); ts-format(iso); frac-digits(3); };
source s { syslog(ip(127.0.0.1) port(${port}) transport("tls")
  tls(key-file("${folder}/key.pem") cert-file("${folder}/cert.pem") peer-verify(optional-untrusted))); };
destination d { file("${folder}/out" template("$(format-json --scope sdata msg=$MESSAGE time=$ISODATE host=$HOST app=$PROGRAM msgid=$MSGID pri=$PRI)\\n")); };
log { source(s); destination(d); };
`,
};

const args: Record<SyslogServer, (folder: string) => string[]> = {
  rsyslog: (folder) => ['-n', '-f', `${folder}/config`, '-i', `${folder}/pid`],
  'syslog-ng': (folder) => [
    '-F',
    '--no-caps',
    '-f',
    `${folder}/config`,
    '-R',
    `${folder}/persist`,
    '-p',
    `${folder}/pid`,
    '-c',
    `${folder}/control`,
    ...(ng ? ['--module-path', `${ng}/usr/lib/syslog-ng/3.38`] : []),
  ],
};

/** What the two programs call what they have read. */
type Line = { sd?: string; _SDATA?: Record<string, Record<string, string>>; msg: string } & Record<string, unknown>;

function read(line: string): Received {
  const { sd, _SDATA, msg, ...header } = JSON.parse(line) as Line;
  const elements = _SDATA ?? (sd ? (JSON.parse(sd) as NonNullable<Line['_SDATA']>) : {});
  // rsyslog leaves the byte order mark in the message.
  const description = msg.replace(/^\ufeff/, '');
  return {
    fields: elements['event@32473'] ?? {},
    description: description === '' ? null : description,
    header: header as Record<string, string>,
  };
}

const accepts = (port: number) =>
  new Promise<boolean>((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
const start_ms_max = 60_000;

/** Starts one; it is ended, and what it has written is removed, after the file's tests. */
export async function startSyslog(name: SyslogServer): Promise<SyslogSide> {
  const folder = await mkdtemp(join(tmpdir(), `edgetrail-${name}-`));
  const port = await freePort();
  const { ca } = await makeCertificates(folder);
  await writeFile(join(folder, 'config'), configs[name](folder, port));
  let child: ChildProcess | null = null;
  let output = '';
  const start = async () => {
    const env = { ...process.env, ...(ng && name === 'syslog-ng' && { LD_LIBRARY_PATH: `${ng}/usr/lib/syslog-ng` }) };
    const started = spawn(program[name], args[name](folder), { env, stdio: ['ignore', 'pipe', 'pipe'] });
    child = started;
    for (const stream of [started.stdout, started.stderr]) stream.on('data', (chunk) => (output += chunk));
    const until = performance.now() + start_ms_max;
    while (!(await accepts(port))) {
      if (started.exitCode !== null || performance.now() > until)
        throw new Error(`${name} does not listen:\n${output}`);
      await pause(20);
    }
  };
  const stop = async (signal: 'SIGTERM' | 'SIGKILL') => {
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, 'exit');
    child.kill(signal);
    await ended;
    await rm(join(folder, 'pid'), { force: true });
  };
  atEnd(async () => {
    await stop('SIGKILL');
    await rm(folder, { recursive: true, force: true });
  });
  await start();
  return {
    url: `tls://localhost:${port}`,
    ca: await readFile(ca, 'utf8'),
    received: async () => {
      const text = await readFile(join(folder, 'out'), 'utf8').catch(() => '');
      // A line that is being written has no end yet.
      return text
        .split('\n')
        .slice(0, -1)
        .filter((line) => line !== '')
        .map(read);
    },
    start,
    stop,
  };
}

export type Compared = { lost: number[]; changed: string[]; truncated: number[]; doubled: number };

/** Compares what a server has understood with the events as the API shows them. */
export function compare(events: Record<string, unknown>[], received: Received[]): Compared {
  const byId = new Map(received.map((one) => [Number(one.fields.id), one]));
  const result: Compared = { lost: [], changed: [], truncated: [], doubled: received.length - byId.size };
  for (const { id, description, created_at, metadata, unreadable, ...rest } of events) {
    const one = byId.get(Number(id));
    if (!one) {
      result.lost.push(Number(id));
      continue;
    }
    const { truncated, description: ended, ...fields } = one.fields;
    const expected: Record<string, unknown> = {
      id,
      ...rest,
      ...(metadata !== null && { metadata: JSON.stringify(metadata) }),
    };
    const differs = Object.entries(expected).filter(
      ([key, value]) => value !== null && fields[key] !== String(value) && !(truncated && fields[key] === undefined),
    );
    const added = Object.keys(fields).filter((key) => (expected[key] ?? null) === null);
    const [sent, arrived] = [String(description ?? ''), ended ?? one.description ?? ''];
    if (truncated ? !sent.startsWith(arrived) : sent !== arrived) differs.push(['description', arrived]);
    if (Date.parse(one.header.time ?? '') !== Date.parse(String(created_at)))
      differs.push(['created_at', one.header.time]);
    if (truncated) result.truncated.push(Number(id));
    if (differs.length + added.length > 0) result.changed.push(`${id}: ${JSON.stringify([differs, added])}`);
  }
  return result;
}

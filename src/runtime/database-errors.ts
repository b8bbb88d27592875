/** Errors of a database that is not set up for the service: one sentence each that says what to grant or create. */
import { sql } from 'drizzle-orm';
import type { Database } from '../log/schema.ts';
import { GrantError } from './grants.ts';
import { NoTlsError } from './server-connect.ts';

const version_min = 14;

/** The server is too old. */
export class OldServerError extends Error {
  override name = 'OldServerError';
}

/** An error of the connection by MIGRATION_DATABASE_URL, which is its cause. */
export class MigrationUrlError extends Error {
  override name = 'MigrationUrlError';
  constructor(cause: unknown) {
    super('the database could not be migrated', { cause });
  }
}

/** Rejects with OldServerError when the server's version is not supported. */
export async function requireVersion(db: Database): Promise<void> {
  const [server] = await db
    .select({ version: sql<string>`current_setting('server_version')` })
    .from(sql`(select) as nothing`);
  if (server && Number.parseInt(server.version, 10) < version_min)
    throw new OldServerError(`the server is PostgreSQL ${server.version}; version ${version_min} or newer is needed`);
}

/** SQLSTATE, a pattern of the message, and what to do. The first match counts. */
const remedies: [code: RegExp, message: RegExp, remedy: string][] = [
  [/^28/, /no pg_hba.conf entry.*no encryption/, 'the server accepts only TLS from this host: add ?sslmode=require'],
  [/^28/, /./, 'correct the user or the password in DATABASE_URL'],
  [/^3D000$/, /./, 'create the database with: CREATE DATABASE … OWNER …'],
  [/^42501$/, /extension/, 'as the owner of the database or a superuser, run: CREATE EXTENSION pg_trgm'],
  [
    /^42501$/,
    /for database/,
    'as the owner of the database, run: GRANT CREATE ON DATABASE … TO … (the role of DATABASE_URL)',
  ],
  [
    /^42501$/,
    /for schema/,
    'as the owner of the database, run: GRANT USAGE, CREATE ON SCHEMA … TO … (the role of DATABASE_URL)',
  ],
  [
    /^42501$/,
    /./,
    'the role of DATABASE_URL must own the tables of the log; or the owner grants it its rights: npm run migrate with MIGRATION_DATABASE_URL',
  ],
  [/^(0A000|58P01|22023)$/, /pg_trgm/, "install the server's contrib package, which has the extension pg_trgm"],
  [
    /^(42704|42883)$/,
    /trgm/,
    'pg_trgm is in a schema that is not on the search_path. Run: ALTER EXTENSION pg_trgm SET SCHEMA public, or ALTER ROLE … SET search_path',
  ],
  [/^3F000$/, /./, 'no schema of the search_path exists. Run: CREATE SCHEMA public, or ALTER ROLE … SET search_path'],
  [/^(42P01|42883)$/, /./, 'the tables are missing or out of date: run npm run migrate'],
  [/^22023$|^22P05$/, /encoding/, 'the database needs the encoding UTF8'],
  [
    /CERT|SELF_SIGNED|UNABLE_TO|ERR_TLS|ERR_SSL/,
    /./,
    "the server's certificate is not trusted: set NODE_EXTRA_CA_CERTS to the file of its authority, or use sslmode=require",
  ],
];

/** Why the database cannot be used and what to do, as one line; null for other errors. */
export function databaseRemedy(error: unknown): string | null {
  let setting = 'DATABASE_URL';
  for (let cause: unknown = error; cause instanceof Error; cause = cause.cause) {
    if (cause instanceof MigrationUrlError) setting = 'MIGRATION_DATABASE_URL';
    if (cause instanceof GrantError) return cause.message;
    if (cause instanceof NoTlsError || cause instanceof OldServerError) return `${setting}: ${cause.message}`;
    if (!('code' in cause) || typeof cause.code !== 'string') continue;
    const { code, message } = cause;
    const found = remedies.find(([codes, messages]) => codes.test(code) && messages.test(message));
    if (found) return `${setting}: ${message.split('\n')[0]} (${code}): ${found[2].replace(/\bDATABASE_URL/, setting)}`;
  }
  return null;
}

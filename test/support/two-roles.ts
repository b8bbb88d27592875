/** A log that belongs to one role, and the role of a service that owns nothing. */
import type postgres from 'postgres';
import { inject } from 'vitest';
import { serviceRole } from './databases.ts';
import { freshPostgres, sqlClient, startService, type TestService } from './harness.ts';

export type TwoRoles = {
  owner: string;
  service: string;
  /** The URL of the owner, and the settings of a service that runs as its own role. */
  ownerUrl: string;
  urls: { DATABASE_URL: string; MIGRATION_DATABASE_URL: string };
  /** Connections as the two roles. */
  own: postgres.Sql;
  serve: postgres.Sql;
  start(env?: Record<string, string>): Promise<TestService>;
};

export async function twoRoles(template?: string): Promise<TwoRoles> {
  const ownerUrl = await freshPostgres(template);
  const owner = inject('templateDatabase');
  const service = serviceRole(owner);
  const DATABASE_URL = Object.assign(new URL(ownerUrl), { username: service }).href;
  const urls = { DATABASE_URL, MIGRATION_DATABASE_URL: ownerUrl };
  return {
    owner,
    service,
    ownerUrl,
    urls,
    own: sqlClient(ownerUrl, 1),
    serve: sqlClient(DATABASE_URL, 1),
    start: (env = {}) =>
      startService('postgres', { place: { DATABASE_URL }, env: { MIGRATION_DATABASE_URL: ownerUrl, ...env } }),
  };
}

/** The code of the error of a statement, or `none`. What it has changed is undone. */
export async function refusalOf(sql: postgres.Sql, statement: string): Promise<string> {
  const undo = new Error('undo');
  try {
    await sql.begin(async (tx) => {
      await tx.unsafe(statement);
      throw undo;
    });
  } catch (error) {
    return error === undo ? 'none' : String((error as { code?: string }).code);
  }
  return 'none';
}

/** PostgreSQL's code for a missing privilege. */
export const denied = '42501';

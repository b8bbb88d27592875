/** Migrations run as the owner, who grants the service's role its rights; the service itself runs as that role. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { describe, expect, inject, it } from 'vitest';
import { serviceRole } from '../support/databases.ts';
import { freshPostgres, startService, type TestService } from '../support/harness.ts';
import { startOutcome } from '../support/process.ts';
import { denied, refusalOf, twoRoles } from '../support/two-roles.ts';

const run = promisify(execFile);
const migrate = (env: Record<string, string>) =>
  run(process.execPath, ['--import', 'tsx', 'src/commands/migrate.ts'], {
    env: { PATH: process.env.PATH ?? '', ...env },
  });
const statusOf = async (service: TestService) =>
  (await (await service.request('/status')).text()).replace(/<[^>]*>/g, ' ').replace(/\s+/g, ' ');
const event = { event_type: 'CREATE', entity_type: 'order' };

describe('with two roles', async () => {
  const roles = await twoRoles();
  const { own, serve, service } = roles;
  const role = own(service);
  // As after a restore of the tables alone, or by hand: nothing is pending.
  await own`revoke all on all tables in schema public from ${role}`;
  await own`revoke execute on function append_logs(jsonb) from ${role}`;
  await own`grant insert, update on activity_logs to ${role}`;
  await own`grant update (committed_at) on log_batches to ${role}`;
  await own`grant select on activity_logs_history to ${role}`;
  await own`create table log_later (a integer)`;
  await own`create table accounts (a integer)`;
  await own`grant update on accounts to ${role}`;
  const running = await roles.start();

  it('a start grants what is missing and takes what is too much on the tables of the log, also when nothing is pending', async () => {
    await running.write(event);
    for (const statement of [
      'update activity_logs set user_id = null',
      'insert into activity_logs (event_type) values (null)',
      'update log_batches set committed_at = null',
      'select from activity_logs_history',
    ])
      expect(await refusalOf(serve, statement), statement).toBe(denied);
    expect(await refusalOf(serve, 'select from log_later')).toBe('none');
  });

  it('a table that is not of the log keeps its rights', async () => {
    expect(await refusalOf(serve, 'update accounts set a = 1')).toBe('none');
  });

  it('/status says that the service owns nothing', async () => {
    expect(await statusOf(running)).toContain('Database role owns nothing: it can append and read events');
  });

  it('/status names the rights that it has and does not need', async () => {
    await own`grant update, delete on activity_logs to ${role}`;
    expect(await statusOf(running)).toContain(
      'owns nothing, but has more rights than it needs : DELETE on activity_logs, UPDATE on activity_logs',
    );
    await own`revoke update, delete on activity_logs from ${role}`;
  });

  it('another start changes nothing in the catalog', async () => {
    const versions = () => own`select relname, xmin from pg_class where relacl is not null order by relname`;
    const before = await versions();
    await (await roles.start()).stop();
    expect(await versions()).toEqual(before);
  });
});

describe('with one role', async () => {
  const DATABASE_URL = await freshPostgres('template0');
  const running = await startService('postgres', { place: { DATABASE_URL } });

  it('the service owns the tables, and /status says what that means', async () => {
    await running.write(event);
    expect(await statusOf(running)).toContain(
      'Database role owns the tables : who has its password can change events. MIGRATION_DATABASE_URL gives them another owner',
    );
  });

  it('the embedded database says it as well', async () => {
    expect(await statusOf(await startService('pglite'))).toContain('owns the tables: who can write to DATA_DIR can');
  });
});

describe('npm run migrate', async () => {
  const roles = await twoRoles('template0');

  it('makes the tables and grants the rights, and a service with MIGRATE=off needs no other password', async () => {
    const off = { MIGRATE: 'off' };
    expect((await startOutcome('node', roles.urls.DATABASE_URL, off)).text).toMatch(/run npm run migrate/);
    await migrate(roles.urls);
    expect((await startOutcome('node', roles.urls.DATABASE_URL, off)).first).toBe('ready');
  });

  it('a service whose role has no rights says what to run', async () => {
    await roles.own`revoke all on all tables in schema public from ${roles.own(roles.service)}`;
    await roles.own`revoke all on function make_partitions(integer) from ${roles.own(roles.service)}`;
    const { first, text } = await startOutcome('node', roles.urls.DATABASE_URL, { MIGRATE: 'off' });
    expect(first).toBe(1);
    expect(text).toMatch(/permission denied.*npm run migrate with MIGRATION_DATABASE_URL/);
  });
});

describe('MIGRATION_DATABASE_URL', async () => {
  const { urls } = await twoRoles();
  const elsewhere = await twoRoles();
  const changed = (url: string, parts: Partial<Pick<URL, 'password' | 'username'>>) =>
    Object.assign(new URL(url), parts).href;

  it.each([
    [
      'with a wrong password',
      changed(urls.MIGRATION_DATABASE_URL, { password: 'x' }),
      /MIGRATION_DATABASE_URL: .*correct the user or the password in MIGRATION_DATABASE_URL/,
    ],
    [
      'of another database',
      elsewhere.urls.MIGRATION_DATABASE_URL,
      /does not see the log of MIGRATION_DATABASE_URL: both must name the same database/,
    ],
    ['of a role that owns nothing', urls.DATABASE_URL, /MIGRATION_DATABASE_URL: .*GRANT CREATE ON DATABASE/],
  ])('%s is refused with a reason', async (_what, MIGRATION_DATABASE_URL, reason) => {
    const { first, text } = await startOutcome('node', urls.DATABASE_URL, { MIGRATION_DATABASE_URL });
    expect(first, text).toBe(1);
    expect(text).toMatch(reason);
    const command = migrate({ ...urls, MIGRATION_DATABASE_URL });
    await expect(command).rejects.toMatchObject({ code: 1, stderr: expect.stringMatching(reason) });
  });

  it('needs DATABASE_URL', async () => {
    const command = migrate({ MIGRATION_DATABASE_URL: urls.MIGRATION_DATABASE_URL });
    await expect(command).rejects.toMatchObject({ stderr: expect.stringContaining('needs DATABASE_URL') });
  });
});

it('the role of the tests is no superuser, and no member of the owner', async () => {
  const { own } = await twoRoles();
  const owner = inject('templateDatabase');
  expect(
    await own`select rolsuper, pg_has_role(oid, ${owner}::name, 'MEMBER') as member from pg_roles
      where rolname = ${serviceRole(owner)}`,
  ).toEqual([{ rolsuper: false, member: false }]);
});

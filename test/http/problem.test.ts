/** Errors of a database as problems: what the client is told, and that it is told nothing of the database. */
import { expect, it } from 'vitest';
import { appendProblemOf, problemOf } from '../../src/http/problem.ts';

/** As Drizzle wraps the driver's error. */
const errorOf = (code: string, message: string) =>
  new Error('Failed query: insert into activity_logs', { cause: Object.assign(new Error(message), { code }) });

it.each([
  ['53100', 'could not extend file "base/1/2": No space left on device', 'nothing', 'disk_full', /disk.*is full/],
  ['53200', 'out of memory', 'nothing', 'database', /cannot be reached/],
  ['53300', 'sorry, too many clients already', 'nothing', 'database', /cannot be reached/],
  ['ECONNREFUSED', 'connect ECONNREFUSED 127.0.0.1:5432', 'nothing', 'database', /cannot be reached/],
  ['ECONNRESET', 'read ECONNRESET', 'unknown', 'database', /went away/],
  ['57P01', 'terminating connection due to administrator command', 'unknown', 'database', /went away/],
  ['55P03', 'canceling statement due to lock timeout', 'nothing', 'locked', /Too many writers/],
])('an append that fails with %s is a 503 with its reason', (code, message, stored, reason, detail) => {
  const problem = appendProblemOf(errorOf(code, message));
  expect(problem).toMatchObject({ status: 503, stored, reason, message: expect.stringMatching(detail) });
  expect(JSON.stringify(problem)).not.toMatch(/base\/1|activity_logs|127\.0\.0\.1|clients|ECONN/);
});

it('an unknown error is a 500 that says nothing of it', () => {
  expect(JSON.stringify(problemOf(errorOf('XX000', 'cache lookup failed for relation 16384')))).not.toMatch(/relation/);
});

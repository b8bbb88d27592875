/** npm run test:quick: Node with PostgreSQL, without browsers, other runtimes and databases, shipped deployments and long runs. */
import suite, { project } from './vitest.config.ts';

const browsers = [
  'test/viewer/**',
  'test/http/cors.test.ts',
  'test/conformance/viewer.test.ts',
  'test/conformance/*-browser.test.ts',
];
const runtimes = ['test/runtime/**'];
const deployments = ['test/deploy/**', 'test/conformance/conditions-*.test.ts', 'test/conformance/shutdown.test.ts'];
const long = [
  'test/conformance/racing.test.ts',
  'test/conformance/export-broken.test.ts',
  // Ten thousand events through each door, in a thousand months.
  'test/log/doors.test.ts',
  'test/log/delivery-kills.test.ts',
  'test/exit-status/**',
  'test/commands/**',
];
const exclude = [...browsers, ...runtimes, ...deployments, ...long];

export default {
  ...suite,
  test: {
    ...suite.test,
    projects: [
      project('node · postgres', 'test/conformance/*.test.ts', {
        exclude,
        provide: { target: { runtime: 'node', database: 'postgres' } },
      }),
      project('node', 'test/**/*.test.ts', {
        exclude: [...exclude, 'test/conformance/**'],
        provide: { databases: ['postgres'] },
      }),
    ],
  },
};

/** The suite's own configuration, with one test file and one more set-up. */
import suite, { project } from '../vitest.config.ts';

const { globalSetup = [] } = suite.test ?? {};

export default {
  ...suite,
  test: {
    ...suite.test,
    globalSetup: [...globalSetup, 'test/exit-status/set-up.ts'],
    projects: [project('node', process.env.EXIT_STATUS_FILE ?? 'test/exit-status/case.ts')],
  },
};

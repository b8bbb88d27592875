/** The commands of docs/deploy.md fit the files in deploy/: the same paths, names and ports. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { blocks, textOf } from './pages.ts';

const run = promisify(execFile);
const commands = blocks.filter(({ page, language }) => page === 'docs/deploy.md' && language === 'sh');
const all = commands.map(({ text }) => text).join('');

describe('docs/deploy.md', () => {
  const unit = textOf('deploy/edgetrail.service');
  const unitValue = (name: string) => new RegExp(`^${name}=(.*)$`, 'm').exec(unit)?.[1] ?? '';

  it('installs the unit into the directory, the user and the settings file that the unit names', () => {
    expect(all).toContain(`cd ${unitValue('WorkingDirectory')} `);
    expect(all).toContain(` ${unitValue('User')}\n`);
    expect(all).toContain(`deploy/edgetrail.env ${unitValue('EnvironmentFile')} `);
  });

  it('mounts the folder in which the image keeps its data, and publishes its port', () => {
    const image = textOf('deploy/Containerfile');
    const [, folder = ''] = /DATA_DIR=(\S+)/.exec(image) ?? [];
    expect(all).toContain(`-v edgetrail:${folder} `);
    expect(all).toMatch(/ -p 127\.0\.0\.1:9000:9000 /);
  });

  it('names the binding and the schedule of wrangler.toml', () => {
    const worker = textOf('wrangler.toml');
    expect([/^\[\[hyperdrive\]\]$/m.test(worker), /crons = \["\* \* \* \* \*"\]/.test(worker)]).toEqual([true, true]);
    expect(textOf('docs/deploy.md')).toMatch(/under `\[\[hyperdrive\]\]`[\s\S]*A schedule runs each minute/);
  });
});

it.each(blocks.filter(({ language }) => language === 'sh').map(({ page, text }) => [page, text]))(
  '%s: a shell reads the commands %s',
  async (_page, text) => {
    await run('sh', ['-n', '-c', text]);
  },
);

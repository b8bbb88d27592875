/** `npm run hash-password`: reads a password from stdin and prints its hash for the USERS setting. */
import { createInterface } from 'node:readline/promises';
import { Writable } from 'node:stream';
import { hashPassword, writeScryptHash } from '../auth/auth.ts';
import { scrypt } from '../runtime/scrypt.ts';
import { CommandError, runAsCommand } from './connect.ts';

/** Reads the first line of stdin, without echo on a terminal. Spaces are part of the password; the line end is not. */
async function readPassword(): Promise<string> {
  const { stdin, stderr } = process;
  const discard = new Writable({ write: (_chunk, _encoding, done) => done() });
  const lines = createInterface({ input: stdin, output: discard, terminal: stdin.isTTY });
  try {
    if (stdin.isTTY) stderr.write('Password (it is not shown): ');
    for await (const line of lines) return line;
    return '';
  } finally {
    lines.close();
    if (stdin.isTTY) stderr.write('\n');
  }
}

async function main(): Promise<void> {
  const password = await readPassword();
  if (password === '') throw new CommandError('No password was given.');
  console.log(writeScryptHash(await hashPassword(password, scrypt)));
  // In double quotes a shell would expand the dollar signs.
  if (process.stdout.isTTY) console.error("Use it in USERS, in single quotes: USERS='name:admin:$scrypt$…'");
}

runAsCommand(import.meta.url, main);

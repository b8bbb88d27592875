/** `npm run hash-password`: a password from stdin, as the USERS setting keeps it, on stdout. */
import { createInterface } from 'node:readline/promises';
import { Writable } from 'node:stream';
import { hashPassword, writeScryptHash } from '../auth/auth.ts';
import { scrypt } from '../runtime/scrypt.ts';
import { CommandError, runAsCommand } from './connect.ts';

/** The first line of stdin, asked for without an echo on a terminal. Spaces belong to it; a line end does not. */
async function readPassword(): Promise<string> {
  const { stdin, stderr } = process;
  const nowhere = new Writable({ write: (_chunk, _encoding, done) => done() });
  const lines = createInterface({ input: stdin, output: nowhere, terminal: stdin.isTTY });
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
  // The dollar signs are the shell's in double quotes.
  if (process.stdout.isTTY) console.error("Use it in USERS, in single quotes: USERS='name:admin:$scrypt$…'");
}

runAsCommand(import.meta.url, main);

/** `npm run seal-key -- <name>`: prints a new key that signs checkpoints, and the one that verifies them. */
import { isKeyName, newSignerKey } from '../proof/note.ts';
import { CommandError, runAsCommand } from './connect.ts';

async function main(): Promise<void> {
  const [name = ''] = process.argv.slice(2);
  if (!isKeyName(name) || name.includes('+'))
    throw new CommandError('Usage: npm run seal-key -- <name of the log>, such as log.example.com/orders');
  const { signer, verifier } = await newSignerKey(name);
  console.log(`SEAL_KEYS=${signer}`);
  console.error(
    `Keep the line above secret: it is a setting of the service. This one verifies, and is for everybody:\n${verifier}`,
  );
}

runAsCommand(import.meta.url, main);

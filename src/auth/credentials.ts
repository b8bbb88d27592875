/** Reads users and tokens from the settings. No message repeats a part of the text: any part may be a secret. */

import { sha256 } from '../http/digest.ts';
import {
  authLimits,
  type Right,
  type Role,
  readScryptHash,
  rights,
  roles,
  type ScryptHash,
  type Token,
  type User,
} from './auth.ts';

const secret_chars_min = 16;

/** A token as configured: its secret plain, or as `sha256:` and the digest. */
export type WrittenToken = { name: string; rights: Right[]; secret: string };

/** Reads `name:role:password` separated by white space; throws what is wrong with which user. */
export function readUsers(text: string): User[] {
  const users = words(text).map((word, i) => withPosition(`user ${i + 1}`, () => readUser(word)));
  refuseDuplicateNames(users, 'users');
  return users;
}

function readUser(word: string): User {
  const [name, role, password] = threeParts(word, 'name:role:password');
  if (!isRole(role)) throw new Error('the role must be guest or admin');
  if (/^(ln)?=\d+,r=\d+,p=\d+/.test(password))
    throw new Error(
      'the password is a hash whose $ parts a shell or an env file has removed: write the value in single quotes, or each $ twice',
    );
  if (!password.startsWith('$')) return { name, role, password: { plain: password } };
  const hash = readScryptHash(password);
  if (!hash) throw new Error('the password starts with $ and is no hash that npm run hash-password makes');
  if (!hasOurCost(hash))
    throw new Error('the password was hashed at another cost: make it anew with npm run hash-password');
  return { name, role, password: { hash } };
}

/** One cost for all users: with another cost the response time would show that a user name exists. */
const hasOurCost = ({ ln, r, p }: ScryptHash) => {
  const ours = authLimits.scrypt_cost;
  return ln === ours.ln && r === ours.r && p === ours.p;
};

/** Reads `name:rights:secret` separated by white space; throws what is wrong with which token. */
export function readTokens(text: string): WrittenToken[] {
  const tokens = words(text).map((word, i) => withPosition(`token ${i + 1}`, () => readToken(word)));
  refuseDuplicateNames(tokens, 'tokens');
  return tokens;
}

function readToken(word: string): WrittenToken {
  const [name, granted, secret] = threeParts(word, 'name:rights:secret');
  const held = granted.split('+').filter(isRight);
  if (held.length !== granted.split('+').length)
    throw new Error(`the rights must be some of ${rights.join(', ')}, joined by +`);
  if (/^sha256:/.test(secret) && !/^sha256:[0-9a-f]{64}$/i.test(secret))
    throw new Error('the digest must be 64 hex digits');
  if (secret.length < secret_chars_min) throw new Error(`the secret must have at least ${secret_chars_min} characters`);
  return { name, rights: held, secret };
}

/** The tokens with the digests of their secrets; the service keeps no plain secret. */
export function tokensOf(written: WrittenToken[]): Promise<Token[]> {
  return Promise.all(
    written.map(async ({ name, rights, secret }) => ({
      name,
      rights,
      sha256: secret.startsWith('sha256:') ? hexBytes(secret.slice('sha256:'.length)) : await sha256(secret),
    })),
  );
}

const hexBytes = (hex: string) => Uint8Array.from(hex.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));

const words = (text: string) => text.split(/\s+/).filter((word) => word !== '');

const isRole = (text: string): text is Role => Object.hasOwn(roles, text);
const isRight = (text: string): text is Right => (rights as readonly string[]).includes(text);

/** Names a fault by position and not by user name: when a password contains a space, its pieces are read as names. */
function withPosition<T>(what: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw new Error(`${what}: ${error instanceof Error ? error.message : 'cannot be read'}`);
  }
}

/** `name:second:rest`, where the rest may hold colons. */
function threeParts(word: string, form: string): [string, string, string] {
  const [, name, second, rest] = /^([^:]+):([^:]+):(.+)$/.exec(word) ?? [];
  if (!name || !second || !rest) throw new Error(`must have the form ${form}, without white space`);
  return [name, second, rest];
}

function refuseDuplicateNames(named: { name: string }[], what: string): void {
  const first = named.findIndex(({ name }, i) => named.findIndex((other) => other.name === name) !== i);
  if (first >= 0) throw new Error(`two ${what} have one name (see number ${first + 1})`);
}

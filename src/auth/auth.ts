/** Authentication and rights: HTTP Basic for people (RFC 7617), bearer tokens for services (RFC 6750). */

import { sourceOf } from '../http/client-address.ts';
import { sha256 } from '../http/digest.ts';
import { fairLimit } from '../http/fair-limit.ts';
import { Problem } from '../http/problem.ts';
import { failedSignIns, type Outcome } from './failed-sign-ins.ts';
import { createGuesses, type SignInLimits } from './sign-in-limits.ts';

export const rights = ['read', 'write', 'export', 'metrics', 'admin'] as const;
export type Right = (typeof rights)[number];

export const roles = {
  guest: ['read'],
  admin: ['read', 'write', 'export', 'metrics', 'admin'],
} as const satisfies Record<string, Right[]>;
export type Role = keyof typeof roles;

/** A password hashed with scrypt (RFC 7914), as in the PHC string format. */
export type ScryptHash = { ln: number; r: number; p: number; salt: Uint8Array; key: Uint8Array };

export type User = { name: string; role: Role; password: { plain: string } | { hash: ScryptHash } };
export type Token = { name: string; rights: Right[]; sha256: Uint8Array };

/** The authenticated sender of a request. */
export type Principal = {
  name: string;
  kind: 'person' | 'service';
  rights: readonly Right[];
  /** The digest of the person's session; the streams that were opened with it end with it. */
  session?: string;
};

/** The runtime's scrypt: derives `length` bytes from password and salt with N = 2^ln. */
export type Scrypt = (
  password: string,
  salt: Uint8Array,
  cost: { ln: number; r: number; p: number },
  length: number,
) => Promise<Uint8Array>;

export const authLimits = {
  /** OWASP's 2^14, r=8, p=5: 16 MiB and a quarter of a second, on every runtime. */
  scrypt_cost: { ln: 14, r: 8, p: 5 },
  key_bytes: 32,
  salt_bytes: 16,
  /** How long a verified password is accepted without hashing it again. */
  proven_ms: 60_000,
  proven_max: 1_000,
  /**
   * Concurrent and queued hashes: password guessing must not use up the service's memory and cores. With two at once,
   * ten guessers left readers half of their rate on a machine with two cores.
   */
  hashing: { running_max: 1, waiting_max: 50, waiting_per_key_max: 4 },
} as const;

/** Reads `$scrypt$ln=14,r=8,p=5$salt$key` (base64 without padding); null when the text has another form. */
export function readScryptHash(text: string): ScryptHash | null {
  const parts = /^\$scrypt\$ln=(\d{1,2}),r=(\d{1,2}),p=(\d{1,2})\$([A-Za-z0-9+/]+)\$([A-Za-z0-9+/]+)$/.exec(text);
  if (!parts) return null;
  const [, ln, r, p, salt = '', key = ''] = parts;
  const hash = { ln: Number(ln), r: Number(r), p: Number(p), salt: fromBase64(salt), key: fromBase64(key) };
  return hash.ln < 1 || hash.ln > 20 || hash.r < 1 || hash.p < 1 || hash.key.length < 16 ? null : hash;
}

export const writeScryptHash = ({ ln, r, p, salt, key }: ScryptHash) =>
  `$scrypt$ln=${ln},r=${r},p=${p}$${toBase64(salt)}$${toBase64(key)}`;

const fromBase64 = (text: string) => Uint8Array.from(atob(text), (char) => char.charCodeAt(0));
const toBase64 = (bytes: Uint8Array) => btoa(String.fromCharCode(...bytes)).replace(/=+$/, '');

/** Hashes a password with a new salt. */
export async function hashPassword(password: string, scrypt: Scrypt): Promise<ScryptHash> {
  const salt = crypto.getRandomValues(new Uint8Array(authLimits.salt_bytes));
  const cost = authLimits.scrypt_cost;
  return { ...cost, salt, key: await scrypt(password, salt, cost, authLimits.key_bytes) };
}

/** Compares two digests in constant time. */
function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  let difference = a.length ^ b.length;
  for (const [i, byte] of a.entries()) difference |= byte ^ (b[i] ?? 0);
  return difference === 0;
}

const challenge = { 'www-authenticate': 'Basic realm="Edgetrail", charset="UTF-8", Bearer realm="Edgetrail"' };
/** For requests that our own pages send: a Basic challenge would open the browser's own dialog. */
export const bearerChallenge = { 'www-authenticate': 'Bearer realm="Edgetrail"' };
const unauthorized = (detail: string, headers: Record<string, string> = {}) =>
  new Problem(401, detail, { headers: { ...challenge, ...headers } });
const wrong = (headers?: Record<string, string>) =>
  unauthorized('The user name, password or token is not right.', headers);
export const notSignedIn = () => unauthorized('Sign in with a user and password, or send a bearer token.');

const noLimits: SignInLimits = { per_name: 0, per_address: 0 };

export type Auth = ReturnType<typeof createAuth>;

export type AuthParts = {
  users: User[];
  tokens: Token[];
  scrypt: Scrypt;
  /** How many wrong passwords a minute; without a limit if absent. */
  limits?: SignInLimits;
  /** Writes to the service's log. */
  report?(what: string, error: unknown, about: { level: 'warn' }): void;
  /**
   * Told of each sign-in that failed or was refused, with the name if it is one of `users`: what somebody typed as another
   * name may be a password. `token` is a bearer token that is none.
   */
  onFailure?(what: 'password' | 'token', user: string | null, outcome: Outcome, address: string | undefined): void;
};

/**
 * `identify` turns an Authorization header into a principal: 401 with a challenge for wrong credentials, 429 after too
 * many wrong passwords from the client's address, 503 when too many passwords wait to be checked. `prove` checks a name
 * and password and returns null instead of a 401. `person` looks up a user without any check; `passwordOf` returns the
 * user's configured password, hashed or plain. `demand` throws a 403 when the principal lacks the right.
 */
export function createAuth({
  users,
  tokens,
  scrypt,
  limits = noLimits,
  report = () => {},
  onFailure = () => {},
}: AuthParts) {
  // An unknown user name is checked against this hash, so that the response takes as long as for a wrong password. The
  // key is random and not the hash of a password: hashing one would delay every start of a Worker.
  const decoy: ScryptHash = {
    ...authLimits.scrypt_cost,
    salt: crypto.getRandomValues(new Uint8Array(authLimits.salt_bytes)),
    key: crypto.getRandomValues(new Uint8Array(authLimits.key_bytes)),
  };
  const hashes = new Map(
    users.map(({ name, password }) => [
      name,
      'hash' in password ? Promise.resolve(password.hash) : hashPassword(password.plain, scrypt),
    ]),
  );
  const writtenOf = new Map(
    users.map(({ name, password }) => [name, 'hash' in password ? writeScryptHash(password.hash) : password.plain]),
  );
  const roleOf = new Map(users.map((user) => [user.name, user.role]));
  const verifiedPasswords = new Map<string, { until: number; principal: Promise<Principal | null> }>();
  const pepper = crypto.randomUUID();
  // The queue takes turns by name and address: guessers delay neither other users, nor the same one elsewhere.
  const gate = fairLimit(authLimits.hashing, 'Too many passwords wait to be checked. Try again.');
  const countForLog = failedSignIns((name) => roleOf.has(name), report);
  const count = (name: string, outcome: Outcome, address: string | undefined) => {
    countForLog(name, outcome);
    onFailure('password', roleOf.has(name) ? name : null, outcome, address);
  };

  const guesses = createGuesses(limits);

  async function hashAndCompare(name: string, password: string, address?: string): Promise<Principal | null> {
    const guess = guesses.begin(name, address);
    const queue = JSON.stringify([name, sourceOf(address)]);
    const hash = async () => {
      const expected = await (hashes.get(name) ?? decoy);
      const key = await gate(queue, () => scrypt(password, expected.salt, expected, expected.key.length));
      return equalBytes(key, expected.key) ? person(name) : null;
    };
    const principal = await hash().catch((error) => {
      guess.wasNotChecked();
      throw error;
    });
    if (principal) guess.wasRight();
    else count(name, 'failed', address);
    return principal;
  }

  function person(name: string): Principal | null {
    const role = roleOf.get(name);
    return role ? { name, kind: 'person', rights: roles[role] } : null;
  }

  async function prove(name: string, password: string, address?: string): Promise<Principal | null> {
    // Before the verified passwords: with them, a client could go on guessing one that its user has just sent.
    try {
      guesses.demand(name, address);
    } catch (error) {
      count(name, 'refused', address);
      throw error;
    }
    const key = (await sha256(pepper + JSON.stringify([name, password]))).join();
    const seen = verifiedPasswords.get(key);
    if (seen && seen.until > performance.now()) return seen.principal;
    const principal = hashAndCompare(name, password, address);
    // Cached while it is being checked: concurrent requests with the same password hash it once.
    remember(key, principal);
    const forget = () => verifiedPasswords.delete(key);
    principal.then((known) => known ?? forget(), forget);
    return principal;
  }

  function remember(key: string, principal: Promise<Principal | null>): void {
    const oldest = verifiedPasswords.keys().next().value;
    if (verifiedPasswords.size >= authLimits.proven_max && oldest !== undefined) verifiedPasswords.delete(oldest);
    verifiedPasswords.set(key, { until: performance.now() + authLimits.proven_ms, principal });
  }

  /** Verified secrets, at most one per token: hashing the secret at every write is an eighth of a write's cost. */
  const verifiedTokens = new Map<string, Principal>();

  async function checkToken(secret: string): Promise<Principal | null> {
    const known = verifiedTokens.get(secret);
    if (known) return known;
    const digest = await sha256(secret);
    // Every token is compared, also after a match: the time must not show which one matched.
    const matching = tokens.filter((token) => equalBytes(token.sha256, digest));
    if (!matching[0]) return null;
    const principal: Principal = { name: matching[0].name, kind: 'service', rights: matching[0].rights };
    verifiedTokens.set(secret, principal);
    return principal;
  }

  /** The 401 to a wrong password says how many more may be tried. */
  async function byBasic(credentials: string, address?: string): Promise<Principal> {
    const decoded = decodeBasic(credentials);
    if (!decoded) throw wrong();
    const { name, password } = decoded;
    const principal = await prove(name, password, address);
    if (!principal) throw wrong(guesses.headers(name, address));
    return principal;
  }

  return {
    /** `address` is that of the client; it is asked for where it matters. */
    async identify(
      authorization: string | undefined,
      address: () => string | undefined = () => undefined,
    ): Promise<Principal> {
      if (!authorization) throw notSignedIn();
      const [, scheme = '', credentials = ''] = /^(\S+) +(\S+)\s*$/.exec(authorization) ?? [];
      if (scheme.toLowerCase() === 'basic') return byBasic(credentials, address());
      const principal = scheme.toLowerCase() === 'bearer' ? await checkToken(credentials) : null;
      if (!principal) {
        onFailure('token', null, 'failed', address());
        throw wrong();
      }
      return principal;
    },
    prove,
    guessesLeft: guesses.headers,
    person,
    passwordOf: (name: string): string | null => writtenOf.get(name) ?? null,
    demand,
  };
}

function demand(principal: Principal, right: Right): void {
  if (principal.rights.includes(right)) return;
  throw new Problem(
    403,
    `${principal.name} may not do this: it needs the right "${right}", and has ${principal.rights.map((has) => `"${has}"`).join(', ') || 'none'}.`,
  );
}

/**
 * For a request that our own code forwards internally (a Worker to its Durable Object). The principal was authenticated
 * before; it is in the Authorization header in the form that `forwardPrincipal` writes.
 */
export const forwardedAuth: Auth = {
  identify: async (authorization) => {
    const [, principal] = /^Principal (.+)$/.exec(authorization ?? '') ?? [];
    if (!principal) throw new Error('a forwarded request has no principal');
    return JSON.parse(decodeURIComponent(principal)) as Principal;
  },
  prove: async () => null,
  guessesLeft: () => ({}),
  person: () => null,
  passwordOf: () => null,
  demand,
};

/** The Authorization header that `forwardedAuth` reads. */
export const forwardPrincipal = (principal: Principal) => `Principal ${encodeURIComponent(JSON.stringify(principal))}`;

function decodeBasic(credentials: string): { name: string; password: string } | null {
  try {
    const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: false }).decode(fromBase64(credentials));
    const colon = text.indexOf(':');
    return colon < 0 ? null : { name: text.slice(0, colon), password: text.slice(colon + 1) };
  } catch {
    return null; // Not base64, or not UTF-8.
  }
}

/** The server of Debian's `postgresql` package, because the server of the npm package is built without JIT. */
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

const home = '/usr/lib/postgresql';

/** The folder of the newest version's programs; null where the package is not installed. */
export function debianBin(): string | null {
  const versions = existsSync(home) ? readdirSync(home).map(Number).filter(Number.isInteger) : [];
  const bins = versions.toSorted((a, b) => b - a).map((version) => join(home, String(version), 'bin'));
  return bins.find((bin) => existsSync(join(bin, 'initdb'))) ?? null;
}

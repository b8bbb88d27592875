/** The inputs of an import: files, pipes and stdin, compressed with gzip or not, as UTF-8 text. */
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { pipeline, Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';

/** An error in a file or a record. The message names the place and the reason. */
export class ImportError extends Error {
  override name = 'ImportError';
  /** True when the last events that were sent may be stored or not. */
  readonly is_uncertain: boolean;
  constructor(message: string, options: { cause?: unknown; is_uncertain?: boolean } = {}) {
    super(message, { cause: options.cause });
    this.is_uncertain = options.is_uncertain ?? false;
  }
}

/** A file as it was typed, for messages, and its absolute path; null for stdin. */
export type ImportFile = { name: string; path: string | null };

/** Opened by its path, stdin fails when it is a socket (ENXIO), as it is for a process that Node started. */
const stdinPaths = ['-', '/dev/stdin', '/dev/fd/0', '/proc/self/fd/0'];

/** The file that an argument names: `-` is stdin, and a relative path is resolved against `folder`. */
export const importFile = (typed: string, folder = process.cwd()): ImportFile =>
  stdinPaths.includes(typed) ? { name: 'stdin', path: null } : { name: typed, path: resolve(folder, typed) };

/**
 * The folder in which the command was typed. npm and its kin run a script in the folder of the package and name the
 * caller's folder in INIT_CWD. A command that such a script starts inherits both variables, so that only the script
 * `import` itself uses them.
 */
export const typedFolder = (env: Record<string, string | undefined>, folder = process.cwd()): string =>
  (env.npm_lifecycle_event === 'import' && env.INIT_CWD) || folder;

/** True for a regular file, which can be read twice; false for a pipe. Throws an ImportError when there is no file. */
export async function isRegularFile({ name, path }: ImportFile): Promise<boolean> {
  if (path === null) return false;
  const status = await stat(path).catch((error: Error) => {
    throw new ImportError(`${name}: ${error.message}`);
  });
  if (status.isDirectory()) throw new ImportError(`${name}: is a folder`);
  return status.isFile();
}

const signature_bytes = 4;
const gzip = '1f8b';

/** The beginnings of files that are often given by mistake, in hexadecimal digits. */
const otherFormats: [RegExp, string][] = [
  [/^(fffe|feff|..00|00)/, 'is UTF-16: save it as UTF-8'],
  [/^504b0304/, 'is a ZIP file or an .xlsx workbook: unpack it, or save the sheet as CSV in UTF-8'],
  [/^d0cf11e0/, 'is an .xls workbook: save the sheet as CSV in UTF-8'],
  [/^28b52ffd/, 'is compressed with zstd: only gzip is read, use `zstd -dc … |` and `-`'],
  [/^425a68/, 'is compressed with bzip2: only gzip is read, use `bzip2 -dc … |` and `-`'],
  [/^fd377a58/, 'is compressed with xz: only gzip is read, use `xz -dc … |` and `-`'],
];

/**
 * The text of a file, read once from its beginning to its end, so that a pipe can be read, too. Throws an ImportError
 * for bytes that are not UTF-8: a replacement character would change an event unseen.
 */
export async function* readText(file: ImportFile): AsyncGenerator<string> {
  const decoder = new TextDecoder('utf-8', { fatal: true });
  const decode = (bytes?: Buffer) => {
    try {
      return decoder.decode(bytes, { stream: bytes !== undefined });
    } catch {
      throw new ImportError(`${file.name} is not UTF-8`);
    }
  };
  for await (const chunk of readBytes(file)) yield decode(chunk);
  yield decode();
}

async function* readBytes({ name, path }: ImportFile): AsyncGenerator<Buffer> {
  const input: AsyncIterable<Buffer> = path === null ? process.stdin : createReadStream(path);
  const { start, chunks } = await peek(input);
  const signature = start.toString('hex', 0, signature_bytes);
  const other = start.length > 1 && otherFormats.find(([beginning]) => beginning.test(signature));
  if (other) {
    await chunks.return();
    throw new ImportError(`${name} ${other[1]}`);
  }
  if (!signature.startsWith(gzip)) return yield* chunks;
  try {
    // pipeline destroys the decompression when the input fails; the loop then throws the input's error.
    yield* pipeline(Readable.from(chunks), createGunzip(), () => {});
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : '';
    if (code === 'Z_BUF_ERROR') throw new ImportError(`${name}: the gzip data is incomplete`);
    throw code.startsWith('Z_') ? new ImportError(`${name}: the gzip data is damaged`) : error;
  }
}

/** The first bytes, and all chunks including them. */
async function peek(input: AsyncIterable<Buffer>) {
  const iterator = input[Symbol.asyncIterator]();
  let start: Buffer = Buffer.alloc(0);
  while (start.length < signature_bytes) {
    const next = await iterator.next();
    if (next.done) break;
    start = Buffer.concat([start, next.value]);
  }
  async function* chunks(): AsyncGenerator<Buffer, void> {
    try {
      if (start.length > 0) yield start;
      for (let next = await iterator.next(); !next.done; next = await iterator.next()) yield next.value;
    } finally {
      await iterator.return?.();
    }
  }
  return { start, chunks: chunks() };
}

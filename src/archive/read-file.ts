/** Reads a file of the archive (file-format.ts): its rows as the texts that the database had printed. */
import { type AsyncBuffer, type FileMetaData, parquetMetadataAsync, parquetScan } from 'hyparquet';
import { exportColumns } from '../log/export-rows.ts';
import { columnOfKey, databaseText, file_format, type Rows, textOfTime } from './file-format.ts';
import { metadataColumns } from './metadata-columns.ts';

/** Decompresses gzip; the second argument is the number of bytes that come out, or it throws. */
export type Gunzip = (bytes: Uint8Array, bytes_n: number) => Uint8Array;

/** A file that can be read by ranges. */
export type { AsyncBuffer as FileBytes } from 'hyparquet';

/** Bytes in memory as a file. */
export const fileOf = (bytes: Uint8Array): AsyncBuffer => ({
  byteLength: bytes.length,
  slice: (start, end) => bytes.slice(start, end).buffer as ArrayBuffer,
});

/** A byte order mark at the start of a value is a character of it. */
const decoder = new TextDecoder('utf-8', { ignoreBOM: true });
const parsers = {
  stringFromBytes: (bytes: Uint8Array | undefined) => bytes && decoder.decode(bytes),
  timestampFromMilliseconds: (ms: bigint | null | undefined) => ms,
};

/** What the footer says under `edgetrail.<name>`. Rejects when the file is none of the archive, or of a newer version. */
export async function readFooter(file: AsyncBuffer): Promise<{ parquet: FileMetaData; footer: Map<string, string> }> {
  const parquet = await parquetMetadataAsync(file);
  const footer = new Map(
    (parquet.key_value_metadata ?? []).flatMap(({ key, value }) =>
      key.startsWith('edgetrail.') ? [[key.slice('edgetrail.'.length), value ?? '']] : [],
    ),
  );
  const format = footer.get('format');
  if (format !== String(file_format))
    throw new Error(
      format === undefined
        ? 'the file is not one of the archive'
        : `the file has format ${format}, and this version reads format ${file_format}`,
    );
  return { parquet, footer };
}

/** The keys of metadata that have a column in a file. */
export function keysOf({ schema }: FileMetaData): string[] {
  const prefix = columnOfKey('');
  return schema.filter(({ name }) => name.startsWith(prefix)).map(({ name }) => name.slice(prefix.length));
}

/** The rows of a file, group by group. */
export async function* readGroups(file: AsyncBuffer, gunzip: Gunzip): AsyncGenerator<Rows> {
  const { parquet } = await readFooter(file);
  const keys = keysOf(parquet);
  const { join } = metadataColumns(keys);
  let from = 0;
  for (const { num_rows } of parquet.row_groups) {
    const range = { rowStart: from, rowEnd: from + Number(num_rows) };
    const scan = await parquetScan({ file, metadata: parquet, compressors: { GZIP: gunzip }, parsers, ...range });
    const column = async (name: string) => (await scan.readColumn({ column: name, ...range })) as ArrayLike<Value>;
    const texts: (string | null)[][] = [];
    for (const name of exportColumns) {
      if (name === 'id') texts.push(Array.from(await column(name), String));
      else if (name === 'timestamp' || name === 'created_at')
        texts.push(times(await column(name), await column(textOfTime(name))));
      else if (name === 'metadata') {
        const values: ArrayLike<Value>[] = [];
        for (const key of keys) values.push(await column(columnOfKey(key)));
        texts.push(
          Array.from(await column(name), (rest, i) =>
            join({ values: values.map((of) => textOf(of[i])), rest: textOf(rest) }),
          ),
        );
      } else texts.push(Array.from(await column(name), textOf));
    }
    yield { n: range.rowEnd - range.rowStart, texts };
    from = range.rowEnd;
  }
}

type Value = string | number | bigint | null | undefined;

const textOf = (value: Value): string | null => (value === null || value === undefined ? null : String(value));

/** Of a null the text stands in the other column. */
const times = (ms: ArrayLike<Value>, texts: ArrayLike<Value>): (string | null)[] =>
  Array.from(ms, (value, i) =>
    value === null || value === undefined ? textOf(texts[i]) : databaseText(Number(value)),
  );

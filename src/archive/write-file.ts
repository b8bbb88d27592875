/** Writes rows as a file of the archive (file-format.ts). The same rows and keys give the same bytes. */
import type { DecodedArray } from 'hyparquet';
import { ByteWriter, ParquetWriter } from 'hyparquet-writer';
import { exportColumns } from '../log/export-rows.ts';
import {
  bloomColumns,
  columnOfKey,
  exactTime,
  file_format,
  fileLimits,
  fileSchema,
  type Rows,
  textOfTime,
} from './file-format.ts';
import { metadataColumns } from './metadata-columns.ts';

/** Compresses as gzip. It must always give the same bytes for the same bytes, so without a time in its header. */
export type Gzip = (bytes: Uint8Array) => Uint8Array;

type Column = Parameters<ParquetWriter['write']>[0]['columnData'][number];

/**
 * A file that is written group by group. `keys` are the keys of metadata that have a column, `footer` is written beside
 * the rows under `edgetrail.<name>`.
 */
export function fileWriter(keys: readonly string[], footer: Record<string, string>, gzip: Gzip) {
  const writer = new ByteWriter();
  const parquet = new ParquetWriter({
    writer,
    schema: fileSchema(keys),
    codec: 'GZIP',
    compressors: { GZIP: gzip },
    createdBy: 'edgetrail',
    kvMetadata: Object.entries({ format: String(file_format), ...footer }).map(([key, value]) => ({
      key: `edgetrail.${key}`,
      value,
    })),
  });
  const metadata = metadataColumns(keys);
  return {
    /** Adds rows as a group of their own. */
    add: ({ texts }: Rows) => {
      const columnData = exportColumns.flatMap((name, i): Column[] => {
        const values = texts[i] as (string | null)[];
        if (name === 'id') return [numbers(name, values.map(idOf))];
        if (name === 'timestamp' || name === 'created_at') return [numbers(name, values.map(timeOf))];
        return name === 'metadata' ? metadataData(values, keys, metadata.split) : [textData(name, values)];
      });
      for (const name of ['timestamp', 'created_at'] as const) {
        const values = texts[exportColumns.indexOf(name)] as (string | null)[];
        columnData.push(
          textData(
            textOfTime(name),
            values.map((value) => (timeOf(value) === null ? value : null)),
          ),
        );
      }
      void parquet.write({ columnData, rowGroupSize: fileLimits.group_rows, pageSize: fileLimits.page_bytes });
    },
    /** Ends the file, and returns its bytes. */
    finish: (): Uint8Array => {
      void parquet.finish();
      return writer.getBytes();
    },
  };
}

const numbers = (name: string, data: DecodedArray): Column => ({
  name,
  data,
  encoding: 'DELTA_BINARY_PACKED',
  columnIndex: true,
});

const textData = (name: string, data: DecodedArray): Column => ({
  name,
  data,
  ...(bloomColumns.includes(name) && { bloomFilter: true }),
});

function metadataData(
  values: (string | null)[],
  keys: readonly string[],
  split: ReturnType<typeof metadataColumns>['split'],
): Column[] {
  const rest: (string | null)[] = [];
  const columns = keys.map((): (string | null)[] => []);
  for (const value of values) {
    const divided = value === null ? null : split(value);
    rest.push(divided?.rest ?? null);
    for (const [i, column] of columns.entries()) column.push(divided?.values[i] ?? null);
  }
  return [textData('metadata', rest), ...columns.map((data, i) => textData(columnOfKey(keys[i] as string), data))];
}

function idOf(text: string | null): bigint {
  if (text === null || !/^\d{1,18}$/.test(text)) throw new Error(`the id ${text} cannot be archived`);
  return BigInt(text);
}

function timeOf(text: string | null): bigint | null {
  const ms = text === null ? null : exactTime(text);
  return ms === null ? null : BigInt(ms);
}

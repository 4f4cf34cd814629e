/**
 * Stands in for the fork of parquet-wasm that Vitessce imports from a CDN: the same names, without WebAssembly.
 *
 * hyparquet decodes, apache-arrow encodes the stream of record batches that Vitessce reads with `tableFromIPC`,
 * which accepts a promise: so an asynchronous reader fits behind an interface that looks synchronous.
 * Only top-level columns of plain types are offered, which is all that shapes and points are drawn from.
 */
import {
  Binary, Bool, Field, Float32, Float64, Int16, Int32, Int64, Int8, RecordBatch, Schema, Table,
  Uint16, Uint32, Uint64, Uint8, Utf8, makeData, makeVector, tableToIPC,
} from 'apache-arrow';
import { parquetMetadata, parquetRead } from 'hyparquet';

/**
 * @typedef {import('hyparquet').FileMetaData} FileMetaData
 * @typedef {import('hyparquet').SchemaElement} SchemaElement
 * @typedef {import('hyparquet').RowGroup} RowGroup
 * @typedef {import('hyparquet').AsyncBuffer | ArrayBuffer} Source
 * @typedef {import('apache-arrow').DataType} DataType
 * @typedef {import('apache-arrow').Vector} Vector
 * @typedef {ArrayLike<any>} Values
 * @typedef {{intoIPCStream: () => Uint8Array | Promise<Uint8Array>}} Stream
 */

/** Vitessce waits for this before it reads: there is nothing to start. */
export default async function init() {}

/**
 * @param {Uint8Array} footer
 * @returns {Stream} a table without rows, for its schema
 */
export function readSchema(footer) {
  const metadata = parse(footer);
  return { intoIPCStream: () => encode(metadata, columns(metadata), new Map()) };
}

/**
 * @param {Uint8Array} bytes of the whole file
 * @param {{columns?: string[]}} [options]
 * @returns {Stream}
 */
export function readParquet(bytes, options = {}) {
  const metadata = parse(bytes);
  const wanted = columns(metadata).filter(({ name }) => !options.columns || options.columns.includes(name));
  return { intoIPCStream: () => decode(buffer(bytes), metadata, wanted) };
}

/** @param {Uint8Array} footer */
export function readMetadata(footer) {
  const metadata = parse(footer);
  return {
    fileMetadata: () => ({ numRows: () => Number(metadata.num_rows) }),
    numRowGroups: () => metadata.row_groups.length,
    rowGroup: (/** @type {number} */ index) => {
      const group = metadata.row_groups[index];
      const { start, end } = extent(group);
      return { numRows: () => Number(group.num_rows), fileOffset: () => start, compressedSize: () => end - start };
    },
  };
}

/**
 * One row group of a file of which only this group's bytes are there: how points are drawn tile by tile.
 * @param {Uint8Array} footer
 * @param {Uint8Array} bytes
 * @param {number} index
 * @returns {Stream}
 */
export function readParquetRowGroup(footer, bytes, index) {
  const metadata = parse(footer);
  const group = metadata.row_groups[index];
  const { start } = extent(group);
  const content = buffer(bytes);
  const source = {
    byteLength: start + content.byteLength,
    slice: async (/** @type {number} */ from, /** @type {number | undefined} */ to) =>
      content.slice(from - start, to === undefined ? undefined : to - start),
  };
  const only = { ...metadata, row_groups: [group], num_rows: group.num_rows };
  return { intoIPCStream: () => decode(source, only, columns(metadata)) };
}

/** @param {Uint8Array} bytes that end with a Parquet footer */
function parse(bytes) {
  // Without `geoparquet: false` hyparquet would turn well-known binary into GeoJSON, which Vitessce decodes itself.
  return parquetMetadata(buffer(bytes), { geoparquet: false });
}

/**
 * @param {Uint8Array} bytes
 * @returns {ArrayBuffer}
 */
function buffer(bytes) {
  const { byteOffset, byteLength } = bytes;
  const whole = byteOffset === 0 && byteLength === bytes.buffer.byteLength;
  return /** @type {ArrayBuffer} */ (whole ? bytes.buffer : bytes.buffer.slice(byteOffset, byteOffset + byteLength));
}

/** @param {RowGroup} group */
function extent(group) {
  let start = Infinity;
  let end = 0;
  for (const { meta_data: column } of group.columns) {
    if (!column) throw new Error('The Parquet file keeps its column metadata elsewhere, which is not supported.');
    const first = Number(column.dictionary_page_offset ?? column.data_page_offset);
    start = Math.min(start, first);
    end = Math.max(end, first + Number(column.total_compressed_size));
  }
  return { start, end };
}

/**
 * The columns that can be offered: top-level, not nested, of a type that Arrow has a plain word for.
 * @param {FileMetaData} metadata
 */
function columns(metadata) {
  const [root, ...rest] = metadata.schema;
  const found = [];
  let nested = 0;
  for (const element of rest) {
    const top = nested === 0;
    nested = Math.max(0, nested - 1) + (element.num_children ?? 0);
    if (top && !element.num_children && element.repetition_type !== 'REPEATED' && arrowType(element)) found.push(element);
  }
  return root ? found : [];
}

/**
 * @param {SchemaElement} element
 * @returns {DataType | null}
 */
function arrowType({ type, converted_type: converted, logical_type: logical }) {
  switch (type) {
    case 'BOOLEAN': return new Bool();
    case 'FLOAT': return new Float32();
    case 'DOUBLE': return new Float64();
    case 'BYTE_ARRAY':
      if (converted === 'DECIMAL' || logical?.type === 'DECIMAL') return null;
      return converted === 'UTF8' || logical?.type === 'STRING' ? new Utf8() : new Binary();
    case 'INT32':
      switch (converted) {
        case undefined: case 'INT_32': return new Int32();
        case 'INT_8': return new Int8();
        case 'INT_16': return new Int16();
        case 'UINT_8': return new Uint8();
        case 'UINT_16': return new Uint16();
        case 'UINT_32': return new Uint32();
        default: return null; // dates, times and decimals
      }
    case 'INT64':
      switch (converted) {
        case undefined: return logical && logical.type !== 'INTEGER' ? null : new Int64();
        case 'INT_64': return new Int64();
        case 'UINT_64': return new Uint64();
        default: return null;
      }
    default: return null;
  }
}

/**
 * @param {Source} file
 * @param {FileMetaData} metadata
 * @param {SchemaElement[]} wanted
 */
async function decode(file, metadata, wanted) {
  /** @type {Map<string, {row: number, values: Values}[]>} */
  const chunks = new Map(wanted.map(({ name }) => [name, []]));
  await parquetRead({
    file,
    metadata,
    columns: wanted.map(({ name }) => name),
    utf8: false, // a plain BYTE_ARRAY is geometry, not text
    geoparquet: false,
    onChunk: ({ columnName, columnData, rowStart }) => {
      chunks.get(columnName)?.push({ row: rowStart, values: columnData });
    },
  });
  const values = new Map();
  for (const [name, parts] of chunks) values.set(name, join(parts.sort((a, b) => a.row - b.row).map((part) => part.values)));
  return encode(metadata, wanted, values);
}

/**
 * @param {Values[]} parts
 * @returns {Values}
 */
function join(parts) {
  if (parts.length === 1) return parts[0];
  const length = parts.reduce((sum, part) => sum + part.length, 0);
  const kind = /** @type {any} */ (parts[0])?.constructor;
  const typed = ArrayBuffer.isView(parts[0]) && parts.every((part) => part.constructor === kind);
  const whole = typed ? new kind(length) : new Array(length);
  let offset = 0;
  for (const part of parts) {
    if (typed) whole.set(part, offset);
    else for (let i = 0; i < part.length; i += 1) whole[offset + i] = part[i];
    offset += part.length;
  }
  return whole;
}

/**
 * @param {FileMetaData} metadata
 * @param {SchemaElement[]} wanted
 * @param {Map<string, Values>} values by column; empty where only the schema is asked for
 */
function encode(metadata, wanted, values) {
  const fields = [];
  /** @type {Record<string, Vector>} */
  const vectors = {};
  for (const element of wanted) {
    const type = /** @type {DataType} */ (arrowType(element));
    fields.push(new Field(element.name, type, true));
    vectors[element.name] = vector(type, values.get(element.name) ?? []);
  }
  // Vitessce finds the index column through pandas' note in the file's own metadata.
  const notes = new Map((metadata.key_value_metadata ?? [])
    .filter(({ key }) => key !== 'ARROW:schema')
    .map(({ key, value }) => [key, value ?? '']));
  const schema = new Schema(fields, notes);
  const batches = new Table(vectors).batches.map((batch) => new RecordBatch(schema, batch.data));
  return tableToIPC(new Table(schema, batches), 'stream');
}

/**
 * Arrow's own builders would do, but they compile a function for each column, which a CSP forbids.
 * @param {DataType} type
 * @param {Values} values
 * @returns {Vector}
 */
function vector(type, values) {
  const { length } = values;
  const missing = validity(values);
  if (type instanceof Binary) return makeVector(makeData({ type, length, ...missing, ...joined(values) }));
  if (type instanceof Utf8) return makeVector(makeData({ type, length, ...missing, ...joined(encoded(values)) }));
  if (type instanceof Bool) return makeVector(makeData({ type, length, ...missing, data: bits(values, (value) => value) }));
  const { ArrayType } = type;
  const wide = ArrayType === BigInt64Array || ArrayType === BigUint64Array;
  const number = wide ? (/** @type {any} */ value) => BigInt(value ?? 0) : Number;
  const data = values instanceof ArrayType ? values : ArrayType.from(values, number);
  return makeVector(makeData(/** @type {any} */ ({ type, length, ...missing, data })));
}

/** @param {Values} values */
function validity(values) {
  let nullCount = 0;
  if (!ArrayBuffer.isView(values)) for (let i = 0; i < values.length; i += 1) if (values[i] == null) nullCount += 1;
  return nullCount ? { nullCount, nullBitmap: bits(values, (value) => value != null) } : { nullCount };
}

/**
 * @param {Values} values
 * @param {(value: any) => boolean} test
 */
function bits(values, test) {
  const packed = new Uint8Array(Math.ceil(values.length / 64) * 8);
  for (let i = 0; i < values.length; i += 1) if (test(values[i])) packed[i >> 3] |= 1 << (i & 7);
  return packed;
}

/**
 * Points name one of few genes a million times over: each name is encoded once.
 * @param {Values} values
 */
function encoded(values) {
  const encoder = new TextEncoder();
  /** @type {Map<string, Uint8Array>} */
  const known = new Map();
  return Array.from(values, (value) => {
    if (value == null) return undefined;
    let bytes = known.get(value);
    if (!bytes) known.set(value, bytes = encoder.encode(value));
    return bytes;
  });
}

/** @param {ArrayLike<Uint8Array | null | undefined>} values */
function joined(values) {
  const valueOffsets = new Int32Array(values.length + 1);
  for (let i = 0; i < values.length; i += 1) valueOffsets[i + 1] = valueOffsets[i] + (values[i]?.length ?? 0);
  const data = new Uint8Array(valueOffsets[values.length]);
  for (let i = 0; i < values.length; i += 1) data.set(values[i] ?? [], valueOffsets[i]);
  return { valueOffsets, data };
}

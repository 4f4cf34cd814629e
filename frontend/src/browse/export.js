/**
 * The selection as a file, for whoever asks: rows of catalog.parquet, of which only what is needed is read.
 * Loaded on demand; beside the readers and writers of Parquet it is small.
 */
import { asyncBufferFromUrl, parquetMetadataAsync, parquetReadObjects } from 'hyparquet';
import { parquetWriteBuffer } from 'hyparquet-writer';
import { snippet } from './snippet.js';

/**
 * @typedef {import('./types.js').Engine} Engine
 * @typedef {{engine: Engine, query: import('./types.js').Query, total: number, catalog: string, page: string, site: string}} Selection
 *   `catalog` and `page` are whole addresses, `site` is a name
 * @typedef {{name: string, type: string, parts: BlobPart[], note: string}} File
 * @typedef {import('hyparquet').FileMetaData} Metadata
 * @typedef {import('hyparquet').AsyncBuffer} Source
 */

/**
 * @param {string} format
 * @param {Selection} selection
 * @returns {Promise<File>}
 */
export async function produce(format, selection) {
  const file = await asyncBufferFromUrl({ url: selection.catalog });
  const metadata = await parquetMetadataAsync(file);
  const name = `artifacts-${selection.total}.${format}`;
  if (format === 'py') {
    const uids = async (/** @type {import('./types.js').Query} */ query) => {
      const places = await selection.engine.catalogRows(await selection.engine.rows(query));
      return (await read(file, metadata, places, ['uid'])).map((row) => row.uid);
    };
    const text = await snippet(selection, columns(metadata), uids);
    return { name, type: 'text/x-python', parts: [text], note: `Saved as ${name}` };
  }
  const maker = MAKERS[format];
  const places = await selection.engine.catalogRows(await selection.engine.rows(selection.query));
  const made = maker.make(await read(file, metadata, places, maker.columns), metadata, selection);
  return { name, type: maker.type, parts: made.parts, note: made.note ?? `Saved as ${name}` };
}

/** @type {Record<string, {type: string, columns?: string[], make: (rows: Record<string, any>[], metadata: Metadata, selection: Selection) => {parts: BlobPart[], note?: string}}>} */
const MAKERS = {
  csv: { type: 'text/csv', make: (rows, metadata) => ({ parts: [csv(rows, columns(metadata))] }) },
  ndjson: { type: 'application/x-ndjson', make: (rows) => ({ parts: rows.map((row) => `${JSON.stringify(row, plain)}\n`) }) },
  parquet: { type: 'application/vnd.apache.parquet', make: (rows, metadata, { page }) => ({ parts: [parquet(rows, metadata, page)] }) },
  txt: { type: 'text/plain', columns: ['zarr_url'], make: addresses },
  bib: { type: 'application/x-bibtex', columns: ['bibtex'], make: bibtex },
};

/** @param {Metadata} metadata */
function columns({ schema }) {
  /** @type {string[]} */
  const names = [];
  for (let i = 1; i < schema.length; i = after(schema, i)) names.push(schema[i].name);
  return names;
}

/**
 * Where the next element of a flattened tree begins.
 * @param {Metadata['schema']} schema
 * @param {number} i
 */
function after(schema, i) {
  let next = i + 1;
  for (let child = 0; child < (schema[i].num_children ?? 0); child += 1) next = after(schema, next);
  return next;
}

/**
 * @param {Source} file
 * @param {Metadata} metadata
 * @param {ArrayLike<number>} places rows of the file, in the order wanted
 * @param {string[]} [wanted] columns
 */
export async function read(file, metadata, places, wanted) {
  /** @type {Record<string, any>[]} */
  const rows = new Array(places.length);
  let start = 0;
  for (const group of metadata.row_groups) {
    const end = start + Number(group.num_rows);
    const here = [...Array(places.length).keys()].filter((i) => places[i] >= start && places[i] < end);
    if (here.length) {
      const first = here.reduce((least, i) => Math.min(least, places[i]), end);
      const last = here.reduce((most, i) => Math.max(most, places[i]), start);
      const found = await parquetReadObjects({ file, metadata, columns: wanted, rowStart: first, rowEnd: last + 1 });
      for (const i of here) rows[i] = found[places[i] - first];
    }
    start = end;
  }
  return rows;
}

/**
 * @param {Record<string, any>[]} rows
 * @param {string[]} names
 */
export function csv(rows, names) {
  const line = (/** @type {string[]} */ cells) => `${cells.map((text) => (/[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text)).join(',')}\n`;
  return line(names) + rows.map((row) => line(names.map((name) => cell(row[name])))).join('');
}

/**
 * As `portal/catalog.py` writes it: a leading =, +, - or @ is quoted, since spreadsheets would run it as a formula.
 * @param {any} value
 */
function cell(value) {
  if (value === null || value === undefined) return '';
  const text = typeof value === 'boolean' ? (value ? 'True' : 'False') : Array.isArray(value) ? value.join('; ') : String(value);
  return /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
}

/** @param {string} _ @param {any} value */
function plain(_, value) {
  return typeof value === 'bigint' ? Number(value) : value;
}

/**
 * With the columns and types of the whole file.
 * @param {Record<string, any>[]} rows
 * @param {Metadata} metadata
 * @param {string} page
 */
function parquet(rows, metadata, page) {
  const columnData = columns(metadata).map((name) => ({ name, data: rows.map((row) => row[name]) }));
  const kvMetadata = [...(metadata.key_value_metadata ?? []), { key: 'selection', value: page }];
  return parquetWriteBuffer({ columnData, schema: metadata.schema, kvMetadata });
}

/**
 * @param {Record<string, any>[]} rows
 * @param {Metadata} _
 * @param {Selection} selection
 */
function addresses(rows, _, { catalog }) {
  const known = rows.map((row) => row.zarr_url).filter((url) => url && url !== 'unknown');
  const root = new URL('../', catalog);
  const whole = known.map((url) => (/^[a-z][a-z0-9+.-]*:/i.test(url) ? url : new URL(url, root).href));
  const missing = rows.length - known.length;
  return { parts: whole.map((url) => `${url}\n`), note: missing ? `Saved; ${missing} without an address left out` : undefined };
}

/** @param {Record<string, any>[]} rows */
function bibtex(rows) {
  const entries = [...new Set(rows.map((row) => row.bibtex).filter(Boolean))];
  const missing = rows.filter((row) => !row.bibtex).length;
  return { parts: entries.map((entry) => `${entry.trim()}\n\n`), note: missing ? `Saved; ${missing} without a citation left out` : undefined };
}

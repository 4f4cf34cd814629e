import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { tableFromIPC } from 'apache-arrow';
import init, { readMetadata, readParquet, readParquetRowGroup, readSchema } from '../src/parquet.js';

/** @param {string} name */
const load = (name) => new Uint8Array(readFileSync(new URL(`fixtures/${name}.parquet`, import.meta.url)));

/** @param {Uint8Array} bytes */
function footer(bytes) {
  const length = new DataView(bytes.buffer, bytes.byteOffset).getUint32(bytes.length - 8, true);
  return bytes.slice(bytes.length - length - 8);
}

/**
 * As Vitessce reads it.
 * @param {import('../src/parquet.js').Stream} stream
 */
const table = (stream) => tableFromIPC(/** @type {any} */ (stream.intoIPCStream()));

/** @param {any} read */
const names = (read) => read.schema.fields.map((/** @type {any} */ field) => field.name);

/**
 * @param {any} read
 * @param {string} name
 */
const column = (read, name) => Array.from(read.getChild(name));

describe('shapes', () => {
  const bytes = load('shapes');

  it('keep well-known binary as bytes', async () => {
    const geometry = (await table(readParquet(bytes))).getChild('geometry')?.get(3);
    const view = new DataView(geometry.buffer, geometry.byteOffset, geometry.byteLength);
    assert.equal(geometry.length, 21);
    assert.deepEqual([view.getFloat64(5, true), view.getFloat64(13, true)], [3, 30]);
  });

  it('have numbers and text', async () => {
    const read = await table(readParquet(bytes));
    assert.deepEqual(column(read, 'radius'), [1.5, 2.5, 3.5, 4.5, 5.5]);
    assert.deepEqual(column(read, '__index_level_0__'), ['spot-0', 'spot-1', 'spot-2', 'spot-3', 'Zürich']);
  });

  it('name their index column to pandas', async () => {
    const read = await table(readSchema(footer(bytes)));
    assert.deepEqual(JSON.parse(read.schema.metadata.get('pandas') ?? '').index_columns, ['__index_level_0__']);
    assert.equal(read.numRows, 0);
    assert.deepEqual(names(read), ['geometry', 'radius', '__index_level_0__']);
  });

  it('can be read by column', async () => {
    const read = await table(readParquet(bytes, { columns: ['radius'] }));
    assert.deepEqual(names(read), ['radius']);
    assert.equal(read.numRows, 5);
  });

  it('can lie anywhere in a buffer', async () => {
    const wide = new Uint8Array(bytes.length + 7);
    wide.set(bytes, 7);
    assert.equal((await table(readParquet(wide.subarray(7)))).numRows, 5);
  });
});

describe('points', () => {
  const bytes = load('points');

  it('are joined over their row groups', async () => {
    const read = await table(readParquet(bytes));
    assert.deepEqual(column(read, 'x'), [0, 0.5, 1, 1.5, 2, 2.5, 3, 3.5, 4, 4.5]);
    assert.deepEqual(column(read, 'gene'), ['A', 'B', 'A', 'B', 'A', 'B', 'A', 'B', 'A', 'B']);
    assert.ok(read.getChild('x')?.toArray() instanceof Float32Array);
    assert.ok(read.getChild('feature_index')?.toArray() instanceof Int32Array);
  });

  it('keep unsigned and wide integers whole', async () => {
    const read = await table(readParquet(bytes));
    assert.equal(read.getChild('morton_code_2d')?.get(9), 4_000_000_009);
    assert.equal(read.getChild('cell')?.get(1), 2n ** 40n + 1n);
  });

  it('tell their row groups', () => {
    const metadata = readMetadata(footer(bytes));
    assert.equal(metadata.fileMetadata().numRows(), 10);
    assert.equal(metadata.numRowGroups(), 3);
    assert.deepEqual([0, 1, 2].map((i) => metadata.rowGroup(i).numRows()), [4, 4, 2]);
  });

  it('can be read one row group at a time from its bytes alone', async () => {
    const group = readMetadata(footer(bytes)).rowGroup(1);
    const part = bytes.slice(group.fileOffset(), group.fileOffset() + group.compressedSize());
    const read = await table(readParquetRowGroup(footer(bytes), part, 1));
    assert.deepEqual(column(read, 'x'), [2, 2.5, 3, 3.5]);
    assert.deepEqual(column(read, 'gene'), ['A', 'B', 'A', 'B']);
  });
});

describe('columns that are seldom', () => {
  const bytes = load('odd');

  it('keep what is missing missing', async () => {
    const read = await table(readParquet(bytes));
    assert.deepEqual(column(read, 'flag').slice(0, 3), [true, null, false]);
    assert.deepEqual(column(read, 'name').slice(0, 3), ['a', null, '']);
    assert.deepEqual(column(read, 'count').slice(0, 3), [1n, null, 3n]);
    assert.deepEqual(column(read, 'small').slice(0, 3), [255, 0, null]);
    assert.equal(read.getChild('count')?.nullCount, 3);
  });

  it('are left out where no plain type fits, and the next are found', async () => {
    const read = await table(readSchema(footer(bytes)));
    assert.deepEqual(names(read), ['flag', 'name', 'count', 'small', 'last']);
  });
});

it('has nothing to start', async () => {
  assert.equal(await init(), undefined);
});

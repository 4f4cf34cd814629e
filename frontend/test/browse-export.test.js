import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { parquetMetadata, parquetReadObjects } from 'hyparquet';
import { csv, read } from '../src/browse/export.js';
import { closure, snippet } from '../src/browse/snippet.js';
import { fakeEngine } from './browse-kit.js';

const FACETS = [
  { column: 'tissue', label: 'Tissue', terms: [{ label: 'brain', id: 'UBERON:0000955' }, { label: 'cerebellum', parents: [0] }, { label: 'vermis "x"', parents: [1], shown: false }, { label: 'lung' }] },
  { column: 'validation_status', label: 'Validation', terms: [{ label: 'passed all checks' }] },
  { column: 'made_up', label: 'Made up', terms: [{ label: 'yes' }] },
];
const row = (/** @type {number} */ tissue) => ({ title: 'x', terms: { tissue: [tissue], validation_status: [0], made_up: [0] }, numbers: { published_at: 19358, n_obs: 3 } });
const engine = fakeEngine(FACETS, [{ column: 'published_at', label: 'Published', kind: 'date' }, { column: 'n_obs', label: 'Observations', kind: 'count' }], [row(0), row(3)]);

describe('rows of a file', () => {
  it('are read from their groups alone, in the order wanted', async () => {
    const bytes = readFileSync(new URL('fixtures/points.parquet', import.meta.url));
    const whole = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length);
    const file = { byteLength: whole.byteLength, slice: (/** @type {number} */ start, /** @type {number} */ end = whole.byteLength) => whole.slice(start, end) };
    const metadata = parquetMetadata(whole);
    const all = await parquetReadObjects({ file, metadata });
    const last = all.length - 1;
    assert.deepEqual(await read(file, metadata, [last, 0, 2]), [all[last], all[0], all[2]]);
    const [column] = Object.keys(all[0]);
    assert.deepEqual(await read(file, metadata, [1], [column]), [{ [column]: all[1][column] }]);
  });
});

describe('a table of cells', () => {
  it('is quoted, and runs nothing', () => {
    const rows = [{ a: '=1+1', b: ['x', 'y'], c: null }, { a: 'say "hi", you', b: '@home', c: true }, { a: '-3', b: 5n, c: 'two\nlines' }];
    assert.equal(csv(rows, ['a', 'b', 'c']), "a,b,c\n'=1+1,x; y,\n\"say \"\"hi\"\", you\",'@home,True\n'-3,5,\"two\nlines\"\n");
  });
});

describe('the program', () => {
  const query = { q: '', terms: {}, ranges: {}, sort: 'newest', page: 1, size: 48 };
  /** @param {Partial<import('../src/browse/types.js').Query>} change */
  const made = (change) => snippet(
    { engine, query: { ...query, ...change }, total: 1, catalog: 'https://example.org/c.parquet', page: 'https://example.org/?a=\n1', site: 'A "site"' },
    ['uid', 'tissue', 'tissue_terms', 'validation_status', 'n_obs', 'published_at'], async () => ['a1', 'b"2']);

  it('names what was chosen and all below it, by id where there is one', async () => {
    assert.deepEqual(closure(engine.facets[0], [0]), [0, 1, 2]);
    const text = await made({ terms: { tissue: [0], validation_status: [0] } });
    assert.match(text, /"tissue": \{"UBERON:0000955": "brain", "cerebellum": "cerebellum", "vermis \\"x\\"": "vermis \\"x\\""\},/);
    assert.match(text, /"validation_status": \{"pass": "passed all checks"\},/);
  });

  it('has ranges as the catalog has them', async () => {
    const text = await made({ ranges: { published_at: [19358, null], n_obs: [null, 50], other: [1, 2] } });
    assert.match(text, /"published_at": \("2023-01-01", None\),\n {4}"n_obs": \(None, 50\),/);
  });

  it('has the ids of what it cannot ask for', async () => {
    const text = await made({ q: 'some words', terms: { made_up: [0] } });
    assert.match(text, /# Made up, which is no column of the catalog\n {4}\{"a1", "b\\"2"\},\n {4}# The text "some words"\n/);
    assert.doesNotMatch(text.split('\n')[1], /a=$/, 'a line of comment stays one line');
  });
});

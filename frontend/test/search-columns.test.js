import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { RangeColumn, TermColumn, edges } from '../src/search/columns.js';

/**
 * @param {number[][]} sets
 * @param {number[]} codes
 * @param {number[][]} parents
 */
function facet(sets, codes, parents) {
  return TermColumn.read(
    { column: 'c', label: 'C', kind: 'term', labels: parents.map((_, i) => `t${i}`), ids: parents.map(() => ''), parents },
    new Map(/** @type {[string, any][]} */ ([
      ['c.codes', Uint8Array.from(codes)], ['c.setlen', Uint8Array.from(sets, (set) => set.length)], ['c.set', Uint16Array.from(sets.flat())],
    ])),
  );
}

/**
 * @param {number[]} values distinct
 * @param {number[]} codes
 * @param {'count' | 'date'} kind
 */
function range(values, codes, kind = 'count') {
  const steps = Uint32Array.from(values, (value, i) => value - (values[i - 1] ?? 0));
  const arrays = new Map(/** @type {[string, any][]} */ ([['r.codes', Uint8Array.from(codes)], ['r.values', steps]]));
  return new RangeColumn({ column: 'r', label: 'R', kind }, arrays);
}

describe('a facet', () => {
  // 0 and 2 lie below 1, which lies below 3
  const column = facet([[0], [0, 2], [4]], [0, 0, 1, 2, 1], [[1], [3], [1], [], []]);

  it('counts a row once for each term, descendants included', () => {
    assert.deepEqual([...column.counts], [4, 4, 2, 4, 1]);
    assert.deepEqual([...column.sizes], [2, 2, 1]);
  });

  it('knows the sets that a term includes', () => {
    assert.deepEqual([...column.mask([2])], [0, 1, 0]);
    assert.deepEqual([...column.mask([3])], [1, 1, 0]);
    assert.deepEqual([...column.mask([2, 4])], [0, 1, 1]);
    assert.deepEqual([...column.mask([])], [0, 0, 0]);
  });

  it('knows what a row names itself', () => {
    assert.deepEqual(column.labels(2), ['t0', 't2']);
  });

  it('does not hang on a circle', () => assert.deepEqual([...facet([[0]], [0], [[1], [0]]).counts], [1, 1]));

  it('that the file lacks is an error', () => {
    assert.throws(() => new RangeColumn({ column: 'x', label: 'X', kind: 'count' }, new Map()), /no codes of x/);
  });
});

describe('a range', () => {
  const column = range([0, 5, 70, 1000], [0, 1, 4, 2, 3]);

  it('knows numbers, and where there is none', () => {
    assert.deepEqual([0, 1, 2, 3, 4].map((row) => column.number(row)), [null, 0, 1000, 5, 70]);
    assert.deepEqual([column.min, column.max], [0, 1000]);
  });

  it('finds the codes between two numbers', () => {
    assert.deepEqual(column.between(0, 5), [1, 2]);
    assert.deepEqual(column.between(1, 69), [2, 2]);
    assert.deepEqual(column.between(null, 70), [1, 3]);
    assert.deepEqual(column.between(6, null), [3, 4]);
    assert.deepEqual(column.between(71, 72), [4, 3]);
  });

  it('may have no numbers at all', () => {
    const empty = range([], [0, 0]);
    assert.deepEqual([empty.min, empty.max, empty.edges], [null, null, []]);
    assert.deepEqual([...empty.bins()], [0, 0]);
  });
});

describe('edges', () => {
  const of = (/** @type {number[]} */ values, growing = true) => edges(Float64Array.from(values), growing);

  it('are whole, distinct, and reach from the least to the greatest', () => {
    for (const values of [[0, 1], [0, 3], [1, 2, 100], [0, 10 ** 13], [999, 1000], [18_000, 19_999]]) {
      for (const growing of [true, false]) {
        const made = of(values, growing);
        assert.equal(made[0], values[0]);
        assert.equal(made.at(-1), values.at(-1));
        assert.ok(made.length <= 25);
        assert.ok(made.every((edge, i) => Number.isInteger(edge) && (i === 0 || edge > made[i - 1])));
      }
    }
  });

  it('grow by a factor, or by steps', () => {
    assert.deepEqual(of([1, 2 ** 24]).slice(0, 5), [1, 2, 4, 8, 16]);
    assert.deepEqual(of([0, 240], false).slice(0, 4), [0, 10, 20, 30]);
  });

  it('are one bar where there is one number', () => {
    assert.deepEqual(of([7]), [7, 7]);
    assert.deepEqual([...range([7], [1, 0]).bins()], [1, 0]);
  });

  it('put a number into the bar that begins with it, the greatest into the last', () => {
    const column = range([0, 9, 10, 239, 240], [1, 2, 3, 4, 5], 'date');
    assert.deepEqual([...column.bins()], [1, 1, 2, 24, 24]);
  });
});

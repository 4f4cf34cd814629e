import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { RangeColumn, TermColumn } from '../src/search/columns.js';
import { Matcher } from '../src/search/facets.js';

let seed = 3;
const next = (/** @type {number} */ n) => Math.floor(((seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) >>> 0) / 2 ** 32) * n);

/**
 * Facets whose rows have one term each, and a range.
 * @param {number} n
 */
function columns(n) {
  const facets = [3, 5, 300].map((terms, i) => {
    const none = Array.from({ length: terms }, () => []);
    const codes = Array.from({ length: n }, () => Math.min(next(terms), next(terms)));
    return TermColumn.read(
      { column: `f${i}`, label: '', kind: 'value', labels: none.map(() => ''), ids: none.map(() => ''), parents: none },
      new Map(/** @type {[string, any][]} */ ([
        [`f${i}.codes`, terms > 256 ? Uint16Array.from(codes) : Uint8Array.from(codes)],
        [`f${i}.setlen`, new Uint8Array(terms).fill(1)],
        [`f${i}.set`, Uint16Array.from({ length: terms }, (_, term) => term)],
      ])),
    );
  });
  const range = new RangeColumn({ column: 'r', label: '', kind: 'count' }, new Map(/** @type {[string, any][]} */ ([
    ['r.codes', Uint8Array.from({ length: n }, () => next(11))], ['r.values', new Uint8Array(10).fill(7)],
  ])));
  return { facets, range };
}

describe('filters and counts', () => {
  for (const n of [1, 40, 3000]) {
    it(`are those of asking each row: ${n} rows`, () => {
      const { facets, range } = columns(n);
      const matcher = new Matcher(n);
      for (let k = 0; k < 150; k++) {
        /** @type {import('../src/search/facets.js').Filter[]} */
        const filters = facets.filter(() => next(2)).map((of) => (
          { column: of.column, kind: 'terms', of, terms: Array.from({ length: 1 + next(3) }, () => next(Math.min(of.terms.length, 6))) }
        ));
        if (next(2)) filters.push({ column: 'r', kind: 'ranges', of: range, low: next(2) ? next(70) : null, high: next(2) ? next(70) : null });
        const share = 1 + next(4);
        const base = next(2) ? Uint32Array.from({ length: n }, (_, row) => row).filter(() => next(share) === 0 || share === 1) : null;
        const passes = (/** @type {number} */ row, /** @type {string | null} */ but) => filters.every((filter) => {
          if (filter.column === but) return true;
          if (filter.kind === 'terms') return filter.terms.includes(filter.of.codes[row]);
          const value = range.number(row);
          return value !== null && value >= (filter.low ?? 0) && value <= (filter.high ?? Infinity);
        });
        const among = (/** @type {string | null} */ but) => [...(base ?? Array.from({ length: n }, (_, row) => row))].filter((row) => passes(row, but));
        const expected = among(null);
        const matches = matcher.run(filters, base);
        assert.equal(matches.total, expected.length);
        assert.deepEqual(matches.newest(1, 5), expected.slice().reverse().slice(1, 6));
        for (const facet of facets) {
          const counted = new Array(facet.terms.length).fill(0);
          for (const row of among(facet.column)) counted[facet.codes[row]] += 1;
          assert.deepEqual([...matches.counts(facet)], counted);
        }
        const bars = new Array(range.edges.length - 1).fill(0);
        for (const row of among('r')) if (range.codes[row]) bars[range.bins()[row] - 1] += 1;
        assert.deepEqual([...matches.bars(range)], bars);
        if (!expected.length) filters.forEach((filter, i) => assert.equal(matches.without(i + 1), among(filter.column).length));
        assert.deepEqual([...matches.all()], expected);
        assert.deepEqual(matches.newest(1, 5), expected.slice().reverse().slice(1, 6));
      }
    });
  }
});

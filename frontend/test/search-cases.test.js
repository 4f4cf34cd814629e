import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { TABLE, asked, open, place } from './search-kit.js';

const engine = await open();
/** @type {string[]} */
const ids = TABLE.rows.map((/** @type {any} */ row) => row.id);

/**
 * The bars of the values that a case names.
 * @param {number[]} edges
 * @param {number[]} values
 */
function bars(edges, values) {
  const last = edges.length - 2;
  const out = new Array(edges.length - 1).fill(0);
  for (const value of values) out[Math.min(last, edges.findLastIndex((edge) => edge <= value))] += 1;
  return out;
}

describe('the table of cases', () => {
  for (const expected of TABLE.cases) {
    it(expected.name, async () => {
      const result = await engine.search(asked(engine, expected.query));
      const found = result.rows.map((row) => ids[row]);
      assert.deepEqual(expected.ordered ? found : found.sort(), expected.ids);
      assert.equal(result.total, expected.ids.length);
      for (const [column, counts] of Object.entries(expected.counts ?? {})) {
        const counted = Object.keys(counts).map((term) => [term, result.counts[column][place(engine, column, term)]]);
        assert.deepEqual(Object.fromEntries(counted), counts);
      }
      for (const [column, values] of Object.entries(expected.histograms ?? {})) {
        const { edges, counts } = result.histograms[column];
        assert.deepEqual([...counts], bars(edges, values));
      }
      assert.deepEqual(result.corrected, expected.corrected ?? []);
      if (expected.suggestions) assert.deepEqual(result.suggestions, expected.suggestions);
      if (expected.drop) assert.deepEqual(result.drop, expected.drop);
      assert.deepEqual([...await engine.rows(asked(engine, expected.query))], result.rows);
    });
  }
});

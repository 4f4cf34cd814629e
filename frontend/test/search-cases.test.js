import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, it } from 'node:test';
import { FIXTURE, TABLE, asked, open, place } from './search-kit.js';

const engine = await open();
/** @type {string[]} */
const ids = TABLE.rows.map((/** @type {any} */ row) => row.id);

/** What each row scores in each case, as Python works it out. @type {Record<string, Record<string, number>>} */
const SCORES = JSON.parse(readFileSync(path.join(FIXTURE, 'scores.json'), 'utf8'));

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

describe('scores', () => {
  for (const { name, query } of TABLE.cases) {
    it(name, async () => {
      const plan = await engine.text.plan(query.q ?? '');
      if (!plan) return;
      const { rows, keys } = engine.text.rank(plan);
      const scores = new Float32Array(/** @type {ArrayBuffer} */ (keys.buffer));
      for (const [id, score] of Object.entries(SCORES[name])) {
        const row = ids.indexOf(id);
        assert.ok(rows.includes(row), id);
        assert.ok(Math.abs(scores[row] - score) < 2e-6, `${id}: ${scores[row]}`);
      }
    });
  }
});

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

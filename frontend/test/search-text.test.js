import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { FIXTURE, host, open } from './search-kit.js';

const from = host(FIXTURE);
const engine = await open(from);
await engine.synonyms(); // the names are there from now on
const { shards, names } = engine.text;

describe('shards', () => {
  it('know rows of a word and lists of a gene', async () => {
    assert.deepEqual([...(await shards.exact('sagittal')).rows], [0, 1, 2]);
    assert.deepEqual([...(await shards.exact('mbp')).lists], [0, 1]);
    assert.equal((await shards.exact('nowhere')).rows.length, 0);
    assert.equal((await shards.exact('')).rows.length, 0);
    assert.equal((await shards.exact('zzzz')).rows.length, 0);
  });

  it('join the words with a prefix, each row with its greatest impact, whether there is an entry for it or not', async () => {
    /** @type {Map<string, Map<number, number>>} */
    const all = new Map();
    for (let k = 0; k < shards.first.length; k++) {
      const shard = await shards.shards.get(k);
      shard.terms.forEach((term, i) => {
        const { rows, impacts } = shard.posting(i);
        if (!term.endsWith('*')) all.set(term, new Map([...rows].map((row, j) => [row, impacts[j]])));
      });
    }
    const prefixes = new Set([...all.keys()].flatMap((term) => [1, 2, 3, 9].map((n) => [...term].slice(0, n).join(''))));
    for (const prefix of prefixes) {
      /** @type {Map<number, number>} */
      const best = new Map();
      for (const [term, rows] of all) {
        if (term.startsWith(prefix)) for (const [row, impact] of rows) best.set(row, Math.max(impact, best.get(row) ?? 0));
      }
      const { rows, impacts } = await shards.starting(prefix);
      assert.deepEqual([...rows], [...best.keys()].sort((a, b) => a - b), prefix);
      assert.deepEqual([...impacts], [...rows].map((row) => best.get(row)), prefix);
    }
  });
});

describe('names', () => {
  const labels = (/** @type {import('../src/search/names.js').Place[]} */ places) => places.map(({ column, term }) => engine.text.columns[column].terms[term].label).sort();

  it('are known by a word, or its beginning', () => {
    assert.deepEqual(labels(names.equal('renal')), ['cortex', 'kidney']);
    assert.deepEqual(labels(names.starting('cereb')), ['cerebellum', 'cerebral cortex']);
    assert.deepEqual(names.equal('ren'), []);
  });

  it('are known as a whole', () => {
    assert.deepEqual(labels(names.called(['homo', 'sapiens'])), ['Homo sapiens']);
    assert.deepEqual(labels(names.called(['ncbitaxon', '9606'])), ['Homo sapiens']);
    assert.deepEqual(labels(names.called(['in', 'situ', 'hybridization'])), []);
    assert.deepEqual(labels(names.called(['situ', 'hybridization'])), ['in situ hybridization']);
    assert.deepEqual(names.called(['sapiens', 'homo']), []);
    assert.deepEqual(names.called(['ad']), []);
  });
});

describe('a query', () => {
  it('without a word is none', async () => {
    assert.equal(await engine.text.plan(''), null);
    assert.equal(await engine.text.plan(' — '), null);
  });

  it('is looked up once for many clicks', async () => {
    const plan = await engine.text.plan('mouse');
    assert.equal(await engine.text.plan('mouse'), plan);
    assert.ok(plan);
    assert.equal(engine.text.rank(plan), engine.text.rank(plan));
  });
});

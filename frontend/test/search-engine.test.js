import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { IndexError } from '../src/search/engine.js';
import { FIXTURE, NAME, TABLE, asked, host, open, place } from './search-kit.js';

/** @typedef {import('../src/search/engine.js').Engine} Engine */

describe('an index', () => {
  it('says what it has', async () => {
    const engine = await open();
    assert.equal(engine.n, 30);
    assert.deepEqual(engine.facets.map((facet) => facet.column), TABLE.facets.map((/** @type {any} */ facet) => facet.column));
    const tissue = engine.facets[3];
    const label = (/** @type {number} */ i) => tissue.terms[i].label;
    assert.ok(tissue.roots().map(label).includes('brain'));
    assert.deepEqual(tissue.children(place(engine, 'tissue', 'brain')).map(label), ['cerebellum', 'cerebral cortex']);
    assert.deepEqual(tissue.ancestors(place(engine, 'tissue', 'cerebellum')).map(label), ['brain']);
    assert.deepEqual(engine.ranges.map(({ column, kind, min, max }) => [column, kind, min, max]), [
      ['n_obs', 'count', 0, 250_000], ['size_bytes', 'bytes', 1000, 8_000_000_000], ['published_at', 'date', 18_017, 19_806],
    ]);
  });

  it('has one file until more is asked for', async () => {
    const from = host(FIXTURE);
    const engine = await open(from);
    await engine.search(asked(engine, { terms: { organism: ['Homo sapiens'] }, sort: 'n_obs' }));
    assert.deepEqual(from.asked, [NAME]);
  });

  it('is looked up in no more shards than a word needs, once each', async () => {
    const from = host(FIXTURE);
    const engine = await open(from);
    await Promise.all([1, 2, 3].map(() => engine.search(asked(engine, { q: 'sagittal ' }))));
    assert.equal(from.asked.filter((name) => name.startsWith('text/')).length, 1);
    assert.ok(!from.asked.some((name) => name.startsWith('words')));
    await engine.search(asked(engine, { q: 'sagitall ' }));
    await engine.search(asked(engine, { q: 'cerebelum ' }));
    assert.equal(from.asked.filter((name) => name.startsWith('words')).length, 1);
    assert.equal(new Set(from.asked).size, from.asked.length);
  });

  it('keeps no failure', async () => {
    const from = host(FIXTURE);
    const engine = await open(from);
    const calls = /** @type {const} */ ([
      ['words', () => engine.search(asked(engine, { q: 'cerebelum' }))],
      ['text/', () => engine.search(asked(engine, { q: 'sagittal' }))],
      ['title', () => engine.search(asked(engine, { sort: 'title' }))],
      ['cards/', () => engine.cards([0])],
      ['rows', () => engine.catalogRows([0])],
    ]);
    for (const [start, call] of calls) {
      from.broken = start;
      await assert.rejects(call(), (/** @type {IndexError} */ error) => {
        assert.ok(error instanceof IndexError);
        assert.equal(error.message, 'The server answered 503');
        assert.ok(error.address.startsWith(`https://example.org/search/${start}`));
        return true;
      });
      from.broken = null;
      await call();
    }
  });

  it('that is not there, can not be reached, or is damaged is an error with its address', async () => {
    const failures = /** @type {const} */ ([
      [async () => new Response(null, { status: 404 }), /answered 404/],
      [async () => { throw new TypeError('network'); }, /could not be reached/],
      [async () => new Response('{}'), /damaged/],
      [async () => new Response(Uint8Array.of(0x1f, 0x8b, 1, 2, 3)), /damaged/],
    ]);
    for (const [get, message] of failures) {
      await assert.rejects(open({ get }), { name: 'IndexError', message, address: `https://example.org/search/${NAME}` });
    }
  });

  it('may come unpacked, where the host named the encoding', async () => {
    const { get } = host(FIXTURE);
    const unpacked = async (/** @type {string} */ address) => {
      const response = await get(address);
      return address.endsWith('.bin') ? new Response(/** @type {any} */ (response.body).pipeThrough(new DecompressionStream('gzip'))) : response;
    };
    const engine = await open({ get: unpacked });
    assert.equal((await engine.search(asked(engine, { q: 'sagittal' }))).total, 3);
  });
});

describe('a search', () => {
  it('has pages', async () => {
    const engine = await open();
    for (const sort of ['newest', 'title', 'n_obs', 'relevance']) {
      for (const q of ['', 'mouse']) {
        const all = (await engine.search(asked(engine, { q, sort }))).rows;
        const rows = [];
        for (let page = 1; page < 7; page++) rows.push(...(await engine.search(asked(engine, { q, sort, page, size: 7 }))).rows);
        assert.deepEqual(rows, all);
      }
    }
  });

  it('says what to highlight', async () => {
    const engine = await open();
    const found = async (/** @type {string} */ q) => (await engine.search(asked(engine, { q }))).found;
    assert.deepEqual(await found('Adult MOU'), [{ word: 'adult', prefix: false }, { word: 'mou', prefix: true }]);
    assert.deepEqual(await found('adlut '), [{ word: 'adult', prefix: false }]);
    const human = (await found('human')).map(({ word }) => word);
    for (const word of ['human', 'man', 'homo', 'sapiens']) assert.ok(human.includes(word));
  });

  it('is not disturbed by others at the same time', async () => {
    const quiet = await open();
    const queries = TABLE.cases.map((/** @type {any} */ one) => asked(quiet, one.query));
    /** @type {import('../src/search/engine.js').Result[]} */
    const expected = [];
    for (const query of queries) expected.push(await quiet.search(query));
    let seed = 5;
    const { get } = host(FIXTURE);
    const slow = async (/** @type {string} */ address) => {
      await new Promise((resolve) => setTimeout(resolve, (seed = (seed * 31) % 17)));
      return get(address);
    };
    const engine = await open({ get: slow });
    const results = await Promise.all(queries.flatMap((/** @type {any} */ query) => [engine.search(query), engine.rows(query)]));
    queries.forEach((/** @type {any} */ _, /** @type {number} */ i) => {
      const { ms, ...result } = results[2 * i];
      const { ms: other, ...same } = expected[i];
      assert.deepEqual(result, same);
      assert.deepEqual([...results[2 * i + 1]], same.rows);
    });
  });

  it('leaves its answers alone', async () => {
    const engine = await open();
    const first = await engine.search(asked(engine, { q: 'mouse' }));
    const copy = structuredClone(first);
    for (const { query } of TABLE.cases) await engine.search(asked(engine, query));
    assert.deepEqual(first, copy);
  });

  it('of any text answers', async () => {
    const engine = await open();
    for (const q of ['\ud800', '*', 'lu*', '..', '%', '\0', 'x'.repeat(10_000), 'lung '.repeat(400), '__proto__ constructor toString']) {
      await engine.search(asked(engine, { q }));
    }
  });
});

describe('rows', () => {
  it('have cards', async () => {
    const engine = await open();
    const cards = await engine.cards([29, 0, 8]);
    assert.deepEqual(cards.map((card) => /id="(\w+)"/.exec(card)?.[1]), ['a30', 'a01', 'a09']);
  });

  it('have values', async () => {
    const engine = await open();
    assert.deepEqual(engine.values(4, 'tissue'), ['cerebellum', 'cerebral cortex']);
    assert.deepEqual(engine.values(26, 'tissue'), ['unknown']);
    assert.equal(engine.values(3, 'size_bytes'), 1_230_000);
    assert.equal(engine.values(26, 'n_obs'), null);
    assert.equal(engine.values(0, 'nothing'), null);
  });

  it('have places in the catalog', async () => {
    const engine = await open();
    assert.deepEqual([...await engine.catalogRows(Uint32Array.of(29, 0))], [29, 0]);
  });
});

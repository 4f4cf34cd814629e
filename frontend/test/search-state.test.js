import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { read, readRange, write } from '../src/search/state.js';

const day = (/** @type {string} */ text) => Date.parse(text) / 86_400_000;

/** @param {(string | [string, string])[]} given labels, some with an id */
const facet = (/** @type {string} */ column, ...given) => ({
  column,
  terms: given.map((one) => ({ label: Array.isArray(one) ? one[0] : one, id: Array.isArray(one) ? one[1] : '', synonyms: [], parents: [] })),
});

const STRANGE = [
  'lung', 'left lung', ' lung', 'lung, left', 'a+b', 'a b', '"quoted"', "it's", 'a&b=c', '100%', '%20', '%zz', '#hash', '?', '', '0',
  'دماغ الفأر', '\u202eabc', 'マウス', '🧠', '𐐔', '1000..5000', '..', '2023-01-01..', '<b>', 'a;b', 'a\nb', 'null', '\ud800', 'é', 'e\u0301',
];
const KNOWN = {
  facets: [
    facet('tissue', ...STRANGE),
    facet('assay', ['cortex', 'U:1'], ['cortex', 'U:2'], ['Cortex', 'U:3'], ['U:1', 'U:4'], 'unknown'),
    facet('many', ...Array.from({ length: 200 }, (_, i) => `value, ${i} + "${i}"`)),
  ],
  ranges: [
    { column: 'n_obs', kind: /** @type {const} */ ('count') },
    { column: 'size_bytes', kind: /** @type {const} */ ('bytes') },
    { column: 'published_at', kind: /** @type {const} */ ('date') },
  ],
};

const BARE = read('', KNOWN);

/** @param {Partial<import('../src/search/engine.js').Query>} query @param {object} [more] */
const state = (query, more = {}) => ({ ...BARE, ...more, query: { ...BARE.query, ...query } });

/** @param {import('../src/search/state.js').State} given */
function goesRound(given) {
  const address = write(given, KNOWN);
  assert.deepEqual(read(address, KNOWN), given, address);
  assert.deepEqual(read(`?${address}`, KNOWN), given);
  assert.equal(write(read(address, KNOWN), KNOWN), address);
  const url = new URL('https://example.org/browse/');
  url.search = address;
  assert.deepEqual(read(url.search, KNOWN), given, url.href);
}

describe('the address of a state', () => {
  it('is empty where all is as usual', () => {
    assert.equal(write(BARE, KNOWN), '');
    assert.deepEqual(BARE.query, { q: '', terms: {}, ranges: {}, sort: 'relevance', page: 1, size: 48 });
    assert.deepEqual([BARE.view, BARE.columns, BARE.unknown, BARE.rest], ['cards', [], [], []]);
  });

  it('names everything in one order', () => {
    const given = state(
      { q: 'mouse brain', terms: { assay: [1, 4], tissue: [1, 0] }, ranges: { published_at: [day('2023-01-01'), null], n_obs: [1000, 50_000] }, sort: 'n_obs', page: 3 },
      { view: 'table', columns: ['id', 'n_obs'] },
    );
    assert.equal(
      write(given, KNOWN),
      'q=mouse+brain&tissue=lung&tissue=left+lung&assay=U:2&assay=unknown&n_obs=1000..50000&published_at=2023-01-01..&sort=n_obs&page=3&view=table&columns=id,n_obs',
    );
  });

  it('leads back to it, whatever it is', () => {
    let seed = 11;
    const next = (/** @type {number} */ n) => Math.floor(((seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) >>> 0) / 2 ** 32) * n);
    const some = (/** @type {number} */ n, most = 4) => [...new Set(Array.from({ length: 1 + next(most) }, () => next(n)))].sort((a, b) => a - b);
    const end = () => (next(3) ? next(1_000_000) : null);
    for (let i = 0; i < 2000; i++) {
      /** @type {Record<string, number[]>} */
      const terms = {};
      // Half a letter can't stand in an address, and what only differs from another by its accents is that other.
      const tissue = some(STRANGE.length).filter((term) => STRANGE[term] !== '\ud800');
      if (next(2) && tissue.length) terms.tissue = tissue;
      if (next(2)) terms.assay = some(5);
      if (!next(4)) terms.many = some(200, 200);
      /** @type {Record<string, [number | null, number | null]>} */
      const ranges = {};
      for (const { column } of KNOWN.ranges) {
        const range = /** @type {[number | null, number | null]} */ ([end(), end()]);
        if (!next(3) && (range[0] !== null || range[1] !== null)) ranges[column] = column === 'published_at' ? [range[0] && range[0] % 30_000, range[1] && range[1] % 30_000] : range;
      }
      const q = next(2) ? some(STRANGE.length).map((term) => STRANGE[term]).filter((text) => text !== '\ud800').join(' ') : '';
      const unknown = next(4) ? [] : [{ column: 'tissue', value: 'no such & value' }, { column: 'n_obs', value: 'a few' }, { column: 'sort', value: 'luck' }];
      goesRound(state(
        { q, terms, ranges, sort: ['relevance', 'newest', 'title', 'n_obs'][next(4)], page: 1 + next(5) },
        { view: ['cards', 'table'][next(2)], columns: next(2) ? ['id', 'title'] : [], unknown, rest: next(3) ? [] : [['utm_source', 'a mail'], ['x', '']] },
      ));
    }
  });

  it('does not break on half a letter', () => {
    const address = write(state({ q: '\udc00', terms: { tissue: [STRANGE.indexOf('\ud800')] } }), KNOWN);
    assert.equal(read(address, KNOWN).query.q, '\ufffd');
  });
});

describe('values', () => {
  const terms = (/** @type {string} */ search) => read(search, KNOWN).query.terms;

  it('are known by label, in any case, and by id', () => {
    assert.deepEqual(terms('?tissue=LUNG&tissue=Left%20%20Lung'), { tissue: [0, 1] });
    assert.deepEqual(terms('?assay=U:2&assay=u:3'), { assay: [1, 2] });
  });

  it('count once', () => assert.deepEqual(terms('?tissue=lung&tissue=lung&tissue=LUNG'), { tissue: [0] }));

  it('that the index does not have are told, and kept', () => {
    const found = read('?tissue=nowhere&tissue=lung&n_obs=x..&sort=luck', KNOWN);
    assert.deepEqual(found.unknown, [{ column: 'tissue', value: 'nowhere' }, { column: 'n_obs', value: 'x..' }, { column: 'sort', value: 'luck' }]);
    assert.equal(write(found, KNOWN), 'tissue=lung&tissue=nowhere&n_obs=x..&sort=luck');
    assert.equal(write({ ...found, unknown: [] }, KNOWN), 'tissue=lung');
  });

  it('of columns that are not here are left alone', () => {
    assert.equal(write(read('?utm=1&nothing=a+b', KNOWN), KNOWN), 'utm=1&nothing=a+b');
  });

  it('that make no sense are as usual', () => {
    const found = read('?page=-1&view=x&columns=,,&q=%E0%A4%A', KNOWN);
    assert.deepEqual([found.query.page, found.view, found.columns], [1, 'cards', []]);
  });
});

describe('ranges', () => {
  for (const [text, kind, range] of /** @type {const} */ ([
    ['1000..50000', 'count', [1000, 50_000]],
    ['..500', 'count', [null, 500]],
    ['1000..', 'count', [1000, null]],
    ['..', 'count', [null, null]],
    ['7', 'count', [7, 7]],
    ['1e6..', 'count', [1_000_000, null]],
    ['25MB', 'count', null],
    ['', 'count', null],
    ['many', 'count', null],
    ['25MB..1.5 gb', 'bytes', [25_000_000, 1_500_000_000]],
    ['2023', 'date', [day('2023-01-01'), day('2023-12-31')]],
    ['2024-02', 'date', [day('2024-02-01'), day('2024-02-29')]],
    ['2023-01-01..2024', 'date', [day('2023-01-01'), day('2024-12-31')]],
    ['2023-06..2023-06-15', 'date', [day('2023-06-01'), day('2023-06-15')]],
    ['1969-12-31..', 'date', [-1, null]],
    ['2023-02-30', 'date', null],
    ['2023-13', 'date', null],
    ['yesterday', 'date', null],
  ])) {
    it(`${kind} ${text}`, () => assert.deepEqual(readRange(text, kind), range));
  }
});

/** For the tests of the browse page: a document, and an engine that answers by looking at every row. */
import { Tree } from '../src/search/tree.js';
import { page } from './dom.js';

export { settle } from './dom.js';

/**
 * @param {string} html
 * @param {string} [address]
 */
export function browsePage(html, address = 'https://example.org/sub/browse/') {
  const document = page(html, address);
  const window = /** @type {any} */ (document.defaultView);
  const names = ['location', 'history', 'Node', 'HTMLDetailsElement', 'SVGElement', 'DOMParser'];
  for (const name of names) Object.defineProperty(globalThis, name, { value: window[name], configurable: true, writable: true });
  Object.defineProperty(globalThis, 'matchMedia', { value: () => ({ matches: false, addEventListener() {} }), configurable: true, writable: true });
  Object.defineProperty(globalThis, 'requestAnimationFrame', { value: (/** @type {() => void} */ act) => setImmediate(act), configurable: true, writable: true });
  window.scrollTo = () => {};
  window.Element.prototype.scrollIntoView = () => {};
  return document;
}

/**
 * @typedef {{title: string, terms: Record<string, number[]>, numbers: Record<string, number | null>}} Row
 * @param {{column: string, label: string, terms: Partial<import('../src/search/tree.js').Term>[]}[]} facets
 * @param {{column: string, label: string, kind: any}[]} ranges
 * @param {Row[]} rows the oldest first
 */
export function fakeEngine(facets, ranges, rows) {
  const metas = facets.map(({ column, label, terms }) => {
    const whole = terms.map((term) => ({ label: '', id: '', synonyms: [], parents: [], ...term }));
    const tree = new Tree(whole);
    return {
      column, label, kind: /** @type {'term'} */ ('term'), terms: whole,
      roots: () => tree.roots(), children: (/** @type {number} */ i) => tree.children(i), ancestors: (/** @type {number} */ i) => tree.ancestors(i),
    };
  });
  const bounds = ranges.map((range) => {
    const known = rows.map((row) => row.numbers[range.column]).filter((n) => n !== null && n !== undefined);
    return { ...range, min: known.length ? Math.min(...known) : null, max: known.length ? Math.max(...known) : null };
  });
  const has = (/** @type {any} */ meta, /** @type {number} */ row, /** @type {number} */ term) => rows[row].terms[meta.column].some((own) => own === term || meta.ancestors(own).includes(term));
  const matches = (/** @type {import('../src/browse/types.js').Query} */ query, /** @type {number} */ row) =>
    rows[row].title.toLowerCase().includes(query.q.trim().toLowerCase())
    && metas.every((meta) => !query.terms[meta.column]?.length || query.terms[meta.column].some((term) => has(meta, row, term)))
    && bounds.every(({ column }) => {
      const [low, high] = query.ranges[column] ?? [null, null];
      const n = rows[row].numbers[column];
      return (low === null && high === null) || (n !== null && n !== undefined && (low === null || n >= low) && (high === null || n <= high));
    });
  const all = (/** @type {import('../src/browse/types.js').Query} */ query) => rows.map((_, i) => i).filter((i) => matches(query, i)).reverse();
  /** @type {import('../src/browse/types.js').Query[]} */
  const asked = [];
  return {
    n: rows.length, facets: metas, ranges: bounds, asked,
    /** @type {Error | null} */
    fault: null,
    async synonyms() {
      return Object.fromEntries(metas.map(({ column, terms }) => [column, terms.map((term) => term.synonyms)]));
    },
    async search(/** @type {import('../src/browse/types.js').Query} */ query) {
      asked.push(query);
      if (this.fault) throw this.fault;
      const found = all(query);
      return {
        total: found.length,
        rows: found.slice((query.page - 1) * query.size, query.page * query.size),
        counts: Object.fromEntries(metas.map((meta) => [meta.column, Uint32Array.from(meta.terms, (_, term) => found.filter((row) => has(meta, row, term)).length)])),
        histograms: Object.fromEntries(bounds.map(({ column, min, max }) => [column, { edges: [min ?? 0, 10, max ?? 20], counts: Uint32Array.of(1, 2) }])),
        found: query.q.trim() ? [{ word: query.q.trim().toLowerCase(), prefix: true }] : [],
        corrected: [], suggestions: found.length ? [] : ['xenium'],
        drop: found.length ? [] : [{ kind: /** @type {'text'} */ ('text'), total: 2 }], ms: 1,
      };
    },
    async rows(/** @type {import('../src/browse/types.js').Query} */ query) { return Uint32Array.from(all(query)); },
    async cards(/** @type {Iterable<number>} */ wanted) { return [...wanted].map((row) => card(row, rows[row].title)); },
    values(/** @type {number} */ row, /** @type {string} */ column) {
      const meta = metas.find((one) => one.column === column);
      return meta ? rows[row].terms[column].map((term) => meta.terms[term].label) : rows[row].numbers[column] ?? null;
    },
    async catalogRows(/** @type {Iterable<number>} */ wanted) { return Uint32Array.from(wanted); },
  };
}

/** @param {number} row @param {string} title */
export function card(row, title) {
  const text = title.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
  return `<li class="p-card"><span class="p-media"><img src="../t/${row}.webp" alt="Picture"></span><h3 class="p-card__t"><a href="../datasets/a${row}/">${text}</a></h3>`
    + `<p class="p-card__m">brain</p><p class="p-card__f"><span class="p-status">Checked</span></p></li>`;
}

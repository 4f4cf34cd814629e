/**
 * The search: facets, ranges, words and order over the static files of an index. The rules are those of
 * `docs/docs/searching.md`, the format that of `docs/docs/search-index.md`; `tests/search_cases.json` holds it to them.
 */
import { RangeColumn, TermColumn } from './columns.js';
import { unpack } from './decode.js';
import { Matcher } from './facets.js';
import { Files, IndexError, Once, hex } from './files.js';
import { order, page } from './sort.js';
import { TextSearch } from './text.js';

export { IndexError };

/**
 * @typedef {import('./decode.js').Header} Header
 * @typedef {import('./decode.js').Column} Column
 * @typedef {import('./decode.js').Codes} Codes
 * @typedef {import('./facets.js').Filter} Filter
 * @typedef {import('./facets.js').Matches} Matches
 * @typedef {import('./files.js').Get} Get
 * @typedef {import('./scores.js').Ranked} Ranked
 * @typedef {import('./text.js').Plan} Plan
 * @typedef {import('./tree.js').Term} Term
 */

/**
 * @typedef {object} Query
 * @property {string} q
 * @property {Record<string, number[]>} terms places of terms, by column
 * @property {Record<string, [number | null, number | null]>} ranges both ends included, by column
 * @property {string} sort relevance, newest, title, or a range, whose greatest come first
 * @property {number} page from 1
 * @property {number} size
 */

/**
 * @typedef {object} Result
 * @property {number} total
 * @property {number[]} rows those of the page
 * @property {Record<string, Uint32Array>} counts rows of each term, by column
 * @property {Record<string, {edges: number[], counts: Uint32Array}>} histograms
 * @property {{word: string, prefix: boolean}[]} found what to highlight, folded
 * @property {{from: string, to: string[]}[]} corrected
 * @property {string[]} suggestions where nothing was found
 * @property {{kind: 'text' | 'terms' | 'ranges', column?: string, total: number}[]} drop totals without each filter, likewise
 * @property {number} ms
 */

/**
 * @typedef {object} FacetMeta
 * @property {string} column
 * @property {string} label
 * @property {'term' | 'value'} kind
 * @property {Term[]} terms
 * @property {() => number[]} roots
 * @property {(index: number) => number[]} children
 * @property {(index: number) => number[]} ancestors nearest first
 */

/**
 * @typedef {object} RangeMeta
 * @property {string} column
 * @property {string} label
 * @property {'count' | 'bytes' | 'date'} kind
 * @property {number | null} min
 * @property {number | null} max
 */

/**
 * @typedef {{n: number, facets: FacetMeta[], ranges: RangeMeta[]}} Meta
 */

/**
 * @param {string} base the address of the folder of the index
 * @param {string} name the file of facets, which leads to all others
 * @param {{get?: Get}} [options]
 */
export async function openEngine(base, name, { get } = {}) {
  const files = new Files(base, get);
  return files.packed(name, (bytes) => new Engine(files, unpack(bytes)));
}

export class Engine {
  /**
   * @param {Files} files
   * @param {{header: Header, arrays: Map<string, Column>}} container
   */
  constructor(files, { header, arrays }) {
    this.files = files;
    this.header = header;
    this.n = header.n;
    this.columns = header.facets.map((facet) => TermColumn.read(facet, arrays));
    this.rangeColumns = header.ranges.map((range) => new RangeColumn(range, arrays));
    this.matcher = new Matcher(header.n);
    const none = new Uint32Array(0);
    const hashes = (/** @type {string} */ name) => /** @type {Uint32Array} */ (arrays.get(name) ?? none);
    this.text = new TextSearch({
      files, header, columns: this.columns, hashes: hashes('text.hash'),
      geneCodes: /** @type {Codes | undefined} */ (arrays.get(':genes')) ?? null,
    });
    const cards = hashes('cards.hash');
    /** @type {Once<number, string[]>} */
    this.chunks = new Once((k) => files.json(`cards/${k}-${hex(cards[k])}.json`));
    /** @type {Once<'title' | 'rows', Uint32Array>} */
    this.arrays = new Once((key) => files.packed(header.files[key], (bytes) => firstArray(bytes)));
    /** @type {Uint32Array | undefined} */
    this.titleKeys = undefined;
    /** @type {FacetMeta[]} */
    this.facets = this.columns.map(({ column, label, kind, terms, tree }) => ({
      column, label, kind, terms,
      roots: () => tree.roots(), children: (i) => tree.children(i), ancestors: (i) => tree.ancestors(i),
    }));
    /** @type {RangeMeta[]} */
    this.ranges = this.rangeColumns.map(({ column, label, kind, min, max }) => ({ column, label, kind, min, max }));
  }

  /**
   * @param {Query} query
   * @returns {Promise<Result>}
   */
  async search(query) {
    const begin = performance.now();
    const [plan] = await Promise.all([this.text.plan(query.q), this.prepare(query.sort)]);
    const filters = this.filters(query);
    const result = this.answer(query, plan, filters);
    if (result.total === 0) {
      result.drop = this.totalsWithout(plan, filters);
      if (plan) result.suggestions = await this.text.suggestions(plan);
    }
    result.ms = performance.now() - begin;
    return result;
  }

  /**
   * All matching rows in order.
   * @param {Query} query
   */
  async rows(query) {
    const [plan] = await Promise.all([this.text.plan(query.q), this.prepare(query.sort)]);
    const ranked = plan && this.text.rank(plan);
    const rows = this.matcher.run(this.filters(query), ranked?.rows ?? null).all();
    const keys = this.keys(query.sort, ranked);
    return keys ? order(rows, keys) : rows.slice().reverse();
  }

  /**
   * @param {Iterable<number>} rows
   * @returns {Promise<string[]>} HTML, made when the index was
   */
  async cards(rows) {
    const { chunk } = this.header;
    return Promise.all(Array.from(rows, async (row) => (await this.chunks.get(Math.floor(row / chunk)))[row % chunk]));
  }

  /**
   * What else the terms of each facet are called, by their places.
   * @returns {Promise<Record<string, string[][]>>}
   */
  async synonyms() {
    const named = await this.text.named();
    return Object.fromEntries(this.columns.map(({ column, terms }, i) => (
      [column, named[i].terms.slice(0, terms.length).map((term) => term.synonyms)])));
  }

  /**
   * The labels of a row's own terms, or its number; null where it is unknown.
   * @param {number} row
   * @param {string} column
   * @returns {string[] | number | null}
   */
  values(row, column) {
    const facet = this.columns.find((other) => other.column === column);
    if (facet) return facet.labels(row);
    return this.rangeColumns.find((other) => other.column === column)?.number(row) ?? null;
  }

  /**
   * @param {Iterable<number>} rows
   * @returns {Promise<Uint32Array>} their places in catalog.parquet
   */
  async catalogRows(rows) {
    const places = await this.arrays.get('rows');
    return Uint32Array.from(rows, (row) => places[row]);
  }

  /**
   * Fetches what an order needs.
   * @param {string} sort
   */
  async prepare(sort) {
    if (sort !== 'title' || this.titleKeys) return;
    const ranks = await this.arrays.get('title');
    this.titleKeys ??= ranks.map((rank) => this.n - 1 - rank);
  }

  /**
   * @param {string} sort
   * @param {Ranked | null} ranked
   * @returns {Codes | null} null: newest first
   */
  keys(sort, ranked) {
    if (sort === 'relevance') return ranked && ranked.keys;
    if (sort === 'title') return this.titleKeys ?? null;
    return this.rangeColumns.find((range) => range.column === sort)?.codes ?? null;
  }

  /**
   * @param {Query} query
   * @returns {Filter[]}
   */
  filters(query) {
    /** @type {Filter[]} */
    const filters = [];
    for (const of of this.columns) {
      const terms = query.terms[of.column];
      if (terms?.length) filters.push({ column: of.column, kind: 'terms', of, terms });
    }
    for (const of of this.rangeColumns) {
      const [low, high] = query.ranges[of.column] ?? [null, null];
      if (low !== null || high !== null) filters.push({ column: of.column, kind: 'ranges', of, low, high });
    }
    return filters;
  }

  /**
   * Nothing in it waits.
   * @param {Query} query
   * @param {Plan | null} plan
   * @param {Filter[]} filters
   * @returns {Result}
   */
  answer(query, plan, filters) {
    const ranked = plan && this.text.rank(plan);
    const matches = this.matcher.run(filters, ranked?.rows ?? null);
    const skip = (Math.max(1, query.page) - 1) * query.size;
    const keys = this.keys(query.sort, ranked);
    return {
      total: matches.total,
      counts: Object.fromEntries(this.columns.map((column) => [column.column, matches.counts(column)])),
      histograms: Object.fromEntries(this.rangeColumns.map((range) => (
        [range.column, { edges: range.edges, counts: matches.bars(range) }]
      ))),
      rows: keys ? page(matches.all(), keys, skip, query.size) : matches.newest(skip, query.size),
      found: plan?.found ?? [],
      corrected: plan?.corrected ?? [],
      suggestions: [],
      drop: [],
      ms: 0,
    };
  }

  /**
   * @param {Plan | null} plan
   * @param {Filter[]} filters
   * @returns {Result['drop']}
   */
  totalsWithout(plan, filters) {
    const matches = this.matcher.run(filters, plan && this.text.rank(plan).rows);
    const drop = filters.map(({ kind, column }, i) => ({ kind, column, total: matches.without(i + 1) }));
    if (!plan) return drop;
    return [{ kind: 'text', total: this.matcher.run(filters, null).total }, ...drop];
  }
}

/** @param {ArrayBuffer} bytes */
function firstArray(bytes) {
  const [array] = unpack(bytes).arrays.values();
  return /** @type {Uint32Array} */ (array);
}

/**
 * The columns of an index as the search needs them: facets of terms, and ranges of numbers.
 */
import { Tree } from './tree.js';

/**
 * @typedef {import('./decode.js').Codes} Codes
 * @typedef {import('./decode.js').Column} Column
 * @typedef {import('./decode.js').FacetNames} FacetNames
 * @typedef {import('./decode.js').Header} Header
 * @typedef {import('./tree.js').Term} Term
 * @typedef {{offsets: Uint32Array, items: Uint32Array}} Lists many in one: list i is items[offsets[i]..offsets[i + 1]]
 */

/** Bars of a histogram, at most. */
const BINS = 24;

/**
 * A facet. A row has one code: the number of its *set* of terms. What a set includes is known once for all rows.
 */
export class TermColumn {
  /**
   * @param {Pick<Header['facets'][number], 'column' | 'label' | 'kind'>} given
   * @param {Term[]} terms
   * @param {Codes} codes
   * @param {Lists} own
   */
  constructor({ column, label, kind }, terms, codes, own) {
    this.column = column;
    this.label = label;
    this.kind = kind;
    this.terms = terms;
    this.tree = new Tree(terms);
    this.codes = codes;
    /** The terms that the rows of a set name themselves. */
    this.own = own;
    this.sets = own.offsets.length - 1;
    /** Those and all above them. @type {Lists} */
    this.all = closures(own, terms, this.tree.flat);
    /** Rows of each set. */
    this.sizes = histogram(codes, this.sets);
    /** Rows of each term, those of the terms below it included. */
    this.counts = new Uint32Array(this.terms.length);
    spread(this.counts, this.all, this.sizes);
    this.scratch = new Uint32Array(this.sets);
    /** @type {Lists | undefined} */
    this.setsOfOwn = undefined;
    /** @type {Lists | undefined} */
    this.setsOfAll = undefined;
  }

  /**
   * @param {Header['facets'][number]} given
   * @param {Map<string, Column>} arrays
   */
  static read(given, arrays) {
    const terms = given.labels.map((label, i) => ({ label, id: given.ids[i], synonyms: [], parents: given.parents[i] }));
    const sizes = /** @type {Codes} */ (arrays.get(`${given.column}.setlen`));
    const own = { offsets: sums(sizes), items: /** @type {Uint32Array} */ (arrays.get(`${given.column}.set`)) };
    return new TermColumn(given, terms, codesOf(arrays, given.column), own);
  }

  /**
   * The same column with everything that its terms are called, and with those that are only found by words.
   * @param {FacetNames} names
   */
  named({ labels, ids, synonyms, parents }) {
    const terms = [...this.terms, ...labels.map((label, i) => ({ label, id: ids[i] }))]
      .map(({ label, id }, i) => ({ label, id, synonyms: synonyms[i], parents: parents[i] }));
    return new TermColumn(this, terms, this.codes, this.own);
  }

  /**
   * Which sets have one of these terms or a term below one of them.
   * @param {Iterable<number>} terms
   */
  mask(terms) {
    const mask = new Uint8Array(this.sets);
    const { offsets, items } = this.setsWith();
    for (const term of terms) {
      for (let i = offsets[term]; i < offsets[term + 1]; i++) mask[items[i]] = 1;
    }
    return mask;
  }

  /** The sets of each term, those of the terms below it included. */
  setsWith() {
    return (this.setsOfAll ??= inverted(this.all, this.terms.length));
  }

  /** The sets that name each term themselves. */
  setsNaming() {
    return (this.setsOfOwn ??= this.all === this.own ? this.setsWith() : inverted(this.own, this.terms.length));
  }

  /** @param {number} row */
  labels(row) {
    const { offsets, items } = this.own;
    const set = this.codes[row];
    return [...items.subarray(offsets[set], offsets[set + 1])].map((term) => this.terms[term].label);
  }
}

/** A range. A row's code is 0 where nothing is known, else 1 + the place of its number among the distinct ones. */
export class RangeColumn {
  /**
   * @param {Header['ranges'][number]} given
   * @param {Map<string, Column>} arrays
   */
  constructor(given, arrays) {
    this.column = given.column;
    this.label = given.label;
    this.kind = given.kind;
    this.codes = codesOf(arrays, given.column);
    const steps = /** @type {Column} */ (arrays.get(`${given.column}.values`));
    this.values = new Float64Array(steps.length);
    for (let i = 0, value = 0; i < steps.length; i++) this.values[i] = value += steps[i];
    this.min = this.values.length ? this.values[0] : null;
    this.max = this.values.length ? this.values[this.values.length - 1] : null;
    this.edges = edges(this.values, this.kind !== 'date');
    this.sets = this.edges.length + 1;
    this.scratch = new Uint32Array(this.sets);
    /** @type {Uint8Array | undefined} */
    this.bars = undefined;
    /** @type {Uint32Array | undefined} */
    this.barSizes = undefined;
  }

  /** The bar of each row from 1, 0 where nothing is known. */
  bins() {
    if (this.bars) return this.bars;
    const bar = new Uint8Array(this.values.length + 1);
    const last = Math.max(this.edges.length - 2, 0);
    for (let i = 0, at = 0; i < this.values.length; i++) {
      while (at < last && this.values[i] >= this.edges[at + 1]) at += 1;
      bar[i + 1] = at + 1;
    }
    this.bars = new Uint8Array(this.codes.length);
    for (let row = 0; row < this.codes.length; row++) this.bars[row] = bar[this.codes[row]];
    return this.bars;
  }

  /** Rows of each bar. */
  get sizes() {
    return (this.barSizes ??= histogram(this.bins(), this.sets));
  }

  /**
   * The codes of a range, both included; the second is less than the first where no number lies in it.
   * @param {number | null} low
   * @param {number | null} high
   * @returns {[number, number]}
   */
  between(low, high) {
    const first = low === null ? 0 : countBelow(this.values, low, false);
    const end = high === null ? this.values.length : countBelow(this.values, high, true);
    return [first + 1, end];
  }

  /** @param {number} row */
  number(row) {
    const code = this.codes[row];
    return code === 0 ? null : this.values[code - 1];
  }
}

/**
 * @param {Map<string, Column>} arrays
 * @param {string} column
 * @returns {Codes}
 */
function codesOf(arrays, column) {
  const codes = arrays.get(`${column}.codes`);
  if (!codes || codes instanceof Float64Array) throw new Error(`The index has no codes of ${column}`);
  return codes;
}

/** @param {ArrayLike<number>} sizes */
function sums(sizes) {
  const out = new Uint32Array(sizes.length + 1);
  for (let i = 0; i < sizes.length; i++) out[i + 1] = out[i] + sizes[i];
  return out;
}

/**
 * @param {Codes} codes
 * @param {number} n greater than any code
 */
export function histogram(codes, n) {
  const out = new Uint32Array(n);
  for (let i = 0; i < codes.length; i++) out[codes[i]] += 1;
  return out;
}

/**
 * Adds what was counted for each list to each of its items.
 * @param {Uint32Array} out by item
 * @param {Lists} lists
 * @param {Uint32Array} counts by list
 */
export function spread(out, { offsets, items }, counts) {
  for (let list = 0; list < counts.length; list++) {
    const count = counts[list];
    if (count === 0) continue;
    for (let i = offsets[list], end = offsets[list + 1]; i < end; i++) out[items[i]] += count;
  }
}

/**
 * @param {Lists} own
 * @param {Term[]} terms
 * @param {boolean} flat no term has a parent
 * @returns {Lists}
 */
function closures(own, terms, flat) {
  if (flat) return own;
  const sets = own.offsets.length - 1;
  const offsets = new Uint32Array(sets + 1);
  const seen = new Int32Array(terms.length).fill(-1);
  let items = new Uint32Array(own.items.length * 4 + 16);
  let n = 0;
  for (let set = 0; set < sets; set++) {
    const begin = n;
    const add = (/** @type {number} */ term) => {
      if (seen[term] === set) return;
      seen[term] = set;
      if (n === items.length) {
        const wider = new Uint32Array(2 * n);
        wider.set(items);
        items = wider;
      }
      items[n++] = term;
    };
    for (let i = own.offsets[set]; i < own.offsets[set + 1]; i++) add(own.items[i]);
    for (let i = begin; i < n; i++) for (const parent of terms[items[i]].parents) add(parent);
    offsets[set + 1] = n;
  }
  return { offsets, items: items.slice(0, n) };
}

/**
 * From the items of each list to the lists of each item.
 * @param {Lists} lists
 * @param {number} n items
 * @returns {Lists}
 */
function inverted({ offsets, items }, n) {
  const sizes = new Uint32Array(n);
  for (let i = 0; i < items.length; i++) sizes[items[i]] += 1;
  const begins = sums(sizes);
  const free = begins.slice();
  const lists = new Uint32Array(items.length);
  for (let list = 0; list + 1 < offsets.length; list++) {
    for (let i = offsets[list]; i < offsets[list + 1]; i++) lists[free[items[i]]++] = list;
  }
  return { offsets: begins, items: lists };
}

/**
 * @param {Float64Array} sorted
 * @param {number} value
 * @param {boolean} included whether `value` itself counts
 */
function countBelow(sorted, value, included) {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (sorted[middle] < value || (included && sorted[middle] === value)) low = middle + 1;
    else high = middle;
  }
  return low;
}

/**
 * Whole numbers between which the bars of a histogram stand; the last belongs to the last bar.
 * @param {Float64Array} values distinct, ascending
 * @param {boolean} growing whether each bar is wider than the one before it by the same factor
 * @returns {number[]}
 */
export function edges(values, growing) {
  if (!values.length) return [];
  const min = values[0];
  const max = values[values.length - 1];
  const low = growing ? Math.log(Math.max(min, 1)) : min;
  const high = growing ? Math.log(Math.max(max, 1)) : max;
  const inner = Array.from({ length: BINS - 1 }, (_, i) => {
    const at = low + ((high - low) * (i + 1)) / BINS;
    return Math.round(growing ? Math.exp(at) : at);
  });
  const distinct = [...new Set(inner)].filter((edge) => edge > min && edge < max);
  return [min, ...distinct, max];
}

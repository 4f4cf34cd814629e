/**
 * Filters and counts in one pass: each row is asked once by how many filters it fails. Those that fail none match;
 * those that fail exactly one count for that filter's own column, whose counts answer everything but itself.
 */
import { spread } from './columns.js';

/**
 * @typedef {import('./columns.js').TermColumn} TermColumn
 * @typedef {import('./columns.js').RangeColumn} RangeColumn
 * @typedef {import('./decode.js').Codes} Codes
 * @typedef {{column: string, kind: 'terms', of: TermColumn, terms: number[]}} TermFilter
 * @typedef {{column: string, kind: 'ranges', of: RangeColumn, low: number | null, high: number | null}} RangeFilter
 * @typedef {TermFilter | RangeFilter} Filter
 */

/** State of a row: it fails no filter, or the one of this number, or several. */
const PASSES = 0;
const SEVERAL = 255;

export class Matcher {
  /** @param {number} n rows */
  constructor(n) {
    this.n = n;
    this.state = new Uint8Array(n);
    this.rows = new Uint32Array(n);
    this.others = new Uint32Array(n);
  }

  /**
   * What matches, until the next call: the arrays are used again.
   * @param {Filter[]} filters
   * @param {Uint32Array | null} base the rows that the text matches, ascending; null: all
   * @returns {Matches}
   */
  run(filters, base) {
    if (filters.length + 1 >= SEVERAL) throw new Error('Too many filters');
    const { n, state } = this;
    filters.forEach((filter, i) => {
      if (filter.kind === 'terms') failSets(state, filter.of.codes, filter.of.mask(filter.terms), i + 1);
      else failRange(state, filter.of.codes, ...filter.of.between(filter.low, filter.high), i + 1);
    });
    if (!base || base.length * 2 <= n) return new Matches(this, filters, base, filters.length);
    // A text that most rows match is one filter more.
    if (!filters.length) state.fill(PASSES);
    failUnlisted(state, base, filters.length + 1);
    return new Matches(this, filters, null, filters.length + 1);
  }
}

export class Matches {
  /**
   * @param {Matcher} matcher
   * @param {Filter[]} filters
   * @param {Uint32Array | null} base rows among which all are; null: all rows
   * @param {number} tests how many filters stand in the states
   */
  constructor(matcher, filters, base, tests) {
    const { n, state, rows, others } = matcher;
    this.matcher = matcher;
    this.filters = filters;
    this.base = base;
    this.tests = tests;
    /** @type {Uint32Array | null} */
    this.list = null;
    /** Rows that fail one filter, or, where most rows match, that fail any. */
    this.near = others.subarray(0, 0);
    /** Counting those that don't match is less work. */
    this.complement = false;
    if (!tests) {
      this.total = base ? base.length : n;
      this.list = base;
    } else if (base) {
      const [hits, near] = partListed(state, base, rows, others);
      this.total = hits;
      this.list = rows.subarray(0, hits);
      this.near = others.subarray(0, near);
    } else {
      this.total = tests === 1 && filters.length ? passingOne(filters[0], state) : passing(state);
      this.complement = this.total * 2 > n;
      if (this.complement) {
        this.near = others.subarray(0, failing(state, others));
      } else {
        // Of one filter alone, no column counts the rows that fail it: its own counts all.
        if (tests === 1) matching(state, rows);
        else this.near = others.subarray(0, part(state, rows, others));
        this.list = rows.subarray(0, this.total);
      }
    }
  }

  /** The matching rows, ascending. */
  all() {
    if (this.list) return this.list;
    const { n, state, rows } = this.matcher;
    if (!this.tests) for (let row = 0; row < n; row++) rows[row] = row;
    else matching(state, rows);
    return (this.list = rows.subarray(0, this.total));
  }

  /**
   * The newest rows without a list of all.
   * @param {number} skip
   * @param {number} take
   * @returns {number[]}
   */
  newest(skip, take) {
    const { list, total } = this;
    const size = Math.max(0, Math.min(take, total - skip));
    if (list) return Array.from({ length: size }, (_, i) => list[total - 1 - skip - i]);
    const { n, state } = this.matcher;
    if (!this.tests) return Array.from({ length: size }, (_, i) => n - 1 - skip - i);
    /** @type {number[]} */
    const found = [];
    for (let row = n - 1, left = skip; found.length < size; row--) {
      if (state[row] === PASSES && left-- <= 0) found.push(row);
    }
    return found;
  }

  /**
   * Rows of each term, answering everything but the column's own filter.
   * @param {TermColumn} column
   */
  counts(column) {
    const filter = this.filterOf(column.column);
    if (!this.base && this.tests === (filter ? 1 : 0)) return column.counts.slice();
    const out = new Uint32Array(column.terms.length);
    const rows = this.complement ? this.near.length : this.total + this.near.length;
    if (!this.complement && rows * 8 < column.sets) {
      const { offsets, items } = column.all;
      this.each(filter, (row) => {
        const set = column.codes[row];
        for (let i = offsets[set]; i < offsets[set + 1]; i++) out[items[i]] += 1;
      });
    } else {
      spread(out, column.all, this.bySet(filter, column.codes, column.sizes, column.scratch));
    }
    return out;
  }

  /**
   * Rows of each bar, answering everything but the range itself.
   * @param {RangeColumn} column
   */
  bars(column) {
    const filter = this.filterOf(column.column);
    const all = !this.base && this.tests === (filter ? 1 : 0);
    const sizes = all ? column.sizes : this.bySet(filter, column.bins(), column.sizes, column.scratch);
    return sizes.slice(1, Math.max(1, column.edges.length));
  }

  /**
   * The total without one of the filters, where nothing matches.
   * @param {number} filter from 1
   */
  without(filter) {
    const { n, state } = this.matcher;
    if (!this.base && this.tests === 1) return n;
    let total = this.total;
    for (const row of this.near) if (state[row] === filter) total += 1;
    return total;
  }

  /**
   * The number of a column's filter from 1, 0 where it has none.
   * @param {string} column
   */
  filterOf(column) {
    return this.filters.findIndex((filter) => filter.column === column) + 1;
  }

  /**
   * @param {number} filter
   * @param {Codes} codes
   * @param {Uint32Array} sizes rows of each code
   * @param {Uint32Array} scratch
   */
  bySet(filter, codes, sizes, scratch) {
    const { state } = this.matcher;
    if (this.complement) {
      scratch.set(sizes);
      if (filter) subtractBut(scratch, codes, this.near, state, filter);
      else subtract(scratch, codes, this.near);
      return scratch;
    }
    scratch.fill(0);
    add(scratch, codes, this.all());
    if (filter) addOf(scratch, codes, this.near, state, filter);
    return scratch;
  }

  /**
   * @param {number} filter
   * @param {(row: number) => void} use
   */
  each(filter, use) {
    const { state } = this.matcher;
    this.all().forEach(use);
    if (filter) for (const row of this.near) if (state[row] === filter) use(row);
  }
}

// The loops over all rows have no branches: which rows match can't be foretold, and a wrong guess of the processor
// costs as much as ten rows. `x >>> 31` is 1 where x is negative.

/**
 * What becomes of a state, and 256 further on what becomes of it where the filter fails.
 * @param {number} filter
 */
function steps(filter) {
  const next = new Uint8Array(512).fill(SEVERAL);
  for (let state = 0; state < 256; state++) next[state] = state;
  next[256 + PASSES] = filter;
  return next;
}

/**
 * The first filter begins anew.
 * @param {Uint8Array} state
 * @param {Codes} codes
 * @param {Uint8Array} mask by code
 * @param {number} filter
 */
function failSets(state, codes, mask, filter) {
  if (filter === 1) {
    for (let row = 0; row < codes.length; row++) state[row] = mask[codes[row]] ^ 1;
    return;
  }
  const next = steps(filter);
  for (let row = 0; row < codes.length; row++) state[row] = next[((mask[codes[row]] ^ 1) << 8) | state[row]];
}

/**
 * @param {Uint8Array} state
 * @param {Codes} codes
 * @param {number} low
 * @param {number} high
 * @param {number} filter
 */
function failRange(state, codes, low, high, filter) {
  if (filter === 1) state.fill(PASSES);
  const next = steps(filter);
  for (let row = 0; row < codes.length; row++) {
    const code = codes[row];
    state[row] = next[((((code - low) | (high - code)) >>> 31) << 8) | state[row]];
  }
}

/**
 * @param {Uint8Array} state
 * @param {Uint32Array} rows ascending
 * @param {number} filter which all others fail
 */
function failUnlisted(state, rows, filter) {
  const next = steps(filter);
  let row = 0;
  for (let i = 0; i < rows.length; i++) {
    for (const end = rows[i]; row < end; row++) state[row] = next[256 | state[row]];
    row += 1;
  }
  for (; row < state.length; row++) state[row] = next[256 | state[row]];
}

/**
 * @param {Filter} filter the only one
 * @param {Uint8Array} state
 */
function passingOne(filter, state) {
  if (filter.kind === 'ranges') return passing(state);
  const { sizes } = filter.of;
  const mask = filter.of.mask(filter.terms);
  let n = 0;
  for (let set = 0; set < mask.length; set++) n += mask[set] * sizes[set];
  return n;
}

/** @param {Uint8Array} state */
function passing(state) {
  let n = 0;
  for (let row = 0; row < state.length; row++) n += (state[row] - 1) >>> 31;
  return n;
}

/**
 * @param {Uint8Array} state
 * @param {Uint32Array} out
 */
function matching(state, out) {
  let n = 0;
  for (let row = 0; row < state.length; row++) {
    out[n] = row;
    n += (state[row] - 1) >>> 31;
  }
  return n;
}

/**
 * @param {Uint8Array} state
 * @param {Uint32Array} out
 */
function failing(state, out) {
  let n = 0;
  for (let row = 0; row < state.length; row++) {
    out[n] = row;
    n += -state[row] >>> 31;
  }
  return n;
}

/**
 * @param {Uint8Array} state
 * @param {Uint32Array} hits
 * @param {Uint32Array} near
 */
function part(state, hits, near) {
  let n = 0;
  let m = 0;
  for (let row = 0; row < state.length; row++) {
    const of = state[row];
    hits[n] = row;
    n += (of - 1) >>> 31;
    near[m] = row;
    m += (-of & (of - SEVERAL)) >>> 31;
  }
  return m;
}

/**
 * @param {Uint8Array} state
 * @param {Uint32Array} base
 * @param {Uint32Array} hits
 * @param {Uint32Array} near
 * @returns {[number, number]}
 */
function partListed(state, base, hits, near) {
  let n = 0;
  let m = 0;
  for (let i = 0; i < base.length; i++) {
    const row = base[i];
    const of = state[row];
    hits[n] = row;
    n += (of - 1) >>> 31;
    near[m] = row;
    m += (-of & (of - SEVERAL)) >>> 31;
  }
  return [n, m];
}

/**
 * @param {Uint32Array} out
 * @param {Codes} codes
 * @param {Uint32Array} rows
 */
function add(out, codes, rows) {
  for (let i = 0; i < rows.length; i++) out[codes[rows[i]]] += 1;
}

/**
 * @param {Uint32Array} out
 * @param {Codes} codes
 * @param {Uint32Array} rows
 * @param {Uint8Array} state
 * @param {number} filter
 */
function addOf(out, codes, rows, state, filter) {
  for (let i = 0; i < rows.length; i++) out[codes[rows[i]]] += ((state[rows[i]] ^ filter) - 1) >>> 31;
}

/**
 * @param {Uint32Array} out
 * @param {Codes} codes
 * @param {Uint32Array} rows
 */
function subtract(out, codes, rows) {
  for (let i = 0; i < rows.length; i++) out[codes[rows[i]]] -= 1;
}

/**
 * @param {Uint32Array} out
 * @param {Codes} codes
 * @param {Uint32Array} rows
 * @param {Uint8Array} state
 * @param {number} filter
 */
function subtractBut(out, codes, rows, state, filter) {
  for (let i = 0; i < rows.length; i++) out[codes[rows[i]]] -= -(state[rows[i]] ^ filter) >>> 31;
}

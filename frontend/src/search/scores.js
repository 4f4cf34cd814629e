/**
 * Which rows match all words of a query, and how well. Nothing here waits: arrays by row are used again and again.
 */

/**
 * What one word matches. A row's score is the best of its texts and genes, plus the best of its names.
 * @typedef {object} Match
 * @property {{rows: Uint32Array, impacts: Uint8Array, factor: number}[]} texts
 * @property {{has: Uint8Array, factor: number} | null} genes `has` by gene code
 * @property {{codes: Codes, scores: Float64Array, has: Uint8Array}[]} names `scores` by set, `has` where there is any
 * @property {number} size how many rows at most; 0: none
 */

/**
 * @typedef {import('./decode.js').Codes} Codes
 * @typedef {import('./columns.js').TermColumn} TermColumn
 * @typedef {{rows: Uint32Array, keys: Uint32Array}} Ranked rows ascending; keys by row, greater is better
 */

/** For a row that has the very term that was asked for. */
const ASKED = 2;

export class Scorer {
  /**
   * @param {number} n rows
   * @param {Codes | null} geneCodes
   */
  constructor(n, geneCodes) {
    this.n = n;
    this.geneCodes = geneCodes;
    this.text = new Float64Array(n);
    this.name = new Float64Array(n);
    this.sum = new Float64Array(n);
    this.rows = new Uint32Array(n);
    this.marks = new Uint8Array(n);
    // Positive floats of 32 bits are in the order of their bits.
    this.score = new Float32Array(n);
    this.keys = new Uint32Array(this.score.buffer);
  }

  /**
   * The rows that match every word.
   * @param {Match[]} words
   * @returns {Ranked}
   */
  all(words) {
    const { sum, score } = this;
    const rows = this.rows.subarray(0, this.match(words));
    for (let i = 0; i < rows.length; i++) score[rows[i]] = sum[rows[i]];
    return { rows, keys: this.keys };
  }

  /**
   * The rows that have one of some terms, or match every word of one of the names.
   * @param {Match[][]} names
   * @param {{codes: Codes, mask: Uint8Array}[]} terms
   * @returns {Ranked}
   */
  any(names, terms) {
    const { n, sum, rows, score } = this;
    const best = new Float64Array(n);
    for (const words of names) {
      const found = this.match(words);
      for (let i = 0; i < found; i++) {
        const value = sum[rows[i]] / words.length; // a long name says no more than a short one
        if (value > best[rows[i]]) best[rows[i]] = value;
      }
    }
    const asked = new Uint8Array(n);
    for (const { codes, mask } of terms) mark(asked, codes, mask);
    let found = 0;
    for (let row = 0; row < n; row++) {
      const value = best[row] + (asked[row] ? ASKED : 0);
      if (value === 0) continue;
      score[row] = value;
      rows[found++] = row;
    }
    return { rows: rows.subarray(0, found), keys: this.keys };
  }

  /**
   * Puts the rows that match every word into `rows`, and what they score into `sum`.
   * @param {Match[]} words
   * @returns {number} how many they are
   */
  match(words) {
    const [first, ...others] = [...words].sort((a, b) => a.size - b.size);
    if (first.size === 0) return 0;
    let n = this.candidates(first);
    for (let i = 0; i < n; i++) this.sum[this.rows[i]] = 0;
    for (const word of [first, ...others]) n = this.keep(n, word);
    return n;
  }

  /**
   * The rows that match a word, ascending, into `rows`.
   * @param {Match} word
   */
  candidates({ texts, genes, names }) {
    const { marks, rows } = this;
    marks.fill(0);
    for (const posting of texts) put(marks, posting.rows, 1);
    if (genes && this.geneCodes) mark(marks, this.geneCodes, genes.has);
    for (const { codes, has } of names) mark(marks, codes, has);
    let n = 0;
    for (let row = 0; row < marks.length; row++) {
      rows[n] = row;
      n += marks[row];
    }
    return n;
  }

  /**
   * Keeps those of the first rows that match a word, and adds to their scores.
   * @param {number} n
   * @param {Match} word
   */
  keep(n, { texts, genes, names }) {
    const { text, name, sum } = this;
    const rows = this.rows.subarray(0, n);
    for (const posting of texts) scatter(text, posting.rows, posting.impacts, posting.factor / 15);
    if (genes && this.geneCodes) raiseGenes(text, rows, this.geneCodes, genes.has, genes.factor);
    for (const { codes, scores } of names) raise(name, rows, codes, scores);
    let kept = 0;
    for (let i = 0; i < n; i++) {
      const row = rows[i];
      const value = text[row] + name[row];
      text[row] = 0;
      name[row] = 0;
      if (value === 0) continue;
      sum[row] += value;
      rows[kept++] = row;
    }
    for (const posting of texts) put(text, posting.rows, 0);
    return kept;
  }
}

/**
 * @param {Uint8Array | Float64Array} out
 * @param {Uint32Array} rows
 * @param {number} value
 */
function put(out, rows, value) {
  for (let i = 0; i < rows.length; i++) out[rows[i]] = value;
}

/**
 * @param {Float64Array} text
 * @param {Uint32Array} rows
 * @param {Uint8Array} impacts
 * @param {number} factor
 */
function scatter(text, rows, impacts, factor) {
  for (let i = 0; i < rows.length; i++) {
    const value = impacts[i] * factor;
    if (value > text[rows[i]]) text[rows[i]] = value;
  }
}

/**
 * @param {Float64Array} text
 * @param {Uint32Array} rows
 * @param {Codes} codes
 * @param {Uint8Array} has
 * @param {number} value
 */
function raiseGenes(text, rows, codes, has, value) {
  for (let i = 0; i < rows.length; i++) {
    const row = rows[i];
    if (has[codes[row]] === 1 && value > text[row]) text[row] = value;
  }
}

/**
 * @param {Float64Array} name
 * @param {Uint32Array} rows
 * @param {Codes} codes
 * @param {Float64Array} scores
 */
function raise(name, rows, codes, scores) {
  for (let i = 0; i < rows.length; i++) {
    const row = rows[i];
    const value = scores[codes[row]];
    if (value > name[row]) name[row] = value;
  }
}

/**
 * @param {Uint8Array} out by row
 * @param {Codes} codes
 * @param {Uint8Array} mask by code
 */
function mark(out, codes, mask) {
  for (let row = 0; row < codes.length; row++) out[row] |= mask[codes[row]];
}

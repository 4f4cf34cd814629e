/**
 * Names of terms: labels, synonyms and ids as words. They are matched here and stand in no text of a row.
 */
import { contentWords, letters } from './fold.js';

/**
 * @typedef {import('./columns.js').TermColumn} TermColumn
 * @typedef {{column: number, term: number}} Place a term of a column
 */

/** Names of so few letters are left out: who types two letters means the beginning of a word. */
const SHORT = 2;

/** All words of all names, sorted, and the terms that have each. */
export class Names {
  /** @param {TermColumn[]} columns */
  constructor(columns) {
    this.columns = columns;
    /** The number of each column's first term among the terms of all. */
    this.begins = new Uint32Array(columns.length + 1);
    columns.forEach((column, i) => {
      this.begins[i + 1] = this.begins[i] + column.terms.length;
    });
    /** @type {{words: string[], offsets: Uint32Array, terms: Uint32Array} | undefined} */
    this.made = undefined;
  }

  /** Made when first asked for: it takes a while where there are many terms. */
  get table() {
    return (this.made ??= this.make());
  }

  make() {
    /** @type {Map<string, number>} */
    const numbers = new Map();
    /** @type {number[]} */
    const last = [];
    /** @type {number[]} */
    const sizes = [];
    /** @type {number[]} */
    const pairs = [];
    this.columns.forEach((column, c) => {
      column.terms.forEach((_, i) => {
        const term = this.begins[c] + i;
        for (const name of this.namesOf(column, i)) {
          for (const word of name) {
            let number = numbers.get(word);
            if (number === undefined) {
              number = numbers.size;
              numbers.set(word, number);
              last.push(-1);
              sizes.push(0);
            }
            if (last[number] === term) continue;
            last[number] = term;
            sizes[number] += 1;
            pairs.push(number, term);
          }
        }
      });
    });
    return sorted(numbers, sizes, pairs);
  }

  /**
   * Every name of a term as its words.
   * @param {TermColumn} column
   * @param {number} index
   */
  namesOf(column, index) {
    const { label, id, synonyms } = column.terms[index];
    return [label, ...synonyms, id].map(contentWords).filter((name) => !isShort(name));
  }

  /**
   * The terms that have a word in one of their names.
   * @param {string} word
   * @returns {Place[]}
   */
  equal(word) {
    const { words, offsets, terms } = this.table;
    const at = bound(words, word);
    return words[at] === word ? this.places(terms.subarray(offsets[at], offsets[at + 1])) : [];
  }

  /**
   * The terms that have a word that starts so.
   * @param {string} prefix
   * @returns {Place[]}
   */
  starting(prefix) {
    const { words, offsets, terms } = this.table;
    const begin = bound(words, prefix);
    let end = begin;
    while (end < words.length && words[end].startsWith(prefix)) end += 1;
    return this.places(new Set(terms.subarray(offsets[begin], offsets[end])));
  }

  /**
   * The terms that have this name as a whole.
   * @param {string[]} name
   * @returns {Place[]}
   */
  called(name) {
    const key = name.join(' ');
    const rarest = name.map((word) => this.equal(word)).reduce((a, b) => (b.length < a.length ? b : a));
    return rarest.filter((place) => this.of(place).some((other) => other.join(' ') === key));
  }

  /** @param {Place} place */
  of({ column, term }) {
    return this.namesOf(this.columns[column], term);
  }

  /**
   * @param {Iterable<number>} terms numbers among the terms of all columns
   * @returns {Place[]}
   */
  places(terms) {
    return Array.from(terms, (number) => {
      let column = 0;
      while (this.begins[column + 1] <= number) column += 1;
      return { column, term: number - this.begins[column] };
    });
  }
}

/** @param {string[]} name */
function isShort(name) {
  return name.length <= SHORT && letters(name.join('')) <= SHORT;
}

/**
 * @param {Map<string, number>} numbers by word
 * @param {number[]} sizes terms of each word
 * @param {number[]} pairs word, term, word, term, ...
 */
function sorted(numbers, sizes, pairs) {
  const words = [...numbers.keys()].sort();
  const offsets = new Uint32Array(words.length + 1);
  const free = new Uint32Array(words.length);
  words.forEach((word, i) => {
    const number = /** @type {number} */ (numbers.get(word));
    free[number] = offsets[i];
    offsets[i + 1] = offsets[i] + sizes[number];
  });
  const terms = new Uint32Array(pairs.length / 2);
  for (let i = 0; i < pairs.length; i += 2) terms[free[pairs[i]]++] = pairs[i + 1];
  return { words, offsets, terms };
}

/**
 * The first word that is not before this one; in the order of sort(), where words with one prefix stand together too.
 * @param {string[]} words
 * @param {string} word
 */
function bound(words, word) {
  let low = 0;
  let high = words.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (words[middle] < word) low = middle + 1;
    else high = middle;
  }
  return low;
}

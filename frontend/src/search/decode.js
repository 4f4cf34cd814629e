/**
 * The two binary layouts of an index: the container of arrays, and a shard of the words.
 */
import { compare } from './fold.js';

/**
 * @typedef {Uint8Array | Uint16Array | Uint32Array} Codes
 * @typedef {Codes | Float64Array} Column
 * @typedef {object} FacetHeader
 * @property {string} column
 * @property {string} label
 * @property {'term' | 'value'} kind
 * @property {string[]} labels of the terms
 * @property {string[]} ids empty where there is none
 * @property {number[][]} parents the nearest ones
 */

/**
 * What only words need of a facet.
 * @typedef {object} FacetNames
 * @property {string[]} labels of terms that have no place in the tree; their numbers follow those of the others
 * @property {string[]} ids of these
 * @property {string[][]} synonyms of all
 * @property {number[][]} parents of all: every direct one
 */

/**
 * @typedef {object} Header
 * @property {number} format
 * @property {number} n
 * @property {FacetHeader[]} facets
 * @property {{column: string, label: string, kind: 'count' | 'bytes' | 'date'}[]} ranges
 * @property {[string, 'u8' | 'u16' | 'u32' | 'f64', number][]} arrays
 * @property {{first: string[]}} text
 * @property {{names: string, title: string, words: string, rows: string}} files
 * @property {number} chunk
 * @property {number} genes
 */

const KINDS = { u8: Uint8Array, u16: Uint16Array, u32: Uint32Array, f64: Float64Array };

/**
 * A JSON header and the arrays that it names.
 * @param {ArrayBuffer} buffer
 * @returns {{header: Header, arrays: Map<string, Column>}}
 */
export function unpack(buffer) {
  const length = new DataView(buffer).getUint32(0, true);
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 8, length)));
  if (header.format !== 1) throw new Error(`The index has format ${header.format}, this script reads 1`);
  /** @type {Map<string, Column>} */
  const arrays = new Map();
  let offset = 8 + length;
  for (const [name, kind, n] of /** @type {Header['arrays']} */ (header.arrays)) {
    const bytes = n * KINDS[kind].BYTES_PER_ELEMENT;
    arrays.set(name, join(new Uint8Array(buffer, offset, bytes), kind, n));
    offset += bytes;
  }
  return { header, arrays };
}

/**
 * Numbers of several bytes lie plane by plane: all lowest bytes, then the next.
 * @param {Uint8Array} planes
 * @param {keyof typeof KINDS} kind
 * @param {number} n
 * @returns {Column}
 */
export function join(planes, kind, n) {
  if (kind === 'u8') return planes;
  if (kind === 'u16') {
    const out = new Uint16Array(n);
    for (let i = 0; i < n; i++) out[i] = planes[i] | (planes[i + n] << 8);
    return out;
  }
  if (kind === 'u32') {
    const out = new Uint32Array(n);
    const [b, c, d] = [n, 2 * n, 3 * n];
    for (let i = 0; i < n; i++) {
      out[i] = planes[i] | (planes[i + b] << 8) | (planes[i + c] << 16) | (planes[i + d] << 24);
    }
    return out;
  }
  const out = new Float64Array(n);
  const bytes = new Uint8Array(out.buffer);
  for (let plane = 0; plane < 8; plane++) {
    for (let i = 0, from = plane * n, to = plane; i < n; i++, from++, to += 8) bytes[to] = planes[from];
  }
  return out;
}

/**
 * The rows that have a word, ascending, how much each has of it (1 to 15), and the gene lists that hold it.
 * @typedef {{rows: Uint32Array, impacts: Uint8Array, lists: Uint32Array}} Posting
 */

/** A run of the sorted words with the rows of each, which are decoded when asked for. */
export class Shard {
  /**
   * @param {ArrayBuffer} buffer
   * @param {number} n rows; greater numbers are gene lists
   */
  constructor(buffer, n) {
    const view = new DataView(buffer);
    const [count, termBytes, deltaBytes, nibbleBytes] = [0, 4, 8, 12].map((at) => view.getUint32(at, true));
    const text = 16 + 4 * count;
    this.n = n;
    this.sizes = new Uint32Array(count);
    for (let i = 0; i < count; i++) this.sizes[i] = view.getUint32(16 + 4 * i, true);
    this.terms = count ? new TextDecoder().decode(new Uint8Array(buffer, text, termBytes)).split('\n') : [];
    this.deltas = new Uint8Array(buffer, text + termBytes, deltaBytes);
    this.nibbles = new Uint8Array(buffer, text + termBytes + deltaBytes, nibbleBytes);
    if (this.terms.length !== count) throw new Error(`A shard of ${count} words has ${this.terms.length}`);
    this.locate();
  }

  /** Where each word's numbers begin, in the deltas and in the nibbles. */
  locate() {
    const { sizes, deltas } = this;
    this.starts = new Uint32Array(sizes.length + 1);
    this.firsts = new Uint32Array(sizes.length + 1);
    let at = 0;
    for (let term = 0; term < sizes.length; term++) {
      for (let left = sizes[term]; left > 0; at++) if (deltas[at] < 128) left -= 1;
      this.starts[term + 1] = at;
      this.firsts[term + 1] = this.firsts[term] + sizes[term];
    }
    if (at !== deltas.length) throw new Error('A shard is longer or shorter than its words');
  }

  /**
   * The first word that is not before `term`.
   * @param {string} term
   */
  lower(term) {
    return lowerBound(this.terms, term);
  }

  /**
   * @param {string} term
   * @returns {Posting | null}
   */
  get(term) {
    const at = this.lower(term);
    return this.terms[at] === term ? this.posting(at) : null;
  }

  /**
   * @param {number} term
   * @returns {Posting}
   */
  posting(term) {
    const { deltas, nibbles } = this;
    const size = this.sizes[term];
    const first = /** @type {Uint32Array} */ (this.firsts)[term];
    let at = /** @type {Uint32Array} */ (this.starts)[term];
    const numbers = new Uint32Array(size);
    const impacts = new Uint8Array(size);
    let number = 0;
    let rows = 0;
    for (let i = 0; i < size; i++) {
      let byte = deltas[at++];
      let delta = byte & 127;
      for (let shift = 7; byte > 127; shift += 7) {
        byte = deltas[at++];
        delta |= (byte & 127) << shift;
      }
      number += delta >>> 0;
      numbers[i] = number;
      if (number < this.n) rows += 1;
      const place = first + i;
      impacts[i] = place & 1 ? nibbles[place >> 1] >> 4 : nibbles[place >> 1] & 15;
    }
    const lists = numbers.slice(rows).map((list) => list - this.n);
    return { rows: numbers.subarray(0, rows), impacts: impacts.subarray(0, rows), lists };
  }
}

/**
 * The first of the sorted words that is not before `word`.
 * @param {string[]} sorted by code points
 * @param {string} word
 */
export function lowerBound(sorted, word) {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (compare(sorted[middle], word) < 0) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Figures as people read and write them; portal/words.py says the same for the pages. */
import { readRange } from '../search/state.js';

const UNITS = /** @type {[number, string][]} */ ([[1e12, 'TB'], [1e9, 'GB'], [1e6, 'MB'], [1e3, 'kB']]);

const FIGURES = new Intl.NumberFormat('en-US');

/** @param {number} n */
export function number(n) {
  return FIGURES.format(n);
}

/** @param {number} n */
export function artifacts(n) {
  return `${number(n)} ${n === 1 ? 'artifact' : 'artifacts'}`;
}

/** @param {number} n bytes, in powers of ten */
export function size(n) {
  for (const [unit, name] of UNITS) {
    if (n >= unit - Math.floor(unit / 2000)) return `${(n / unit).toFixed(n / unit >= 100 ? 0 : 1)} ${name}`;
  }
  return `${n} B`;
}

/** @param {number} n days since 1970-01-01 */
export function date(n) {
  return new Date(n * 864e5).toISOString().slice(0, 10);
}

/**
 * @param {string} kind
 * @param {number} value
 */
export function value(kind, value) {
  return kind === 'bytes' ? size(value) : kind === 'date' ? date(value) : number(value);
}

/**
 * The number that somebody typed; null for nothing, undefined for what can't be read.
 * @param {any} kind
 * @param {string} text
 * @param {boolean} end whether a year or a month stands for its last day
 * @returns {number | null | undefined}
 */
export function parse(kind, text, end) {
  const written = text.trim().replace(/(?<=\d)[, _](?=\d)/g, '');
  return readRange(end ? `..${written}` : `${written}..`, kind)?.[end ? 1 : 0];
}

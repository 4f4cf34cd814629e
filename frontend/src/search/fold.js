/**
 * Text → words, as `portal/search_fold.py` does it for the index: both must say the same of any text.
 */

/** Letters that NFKD leaves whole, though people type others for them. */
const LETTERS = { ς: 'σ', ß: 'ss', æ: 'ae', œ: 'oe', ø: 'o', ł: 'l', đ: 'd', ı: 'i' };
const OTHERS = new RegExp(`[${Object.keys(LETTERS).join('')}]`, 'g');
const ASCII = /^[\x00-\x7f]*$/;

const SMALL = new Set('a an and at by for from in of on or the to with'.split(' '));

/**
 * Without accents, in lower case.
 * @param {string} text
 * @returns {string}
 */
export function fold(text) {
  if (ASCII.test(text)) return text.toLowerCase();
  return text.normalize('NFKD').replace(/\p{M}+/gu, '').toLowerCase()
    .replace(OTHERS, (letter) => LETTERS[/** @type {keyof typeof LETTERS} */ (letter)]);
}

/**
 * The words of a text, folded: runs of letters and numbers.
 * @param {string} text
 * @returns {string[]}
 */
export function words(text) {
  const folded = fold(text);
  return folded.split(ASCII.test(folded) ? /[^a-z0-9]+/ : /[^\p{L}\p{N}]+/u).filter((word) => word !== '');
}

/**
 * The words of a text without the small ones.
 * @param {string} text
 * @returns {string[]}
 */
export function contentWords(text) {
  return words(text).filter((word) => !SMALL.has(word));
}

/**
 * Letters, not UTF-16 units.
 * @param {string} word
 */
export function letters(word) {
  let n = word.length;
  for (let i = 0; i < word.length; i++) {
    if ((word.charCodeAt(i) & 0xfc00) === 0xd800 && (word.charCodeAt(i + 1) & 0xfc00) === 0xdc00) n -= 1;
  }
  return n;
}

/**
 * By code points, as the index is sorted; UTF-16 order differs beyond the first plane.
 * @param {string} a
 * @param {string} b
 */
export function compare(a, b) {
  const n = Math.min(a.length, b.length);
  for (let i = 0; i < n; i++) {
    const x = a.charCodeAt(i);
    const y = b.charCodeAt(i);
    if (x !== y) return raised(x) - raised(y);
  }
  return a.length - b.length;
}

/**
 * Halves of a pair sort after every single unit.
 * @param {number} unit
 */
function raised(unit) {
  return (unit & 0xf800) === 0xd800 ? unit + 0x10000 : unit;
}

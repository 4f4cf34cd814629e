/** Marks what was searched for: in text alone, whatever the text is. */
import { fold } from '../search/fold.js';

/** @typedef {{word: string, prefix: boolean}} Found */

const WORD = /[\p{L}\p{N}][\p{L}\p{N}\p{M}]*/gu;

/**
 * @param {Element} root
 * @param {Found[]} found folded words
 */
export function mark(root, found) {
  if (!found.length) return;
  const walker = document.createTreeWalker(root, 4 /* text */);
  /** @type {Text[]} */
  const texts = [];
  while (walker.nextNode()) texts.push(/** @type {Text} */ (walker.currentNode));
  for (const text of texts) markText(text, found);
}

/** Takes the marks out again. @param {Element} root */
export function unmark(root) {
  for (const element of root.querySelectorAll('mark')) {
    const parent = element.parentNode;
    element.replaceWith(...element.childNodes);
    parent?.normalize();
  }
}

/**
 * @param {Text} text
 * @param {Found[]} found
 */
function markText(text, found) {
  /** @type {(string | Node)[]} */
  const parts = [];
  let end = 0;
  for (const match of text.data.matchAll(WORD)) {
    const length = hit(match[0], found);
    if (!length) continue;
    const marked = document.createElement('mark');
    marked.textContent = match[0].slice(0, length);
    parts.push(text.data.slice(end, match.index), marked);
    end = match.index + length;
  }
  if (parts.length) text.replaceWith(...parts, text.data.slice(end));
}

/**
 * How much of a word was searched for.
 * @param {string} written
 * @param {Found[]} found
 * @returns {number} UTF-16 units from its start
 */
function hit(written, found) {
  const folded = fold(written);
  let longest = 0;
  for (const { word, prefix } of found) {
    if (folded === word) return written.length;
    if (prefix && folded.startsWith(word)) longest = Math.max(longest, unitsFor(written, word.length));
  }
  return longest;
}

/**
 * The shortest start of a word, with its marks, that folds to so many characters.
 * @param {string} written
 * @param {number} wanted
 */
function unitsFor(written, wanted) {
  let units = 0;
  for (const character of written) {
    if (fold(written.slice(0, units)).length >= wanted && !/^\p{M}/u.test(character)) break;
    units += character.length;
  }
  return units;
}

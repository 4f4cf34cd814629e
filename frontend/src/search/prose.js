/**
 * Pages of prose that have the words of a query. They are few: no index is needed.
 */
import { contentWords, fold, letters, words } from './fold.js';

/**
 * @typedef {{title: string, address: string, text: string}} Page
 * @typedef {{title: string, address: string, excerpt: string, hits: number}} ProseHit
 */

const MOST = 5;
const EXCERPT = 160;
const IN_TITLE = 1000;

/**
 * Those with every word, whose title has them first. The last word may be a beginning, as in the search of artifacts.
 * @param {Page[]} pages
 * @param {string} q
 * @returns {ProseHit[]}
 */
export function findProse(pages, q) {
  const asked = contentWords(q);
  if (!asked.length) return [];
  const typing = !/\s$/.test(q) && letters(asked[asked.length - 1]) >= 2;
  const tests = asked.map((word, i) => (typing && i === asked.length - 1
    ? (/** @type {string} */ other) => other.startsWith(word)
    : (/** @type {string} */ other) => other === word));
  /** @type {(ProseHit & {rank: number})[]} */
  const found = [];
  for (const { title, address, text } of pages) {
    const inTitle = words(title);
    const inText = words(text);
    if (!tests.every((test) => inTitle.some(test) || inText.some(test))) continue;
    const titled = tests.filter((test) => inTitle.some(test)).length;
    const hits = inText.filter((word) => tests.some((test) => test(word))).length;
    const rank = titled * IN_TITLE + Math.min(hits, IN_TITLE - 1);
    found.push({ title, address, excerpt: excerpt(text, tests), hits, rank });
  }
  return found.sort((a, b) => b.rank - a.rank).slice(0, MOST).map(({ rank, ...hit }) => hit);
}

/**
 * The text around the first word that was asked for, cut at spaces.
 * @param {string} text
 * @param {((word: string) => boolean)[]} tests
 */
function excerpt(text, tests) {
  const plain = text.replace(/\s+/g, ' ').trim();
  let at = 0;
  for (const match of plain.matchAll(/[\p{L}\p{N}\p{M}]+/gu)) {
    if (!tests.some((test) => test(fold(match[0])))) continue;
    at = match.index;
    break;
  }
  let begin = Math.max(0, at - Math.floor(EXCERPT / 3));
  if (begin > 0) begin = Math.max(plain.indexOf(' ', begin) + 1, 0);
  let end = Math.min(plain.length, begin + EXCERPT);
  if (end < plain.length && plain.lastIndexOf(' ', end) > at) end = plain.lastIndexOf(' ', end);
  return `${begin > 0 ? '… ' : ''}${plain.slice(begin, end)}${end < plain.length ? ' …' : ''}`;
}

/**
 * Pages of prose that have the words of a query. They are few: no index is needed.
 */
import { contentWords, letters, words } from './fold.js';

/**
 * @typedef {{title: string, address: string, text: string}} Page
 * @typedef {{title: string, address: string, hits: number}} ProseHit
 */

const MOST = 5;
const IN_TITLE = 1000;

/** The words of pages, cut once: they are asked for with every letter that is typed. @type {WeakMap<Page, {inTitle: string[], inText: string[]}>} */
const cut = new WeakMap();

/** @param {Page} page */
function wordsOf(page) {
  let found = cut.get(page);
  if (!found) cut.set(page, (found = { inTitle: words(page.title), inText: words(page.text) }));
  return found;
}

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
  for (const page of pages) {
    const { title, address } = page;
    const { inTitle, inText } = wordsOf(page);
    if (!tests.every((test) => inTitle.some(test) || inText.some(test))) continue;
    const titled = tests.filter((test) => inTitle.some(test)).length;
    const hits = inText.filter((word) => tests.some((test) => test(word))).length;
    const rank = titled * IN_TITLE + Math.min(hits, IN_TITLE - 1);
    found.push({ title, address, hits, rank });
  }
  return found.sort((a, b) => b.rank - a.rank).slice(0, MOST).map(({ rank, ...hit }) => hit);
}

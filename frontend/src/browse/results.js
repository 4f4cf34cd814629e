/** What stands around the cards: pages, what was corrected, the docs, a failure. */
import { mark } from './highlight.js';
import { icon, make } from './dom.js';
import { number } from './words.js';

/** @typedef {import('./types.js').Result} Result */
/** @typedef {(change: Partial<import('./types.js').Query>) => string} Href the address of the present state with something changed */

/**
 * A link of which the script makes a change in place.
 * @param {string} href
 * @param {(Node | string)[]} content
 * @param {Record<string, string | boolean | null>} [more]
 */
export function go(href, content, more = {}) {
  return make('a', { href, 'data-go': true, ...more }, ...content);
}

/**
 * @param {{page: number, size: number}} query
 * @param {number} total
 * @param {Href} href
 * @returns {HTMLElement | null}
 */
export function pages({ page, size }, total, href) {
  const last = Math.ceil(total / size);
  if (last < 2) return null;
  const near = [...new Set([1, page - 1, page, page + 1, last])].filter((n) => n >= 1 && n <= last).sort((a, b) => a - b);
  const items = near.flatMap((n, i) => [
    near[i - 1] && n - near[i - 1] > 1 ? make('li', { class: 'p-muted', 'aria-hidden': 'true' }, '…') : null,
    make('li', {}, go(href({ page: n }), [number(n)], { class: 'p-btn p-btn--bare', 'aria-label': `Page ${n}`, 'aria-current': n === page ? 'page' : null })),
  ]);
  return make('nav', { class: 'p-pages', 'aria-label': 'Pages' },
    make('span', {}, `${number((page - 1) * size + 1)}–${number(Math.min(total, page * size))} of ${number(total)}`),
    make('ol', {}, ...items),
    make('span', { class: 'p-pages__s' },
      page > 1 && go(href({ page: page - 1 }), ['Previous'], { class: 'p-btn', rel: 'prev' }),
      page < last && go(href({ page: page + 1 }), ['Next', icon('chevron')], { class: 'p-btn', rel: 'next' })));
}

/**
 * Which words nobody has used, and what was found instead.
 * @param {Result} result
 */
export function corrected({ corrected: found }) {
  if (!found.length) return null;
  return make('p', { class: 'p-hint' }, ...found.flatMap(({ from, to }, i) => [
    i ? '; ' : 'Showing results for ', ...to.slice(0, 3).flatMap((word, k) => [k ? ', ' : '', make('b', {}, word)]), ' (nothing has ', make('q', {}, from), ')']));
}

/**
 * Pages of the documentation that have the words, in a line of their own.
 * @param {{title: string, address: string}[]} found
 * @param {import('./highlight.js').Found[]} words
 */
export function docs(found, words) {
  if (!found.length) return null;
  const list = make('ul', {}, ...found.slice(0, 3).map(({ title, address }) => make('li', {}, make('a', { href: address }, title))));
  mark(list, words);
  return make('nav', { class: 'p-docs', 'aria-label': 'In the documentation' }, make('span', { class: 'p-muted' }, 'In the docs'), list);
}

/**
 * @param {string} message
 * @param {() => void} retry
 */
export function failure(message, retry) {
  const button = make('button', { type: 'button', class: 'p-btn' }, 'Try again');
  button.addEventListener('click', retry);
  return make('div', { class: 'p-notice p-notice--warn p-fail', role: 'alert' }, make('p', {}, icon('warn'), message), button);
}

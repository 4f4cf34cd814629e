/** The results themselves: cards that stay where they are while others come and go, or a table made from them. */
import { usual } from './columns.js';
import { make } from './dom.js';
import { mark, unmark } from './highlight.js';
import { later } from './lazy.js';
import { pages } from './results.js';

/**
 * @typedef {import('./types.js').Engine} Engine
 * @typedef {import('./types.js').Result} Result
 * @typedef {import('./types.js').State} State
 * @typedef {{items: Element[], other: HTMLElement | null}} Made cards, or what stands in their place
 */

/** Cards in the first picture of an answer: about what is in sight. The rest follow in the next. */
const IN_SIGHT = 12;

export class List {
  /**
   * @param {HTMLElement} results where the page has them
   * @param {Engine} engine
   */
  constructor(results, engine) {
    this.results = results;
    this.engine = engine;
    /** The cards at hand, by row. @type {Map<number, Element>} */
    this.cards = new Map();
    /** Ends the wait of the cards that are still to come. */
    this.rest = () => {};
  }

  /** The cards of the page as it was written are those of the newest rows: they need not be fetched. */
  adopt() {
    const written = this.results.querySelectorAll('.p-grid > li');
    written.forEach((card, i) => this.cards.set(this.engine.n - 1 - i, card));
  }

  /**
   * What will be shown; nothing on the page changes yet.
   * @param {State} state
   * @param {Result} result
   * @param {{now: string, by: (sort: string) => void}} sort
   * @param {import('./results.js').Href} href
   * @returns {Promise<Made>}
   */
  async make(state, result, sort, href) {
    const { view, columns } = state;
    const { rows } = result;
    if (!result.total && this.engine.n) return { items: [], other: (await later()).nothing(result, state, this.engine, href) };
    const missing = rows.filter((row) => !this.cards.has(row));
    const html = missing.length ? await this.engine.cards(missing) : [];
    const cards = new Map(this.cards);
    missing.forEach((row, i) => cards.set(row, fromTemplate(html[i])));
    const items = rows.map((row) => /** @type {Element} */ (cards.get(row)));
    if (view !== 'table' || !rows.length) return { items, other: null };
    const { table } = await later();
    const plain = items.map((item) => /** @type {Element} */ (item.cloneNode(true)));
    for (const item of plain) unmark(item);
    const content = await table(this.engine, rows, plain, columns.length ? columns : usual(this.engine), sort);
    return { items, other: make('div', { class: 'p-scroll p-as-table', tabindex: 0, role: 'region', 'aria-label': 'Artifacts as a table' }, content) };
  }

  /**
   * @param {State} state
   * @param {Result} result
   * @param {Made} made
   * @param {import('./results.js').Href} href
   * @param {boolean} whole whether all cards have to be there at once
   */
  show(state, result, made, href, whole) {
    this.rest();
    for (const item of made.items) unmark(item);
    this.cards = new Map(result.rows.map((row, i) => [row, made.items[i]]));
    const old = [...this.results.querySelectorAll(':scope > :is(.p-grid, .p-as-table, .p-state, .p-pages)')];
    const grid = old.find((element) => element.matches('.p-grid'));
    const stays = !made.other && grid?.children.length === made.items.length && made.items.every((item, i) => grid.children[i] === item);
    // Made anew, since a list that is moved down by what comes above it would be seen to jump.
    const now = whole ? made.items.length : IN_SIGHT;
    const list = stays && grid ? grid : made.other ?? make('ul', { class: 'p-grid' }, ...made.items.slice(0, now));
    const focused = focusKey(this.results);
    for (const element of old) if (element !== list) element.remove();
    if (!stays) this.results.append(list);
    const pager = pages(state.query, result.total, href);
    if (pager) this.results.append(pager);
    markAll([list], result);
    if (!stays && !made.other && made.items.length > now) this.follow(list, made.items.slice(now), result);
    if (focused) /** @type {HTMLElement | null} */ (this.results.querySelector(focused))?.focus({ preventScroll: true });
  }

  /**
   * Adds the cards that are out of sight once those in sight are painted.
   * @param {Element} list
   * @param {Element[]} cards
   * @param {Result} result
   */
  follow(list, cards, result) {
    let timer = 0;
    const frame = requestAnimationFrame(() => {
      timer = window.setTimeout(() => {
        list.append(...cards);
        markAll(cards, result);
      });
    });
    this.rest = () => {
      cancelAnimationFrame(frame);
      clearTimeout(timer);
    };
  }
}

/**
 * @param {Element[]} within
 * @param {Result} result
 */
function markAll(within, { found }) {
  for (const element of within) {
    for (const text of element.querySelectorAll('.p-card__t, .p-card__m, tbody :is(th, td)')) mark(text, found);
  }
}

/** How to find again what has the focus, where it is about to be made anew. @param {Element} results */
function focusKey(results) {
  const sort = results.contains(document.activeElement) && document.activeElement?.getAttribute('data-sort');
  return sort ? `[data-sort="${sort}"]` : '';
}

/** A card as our own templates made it, escaped at build. @param {string} html */
function fromTemplate(html) {
  const template = document.createElement('template');
  template.innerHTML = html;
  return /** @type {Element} */ (template.content.firstElementChild);
}

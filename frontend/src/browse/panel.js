/**
 * The rail: each facet's links become boxes to tick, in their place and of their size. Counts answer the query and
 * the other facets; the tree of an ontology can be walked; nothing is cut off without "Show all".
 */
import { fold, words } from '../search/fold.js';
import { arrange, icon, make, set, unseen, write } from './dom.js';
import { RangeFilter } from './ranges.js';
import { number } from './words.js';

/** @typedef {import('./types.js').FacetMeta} FacetMeta */
/** @typedef {{item: HTMLElement, box: HTMLInputElement, count: Text, noun: Text, twist: HTMLElement | null, list: HTMLElement}} Row */

const FIRST = 8;
const FOUND_FIRST = 50;

/** @param {FacetMeta} facet @param {number} term */
export function label(facet, term) {
  const text = facet.terms[term].label;
  return facet.column === 'organism' && text !== 'unknown' ? make('i', {}, text) : make('span', {}, text);
}

export class Panel {
  /**
   * @param {HTMLElement} rail
   * @param {import('./types.js').Engine} engine
   * @param {{terms: (column: string, terms: number[]) => void, range: (column: string, range: [number | null, number | null]) => void}} act
   */
  constructor(rail, engine, act) {
    const place = (/** @type {string} */ column) => /** @type {HTMLDetailsElement | null} */ (
      [...rail.querySelectorAll('details[data-column]')].find((details) => /** @type {HTMLElement} */ (details).dataset.column === column) ?? null);
    this.facets = engine.facets.flatMap((facet) => {
      const details = place(facet.column);
      const synonymsOf = async () => (await engine.synonyms())[facet.column];
      return details ? [new FacetList(details, facet, (terms) => act.terms(facet.column, terms), synonymsOf)] : [];
    });
    this.ranges = engine.ranges.flatMap((range) => {
      const details = place(range.column);
      return details ? [new RangeFilter(details, range, (chosen) => act.range(range.column, chosen))] : [];
    });
    set(rail, { role: 'search', 'aria-label': 'Filters' });
  }

  /** What the visitor chose, at once: the next tick must know of this one. @param {import('./types.js').Query} query */
  take({ terms, ranges }) {
    for (const facet of this.facets) facet.take(terms[facet.meta.column] ?? []);
    for (const range of this.ranges) range.range = ranges[range.meta.column] ?? [null, null];
  }

  /**
   * @param {import('./types.js').Query} query
   * @param {import('./types.js').Result} result
   */
  show(query, result) {
    for (const facet of this.facets) facet.show(query.terms[facet.meta.column] ?? [], result.counts[facet.meta.column]);
    for (const range of this.ranges) range.show(query.ranges[range.meta.column] ?? [null, null], result.histograms[range.meta.column]);
  }
}

class FacetList {
  /**
   * @param {HTMLDetailsElement} details
   * @param {FacetMeta} meta
   * @param {(terms: number[]) => void} choose
   * @param {() => Promise<string[][]>} synonymsOf
   */
  constructor(details, meta, choose, synonymsOf) {
    this.meta = meta;
    this.choose = choose;
    this.synonymsOf = synonymsOf;
    this.roots = meta.roots();
    this.shown = meta.terms.length;
    /** What else the terms are called, once somebody looks for one. @type {string[][]} */
    this.synonyms = [];
    /** @type {number[]} */
    this.chosen = [];
    /** @type {Uint32Array} */
    this.counts = new Uint32Array(meta.terms.length);
    this.all = false;
    this.text = '';
    /** Places in the tree whose lower terms are shown. @type {Set<string>} */
    this.open = new Set();
    /** @type {Map<string, Row>} */
    this.rows = new Map();
    this.badge = badge(details);
    this.list = make('ul');
    this.more = make('button', { type: 'button', class: 'p-all' });
    this.more.addEventListener('click', () => {
      this.all = !this.all;
      this.draw();
    });
    this.none = make('p', { class: 'p-muted p-sm', hidden: true }, 'No such value');
    const values = make('div', { class: 'p-vals', role: 'group', 'aria-label': meta.label });
    values.classList.toggle('p-vals--tree', this.roots.length < this.shown);
    if (this.shown > FIRST) values.append(this.finder());
    values.append(this.list, this.none, this.more);
    this.place = /** @type {Element} */ (details.querySelector('.p-vals'));
    this.values = values;
    this.details = details;
    details.addEventListener('toggle', () => this.draw());
  }

  finder() {
    const input = make('input', { type: 'search', placeholder: 'Search', 'aria-label': `Search ${this.meta.label}`, autocomplete: 'off' });
    input.addEventListener('focus', () => this.askSynonyms());
    input.addEventListener('input', () => {
      this.text = input.value;
      this.all = false;
      this.draw();
    });
    return make('div', { class: 'p-find' }, icon('search'), input);
  }

  /** Without them a term is still found by its label and id. */
  async askSynonyms() {
    if (!this.synonyms.length) this.synonyms = await this.synonymsOf().catch(() => []);
    if (this.text.trim()) this.draw();
  }

  /**
   * @param {number[]} chosen
   * @param {Uint32Array | undefined} counts
   */
  show(chosen, counts) {
    this.take(chosen);
    if (counts) this.counts = counts;
    badgeOf(this.badge, chosen.length);
    this.draw();
  }

  /** @param {number[]} chosen */
  take(chosen) {
    for (const term of chosen) if (!this.chosen.includes(term)) this.reveal(term);
    this.chosen = chosen;
  }

  /** Opens the way to a term. @param {number} term */
  reveal(term) {
    const path = [term];
    for (const above of this.meta.ancestors(term)) if (this.meta.children(above).includes(path[0])) path.unshift(above);
    for (let end = 1; end < path.length; end += 1) this.open.add(path.slice(0, end).join('/'));
  }

  /** A facet that is folded is drawn when it is opened. */
  draw() {
    if (!this.details.open) return;
    if (this.place.isConnected) this.place.replaceWith(this.values);
    const { terms, cut, of } = this.text.trim() ? this.matching() : this.top();
    /** @type {Set<string>} */
    const used = new Set();
    this.level(this.list, terms, this.text.trim() ? '?' : '', used);
    for (const path of this.rows.keys()) if (!used.has(path)) this.rows.delete(path);
    this.none.hidden = terms.length > 0;
    this.more.hidden = !cut && !this.all;
    this.more.replaceChildren(this.all ? 'Show fewer' : 'Show all ', unseen(`${this.meta.label} values`), this.all ? '' : ` (${number(of)})`);
    set(this.more, { 'aria-expanded': String(this.all) });
  }

  /** The roots: those with most first, unknown last. */
  top() {
    const sorted = this.roots.length > FIRST ? this.byCount(this.roots) : this.roots; // a short list keeps its order
    const leads = new Set(this.chosen.flatMap((term) => [term, ...this.meta.ancestors(term)]));
    const most = this.all ? sorted : sorted.filter((term, i) => i < FIRST || leads.has(term));
    return { terms: most, cut: most.length < sorted.length, of: sorted.length };
  }

  /** Terms of whose label, synonyms and id each word of the text is a part. */
  matching() {
    const parts = words(this.text);
    const has = (/** @type {string} */ name) => {
      const folded = fold(name);
      return parts.every((part) => folded.includes(part));
    };
    const found = this.byCount(this.meta.terms.flatMap(({ label, id }, i) => ([label, id, ...(this.synonyms[i] ?? [])].some(has) ? [i] : [])));
    return { terms: this.all ? found : found.slice(0, FOUND_FIRST), cut: found.length > FOUND_FIRST, of: found.length };
  }

  /** @param {number[]} terms */
  byCount(terms) {
    const unknown = (/** @type {number} */ term) => Number(this.meta.terms[term].label === 'unknown');
    return [...terms].sort((a, b) => unknown(a) - unknown(b) || this.counts[b] - this.counts[a] || a - b);
  }

  /**
   * @param {Element} list
   * @param {number[]} terms
   * @param {string} above
   * @param {Set<string>} used
   */
  level(list, terms, above, used) {
    arrange(list, terms.map((term) => {
      const path = above ? `${above}/${term}` : String(term);
      used.add(path);
      const row = this.rows.get(path) ?? this.row(path, term, above === '?' || above.startsWith('?/'));
      this.fill(row, term);
      const open = this.open.has(path);
      if (row.twist) set(row.twist, { 'aria-expanded': String(open) });
      row.list.hidden = !open;
      if (open) this.level(row.list, this.byCount(this.meta.children(term)), path, used);
      return row.item;
    }));
  }

  /**
   * @param {string} path
   * @param {number} term
   * @param {boolean} flat
   * @returns {Row}
   */
  row(path, term, flat) {
    const box = make('input', { type: 'checkbox' });
    box.addEventListener('change', () => this.choose(box.checked ? [...this.chosen, term] : this.chosen.filter((other) => other !== term)));
    const count = document.createTextNode('');
    const noun = document.createTextNode('');
    const list = make('ul', { hidden: true });
    const twist = !flat && this.meta.children(term).length ? this.twist(path, term) : null;
    const item = make('li', {},
      twist, make('label', { class: 'p-opt' }, box, label(this.meta, term), make('span', { class: 'c' }, count, make('span', { class: 'p-vh' }, noun))), list);
    const row = { item, box, count, noun, twist, list };
    this.rows.set(path, row);
    return row;
  }

  /**
   * @param {string} path
   * @param {number} term
   */
  twist(path, term) {
    const button = make('button', { type: 'button', class: 'p-twist', 'aria-label': `Within ${this.meta.terms[term].label}` }, icon('chevron'));
    button.addEventListener('click', () => {
      if (!this.open.delete(path)) this.open.add(path);
      this.draw();
    });
    return button;
  }

  /**
   * @param {Row} row
   * @param {number} term
   */
  fill(row, term) {
    const n = this.counts[term];
    row.box.checked = this.chosen.includes(term);
    row.item.classList.toggle('p-zero', n === 0 && !row.box.checked);
    write(row.count, number(n));
    write(row.noun, n === 1 ? ' artifact' : ' artifacts');
  }
}

/** Where a facet's heading says how many of it are chosen. @param {HTMLDetailsElement} details */
export function badge(details) {
  const element = make('span', { class: 'p-n', hidden: true });
  details.querySelector('summary')?.insertBefore(element, details.querySelector('summary > .p-i'));
  return element;
}

/**
 * @param {HTMLElement} element
 * @param {number} n
 */
export function badgeOf(element, n) {
  element.hidden = n === 0;
  element.replaceChildren(...(n ? [String(n), unseen(' chosen')] : []));
}


/**
 * The page that finds: it takes over what the build has written, without moving it, and keeps it in step with the
 * address. The state is the address; each part of the page is drawn from it and from the engine's answer.
 */
import { read, write } from '../search/state.js';
import { active, chips } from './chips.js';
import { make, set, write as writeText } from './dom.js';
import { ExportMenu, closeMenus } from './exports.js';
import { mark, unmark } from './highlight.js';
import { Panel } from './panel.js';
import { corrected, docs, failure, nothing, pages } from './results.js';
import { sheet } from './sheet.js';
import { chooser, table, usual } from './table.js';
import { artifacts, number } from './words.js';

/**
 * @typedef {import('./types.js').Engine} Engine
 * @typedef {import('./types.js').Query} Query
 * @typedef {import('./types.js').Result} Result
 * @typedef {import('./types.js').State} State
 * @typedef {{title: string, address: string}} Page a page of the documentation
 * @typedef {{open: () => Promise<Engine>, prose: (q: string) => Promise<Page[]>}} Sources
 */

/** How long a count must stand before a reader hears it, in ms. */
const QUIET = 700;

const SORTS = /** @type {Record<string, string>} */ ({ relevance: 'Relevance', newest: 'Newest', title: 'Title' });

export class Browse {
  /**
   * @param {HTMLElement} root
   * @param {Sources} sources
   */
  constructor(root, sources) {
    this.root = root;
    this.sources = sources;
    this.results = part(root, '#results');
    this.rail = part(root, '#filters');
    this.heading = part(root, '#count');
    this.bar = part(root, '.p-bar');
    this.title = part(root, '.p-results > h2');
    this.search = /** @type {HTMLInputElement | null} */ (document.querySelector('.md-header [data-search]'));
    /** Counts questions, so that the answer to an earlier one finds itself out of date. */
    this.turn = 0;
    /** The cards at hand, by row. @type {Map<number, Element>} */
    this.cards = new Map();
    /** Whether what is typed makes an entry of its own in the history. */
    this.typing = false;
    this.live = make('p', { class: 'p-vh', role: 'status' });
    this.extra = make('div', { class: 'p-above' });
    this.bar.after(this.extra, this.live);
  }

  /** Opens the index; where that fails, the page stays as it was written, and says so. */
  async start() {
    this.busy(location.search.length > 1);
    try {
      this.engine = await this.sources.open();
      this.takeOver();
      await this.show(this.fromAddress(), { first: true });
    } catch (error) {
      this.fail(error, () => void this.start());
    }
  }

  /** @returns {Engine} */
  get index() {
    if (!this.engine) throw new Error('The index is not open');
    return this.engine;
  }

  takeOver() {
    const engine = this.index;
    this.sheet ??= sheet(this.rail);
    this.panel ??= new Panel(this.rail, engine, {
      terms: (column, terms) => this.change({ terms: { ...this.state.query.terms, [column]: terms } }),
      range: (column, range) => this.change({ ranges: { ...this.state.query.ranges, [column]: range } }),
    });
    if (this.listening) return;
    this.listening = true;
    this.exports = new ExportMenu(/** @type {HTMLDetailsElement} */ (part(this.root, '#export')), {
      catalog: new URL(this.root.dataset.catalog ?? '', document.baseURI).href,
      more: this.root.dataset.more ?? '',
      ask: () => ({
        engine, query: this.state.query, total: this.total ?? 0, page: location.href, site: document.title.split(' · ').at(-1) ?? '',
        catalog: new URL(this.root.dataset.catalog ?? '', document.baseURI).href,
      }),
    });
    this.addSheetBar();
    this.addColumns();
    this.listen();
    closeMenus(document);
    history.scrollRestoration = 'manual';
    this.root.dataset.live = '';
  }

  addSheetBar() {
    const end = part(this.rail, '.p-rail__x--end');
    this.clear = make('button', { type: 'button', class: 'p-btn p-btn--bare' }, 'Clear all');
    this.clear.addEventListener('click', () => this.clearAll());
    this.done = make('a', { class: 'p-btn p-btn--go', href: '#results' });
    end.replaceChildren(this.clear, this.done);
    this.badge = make('span', { class: 'p-n', hidden: true });
    this.root.querySelector('.p-open')?.append(this.badge);
  }

  addColumns() {
    this.columns = make('details', { class: 'p-menu p-cols' }, make('summary', { class: 'p-btn' }, 'Columns'), make('ul'));
    part(this.bar, '#export').before(this.columns);
  }

  listen() {
    const form = this.search?.form;
    this.search?.addEventListener('input', () => this.typed());
    form?.addEventListener('submit', (event) => {
      event.preventDefault();
      this.heading.tabIndex = -1;
      this.heading.focus();
    });
    this.root.addEventListener('click', (event) => {
      const link = event.target instanceof Element ? event.target.closest('a[data-go]') : null;
      if (!link || event.metaKey || event.ctrlKey || event.shiftKey || event.button) return;
      event.preventDefault();
      const state = this.fromAddress(new URL(/** @type {HTMLAnchorElement} */ (link).href).search);
      void this.go(state, { focus: true });
    });
    for (const radio of this.bar.querySelectorAll('input[name=view]')) {
      radio.addEventListener('change', () => void this.go({ ...this.state, view: radio.id === 'view-table' ? 'table' : 'cards' }, { stay: true }));
    }
    this.sort = /** @type {HTMLSelectElement} */ (part(this.root, '#sort'));
    this.sort.addEventListener('change', () => this.change({ sort: this.sort?.value }));
    window.addEventListener('popstate', () => void this.show(this.fromAddress(), { y: history.state?.y ?? 0 }));
    let timer = 0;
    window.addEventListener('scroll', () => {
      window.clearTimeout(timer);
      timer = window.setTimeout(() => this.keepPlace(), 150);
    }, { passive: true });
    window.addEventListener('pagehide', () => this.keepPlace());
  }

  keepPlace() {
    history.replaceState({ ...history.state, y: Math.round(window.scrollY) }, '');
  }

  /** @param {string} [search] @returns {State} */
  fromAddress(search = location.search) {
    return read(search, this.index);
  }

  /** @param {Partial<Query>} change @param {boolean} [withUnknown] */
  address(change, withUnknown = true) {
    const state = { ...this.state, query: { ...this.state.query, ...change } };
    if (!withUnknown) state.unknown = [];
    return addressOf(state, this.index);
  }

  /** A filter was changed: from the first page on. @param {Partial<Query>} change */
  change(change) {
    return this.go({ ...this.state, query: { ...this.state.query, page: 1, ...change } });
  }

  typed() {
    const state = { ...this.state, query: { ...this.state.query, q: this.search?.value ?? '', page: 1 } };
    // What is typed in one go is one entry in the history, whatever the number of letters.
    const again = this.typing;
    void this.go(state, { replace: again });
    this.typing = true;
  }

  clearAll() {
    void this.go({ ...this.state, unknown: [], query: { ...this.state.query, q: '', terms: {}, ranges: {}, page: 1 } });
  }

  /**
   * @param {State} state
   * @param {{replace?: boolean, focus?: boolean, stay?: boolean}} [how]
   */
  go(state, { replace = false, focus = false, stay = false } = {}) {
    this.typing = false;
    const address = addressOf(state, this.index);
    if (!replace) this.keepPlace();
    if (replace) history.replaceState(history.state, '', address);
    else history.pushState({ y: 0 }, '', address);
    return this.show(state, { focus, top: !stay });
  }

  /**
   * @param {State} state
   * @param {{first?: boolean, focus?: boolean, top?: boolean, y?: number}} [how]
   */
  async show(state, how = {}) {
    this.state = state;
    const turn = ++this.turn;
    this.controls();
    this.busy(true);
    await frame();
    if (turn !== this.turn) return;
    try {
      const { query } = state;
      const [result, found] = await Promise.all([this.index.search(query), query.q.trim() ? this.sources.prose(query.q).catch(() => []) : []]);
      if (turn !== this.turn) return;
      this.adopt(state, result);
      const drawn = await this.list(state, result);
      if (turn !== this.turn) return;
      this.draw(state, result, found, drawn, how);
    } catch (error) {
      if (turn === this.turn) this.fail(error, () => void this.show(state, how));
    }
  }

  /** The cards of the page as it was written are those of the newest rows: they need not be fetched. @param {State} state @param {Result} result */
  adopt({ query, view }, { rows, total }) {
    const plain = total === this.index.n && query.page === 1 && view !== 'table' && rows[0] === total - 1;
    if (this.adopted || location.search.length > 1 || !plain) return;
    this.adopted = true;
    const cards = this.root.querySelectorAll('.p-grid > li');
    if (cards.length === rows.length) rows.forEach((row, i) => this.cards.set(row, cards[i]));
  }

  /**
   * The list or the table; cards that are on the page already are kept, so that pictures stand still.
   * @param {State} state
   * @param {Result} result
   */
  async list({ view, columns, query }, { rows, found }) {
    const missing = rows.filter((row) => !this.cards.has(row));
    const html = missing.length ? await this.index.cards(missing) : [];
    const cards = new Map(this.cards);
    missing.forEach((row, i) => cards.set(row, fromTemplate(html[i])));
    const items = rows.map((row) => /** @type {Element} */ (cards.get(row)));
    for (const item of items) unmark(item);
    if (view !== 'table') return { items, rows, found, content: null };
    const sort = { now: this.sorting(query), by: (/** @type {string} */ key) => void this.change({ sort: key || 'relevance' }) };
    return { items, rows, found, content: await table(this.index, rows, items, columns.length ? columns : usual(this.index), sort) };
  }

  /** The order in force: without a text, relevance is the newest first. @param {Query} query */
  sorting({ sort, q }) {
    return sort === 'relevance' && !q.trim() ? 'newest' : sort;
  }

  /**
   * @param {State} state
   * @param {Result} result
   * @param {Page[]} prose
   * @param {Awaited<ReturnType<Browse['list']>>} drawn
   * @param {{first?: boolean, focus?: boolean, top?: boolean, y?: number}} how
   */
  draw(state, result, prose, { items, rows, found, content }, how) {
    const { query } = state;
    const href = (/** @type {Partial<Query>} */ change) => this.address(change, !('terms' in change && !Object.keys(change.terms ?? {}).length));
    this.total = result.total;
    this.cards = new Map(rows.map((row, i) => [row, items[i]]));
    this.failed?.remove();
    this.panel?.show(query, result);
    this.showCount(state, result.total);
    arrangeExtra(this.extra, [
      row('p-chips', chips(state, this.index, this.removals()), { role: 'group', 'aria-label': 'Active filters' }),
      corrected(result), docs(prose, found)]);
    this.replaceList(state, result, items, content, href);
    const shown = this.results.querySelector('.p-grid, .p-table');
    for (const text of shown?.querySelectorAll('.p-card__t, .p-card__m, tbody :is(th, td)') ?? []) mark(text, found);
    this.busy(false);
    this.place(how);
    this.announce(result.total, how.first ?? false);
  }

  /**
   * @param {State} state
   * @param {Result} result
   * @param {Element[]} items
   * @param {HTMLElement | null} content a table
   * @param {import('./results.js').Href} href
   */
  replaceList(state, result, items, content, href) {
    const before = this.results.querySelector('.p-grid');
    const same = !content && before && before.children.length === items.length && items.every((item, i) => before.children[i] === item);
    const old = [...this.results.querySelectorAll(':scope > :is(.p-grid, .p-as-table, .p-state, .p-pages)')];
    const pager = pages(state.query, result.total, href);
    if (same) {
      for (const element of old) if (element !== before) element.remove();
      if (pager) before.after(pager);
      return;
    }
    const made = !result.total
      ? this.index.n ? nothing(result, state, this.index, href) : old.find((element) => element.matches('.p-state')) ?? null
      : content
        ? make('div', { class: 'p-scroll p-as-table', tabindex: 0, role: 'region', 'aria-label': 'Artifacts as a table' }, content)
        : make('ul', { class: 'p-grid' }, ...items);
    for (const element of old) element.remove();
    this.results.append(...[made, pager].filter((element) => element !== null));
  }

  removals() {
    const { query } = this.state;
    return {
      text: () => void this.change({ q: '' }),
      term: (/** @type {string} */ column, /** @type {number} */ term) => void this.change({ terms: { ...query.terms, [column]: query.terms[column].filter((other) => other !== term) } }),
      range: (/** @type {string} */ column) => void this.change({ ranges: { ...query.ranges, [column]: [null, null] } }),
      unknown: (/** @type {number} */ i) => void this.go({ ...this.state, unknown: this.state.unknown.filter((_, k) => k !== i) }),
      all: () => this.clearAll(),
    };
  }

  /** What the visitor sets says what is in force. */
  controls() {
    const { query, view, columns } = this.state;
    if (this.search && this.search.value !== query.q) this.search.value = query.q;
    for (const name of ['cards', 'table']) /** @type {HTMLInputElement} */ (part(this.bar, `#view-${name}`)).checked = (view === 'table') === (name === 'table');
    const sorts = [...(query.q.trim() ? ['relevance'] : []), 'newest', ...this.index.ranges.filter(({ kind }) => kind !== 'date').map(({ column }) => column), 'title'];
    const label = (/** @type {string} */ key) => SORTS[key] ?? this.index.ranges.find(({ column }) => column === key)?.label ?? key;
    const now = this.sorting(query);
    if (!sorts.includes(now)) sorts.push(now);
    this.sort?.replaceChildren(...sorts.map((key) => make('option', { value: key, selected: key === now }, label(key))));
    if (this.sort) this.sort.value = now;
    this.columns.hidden = view !== 'table';
    const list = chooser(this.index, columns.length ? columns : usual(this.index), (chosen) => {
      const usually = usual(this.index);
      const same = chosen.length === usually.length && usually.every((column) => chosen.includes(column));
      void this.go({ ...this.state, columns: same ? [] : chosen }, { stay: true });
    });
    const focused = [...this.columns.querySelectorAll('input')].indexOf(document.activeElement);
    this.columns.querySelector('ul').replaceWith(list);
    if (focused >= 0) list.querySelectorAll('input')[focused]?.focus();
  }

  /** @param {State} state @param {number} total */
  showCount(state, total) {
    const n = active(state, this.index);
    const all = total === this.index.n;
    this.heading.replaceChildren(artifacts(total), ...(all ? [] : [' ', make('span', { class: 'p-muted p-sm' }, `of ${number(this.index.n)}`)]));
    this.badge.hidden = n === 0;
    this.badge.replaceChildren(String(n), make('span', { class: 'p-vh' }, ' active'));
    this.done.textContent = `Show ${artifacts(total)}`;
    this.clear.disabled = n === 0 && !state.query.q;
    this.exports?.show(total, all);
  }

  /** @param {{first?: boolean, focus?: boolean, top?: boolean, y?: number}} how */
  place({ first, focus, top, y }) {
    if (first && history.state?.y) window.scrollTo(0, history.state.y);
    else if (y !== undefined) window.scrollTo(0, y);
    else if (focus) {
      this.title.tabIndex = -1;
      this.title.focus({ preventScroll: true });
      this.results.scrollIntoView();
    } else if (top && !this.sheet?.isOpen && this.results.getBoundingClientRect().top < 0) this.results.scrollIntoView();
  }

  /** @param {number} total @param {boolean} first */
  announce(total, first) {
    window.clearTimeout(this.timer);
    if (!first) this.timer = window.setTimeout(() => writeText(this.live, artifacts(total)), QUIET);
  }

  /** @param {boolean} busy */
  busy(busy) {
    set(this.results, { 'aria-busy': busy ? 'true' : null });
  }

  /**
   * What was shown stays.
   * @param {unknown} error
   * @param {() => void} retry
   */
  fail(error, retry) {
    console.warn('The search could not be answered:', error);
    this.busy(false);
    this.failed?.remove();
    const reason = error instanceof Error && 'address' in error ? `${error.message}.` : 'Something in the page failed.';
    const rest = this.engine ? 'What you see is the last answer.' : 'You can still browse by the lists and see the newest artifacts.';
    this.failed = failure(`The search can't be used just now. ${reason} ${rest}`, () => {
      this.failed?.remove();
      this.heading.tabIndex = -1;
      this.heading.focus();
      this.busy(true);
      retry();
    });
    this.bar.after(this.failed);
  }
}

/** @param {State} state @param {Engine} engine */
function addressOf(state, engine) {
  const search = write(state, engine);
  return search ? `${location.pathname}${search.startsWith('?') ? '' : '?'}${search}` : location.pathname;
}

/** A card as our own templates made it, escaped at build. @param {string} html */
function fromTemplate(html) {
  const template = document.createElement('template');
  template.innerHTML = html;
  return /** @type {Element} */ (template.content.firstElementChild);
}

/**
 * @param {HTMLElement} place
 * @param {(HTMLElement | null)[]} rows
 */
function arrangeExtra(place, rows) {
  place.replaceChildren(...rows.filter((element) => element !== null));
}

/**
 * @param {string} name
 * @param {HTMLElement[]} content
 * @param {Record<string, string>} attributes
 */
function row(name, content, attributes) {
  return content.length ? make('div', { class: name, ...attributes }, ...content) : null;
}

/** So that what comes in one frame is answered once. */
function frame() {
  return new Promise((done) => requestAnimationFrame(done));
}

/**
 * @param {Element} root
 * @param {string} selector
 * @returns {HTMLElement}
 */
function part(root, selector) {
  const found = root.querySelector(selector);
  if (!(found instanceof HTMLElement)) throw new Error(`The page lacks ${selector}`);
  return found;
}

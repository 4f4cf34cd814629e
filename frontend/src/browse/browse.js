/**
 * The page that finds: it takes over what the build has written, without moving it, and keeps it in step with the
 * address. The address is the state; each part of the page is drawn from it and from the engine's answer.
 */
import { IndexError } from '../search/files.js';
import { read, write } from '../search/state.js';
import { Bar, closeMenus, sorting } from './bar.js';
import { chips } from './chips.js';
import { make, part, set } from './dom.js';
import { later } from './lazy.js';
import { List } from './list.js';
import { Panel } from './panel.js';
import { corrected, docs, failure } from './results.js';
import { sheet } from './sheet.js';

/**
 * @typedef {import('./types.js').Engine} Engine
 * @typedef {import('./types.js').Query} Query
 * @typedef {import('./types.js').Result} Result
 * @typedef {import('./types.js').State} State
 * @typedef {{title: string, address: string}} Page of the documentation
 * @typedef {{open: () => Promise<Engine>, prose: (q: string) => Promise<{pages: Page[], found: Result['found']}>}} Sources
 * @typedef {{focus?: boolean, top?: boolean, y?: number}} Place where the visitor's eyes and focus go
 */

/** How long the results wait for the documentation, in ms. */
const PATIENCE = 150;

const NO_PROSE = { pages: /** @type {Page[]} */ ([]), found: /** @type {Result['found']} */ ([]) };

/**
 * Opens the index; where that fails, the page stays as it was written, and says so.
 * @param {HTMLElement} root
 * @param {Sources} sources
 * @returns {Promise<Browse | undefined>}
 */
export async function start(root, sources) {
  const results = part(root, '#results');
  if (window.location.search.length > 1) set(results, { 'aria-busy': 'true' });
  // Who types before the index is there must not lose it.
  const box = document.querySelector('.md-header [data-search]');
  let typed = false;
  const note = () => { typed = true; };
  box?.addEventListener('input', note);
  /** @type {Engine} */
  let engine;
  try {
    engine = await sources.open();
  } catch (error) {
    set(results, { 'aria-busy': null });
    tell(root, error, 'You can still browse by the lists and see the newest artifacts.', () => void start(root, sources));
    return undefined;
  } finally {
    box?.removeEventListener('input', note);
  }
  const browse = new Browse(root, engine, sources.prose);
  if (typed) {
    browse.typed();
    return browse;
  }
  await browse.show(browse.fromAddress(), { y: window.history.state?.y });
  return browse;
}

export class Browse {
  /**
   * @param {HTMLElement} root
   * @param {Engine} engine
   * @param {Sources['prose']} prose
   */
  constructor(root, engine, prose) {
    this.root = root;
    this.engine = engine;
    this.prose = prose;
    this.results = part(root, '#results');
    this.title = part(root, '.p-results > h2');
    this.search = /** @type {HTMLInputElement | null} */ (document.querySelector('.md-header [data-search]'));
    /** Counts questions, so that the answer to an earlier one finds itself out of date. */
    this.turn = 0;
    /** Whether the newest entry of the history was made by typing. */
    this.typing = false;
    this.total = engine.n;
    this.state = this.fromAddress();
    this.panel = new Panel(part(root, '#filters'), engine, {
      terms: (column, terms) => this.change({ terms: { ...this.state.query.terms, [column]: terms } }),
      range: (column, range) => this.change({ ranges: { ...this.state.query.ranges, [column]: range } }),
    });
    this.bar = new Bar(root, engine, {
      sort: (sort) => this.change({ sort }),
      view: (view) => this.go({ ...this.state, view }),
      columns: (columns) => this.go({ ...this.state, columns }),
      clear: () => this.clear(),
    });
    this.above = make('div', { class: 'p-above' });
    part(root, '.p-bar').after(this.above);
    this.list = new List(this.results, engine);
    if (window.location.search.length < 2) this.list.adopt();
    this.sheet = sheet(part(root, '#filters'));
    this.menu = /** @type {HTMLDetailsElement} */ (part(root, '#export'));
    for (const event of ['pointerenter', 'focusin', 'toggle']) this.menu.addEventListener(event, () => void this.offer());
    this.listen();
    root.dataset.live = '';
  }

  listen() {
    this.search?.addEventListener('focus', () => void later().catch(() => undefined));
    this.search?.addEventListener('input', () => this.typed());
    this.search?.form?.addEventListener('submit', (event) => {
      event.preventDefault();
      this.bar.focus();
    });
    this.root.addEventListener('click', (event) => {
      const link = event.target instanceof Element ? event.target.closest('a[data-go]') : null;
      if (!link || event.metaKey || event.ctrlKey || event.shiftKey || event.button) return;
      event.preventDefault();
      this.go(this.fromAddress(/** @type {HTMLAnchorElement} */ (link).search), { focus: true });
    });
    window.addEventListener('popstate', ({ state }) => {
      if (!state && addressOf(this.state, this.engine) === addressOf(this.fromAddress(), this.engine)) return; // a place on the page
      this.typing = false;
      void this.show(this.fromAddress(), { y: window.history.state?.y ?? 0 });
    });
    window.history.scrollRestoration = 'manual';
    let timer = 0;
    window.addEventListener('scroll', () => {
      window.clearTimeout(timer);
      timer = window.setTimeout(keepPlace, 150);
    }, { passive: true });
    window.addEventListener('pagehide', keepPlace);
    closeMenus(document);
  }

  /** The menu of exports is made when somebody comes near it. */
  async offer() {
    if (this.offered) return;
    this.offered = true;
    try {
      const { ExportMenu } = await later();
      this.exports = new ExportMenu(this.menu, this.root.dataset, () => ({ engine: this.engine, query: this.state.query, total: this.total }));
      this.exports.show(this.total, this.isWhole());
    } catch (error) {
      this.offered = false; // the whole files are there all the same
      console.warn('The menu of exports could not be loaded:', error);
    }
  }

  /** Whether the files of the catalog hold what is shown: they also have what is not listed. */
  isWhole() {
    return this.total === this.engine.n && this.root.dataset.whole !== undefined;
  }

  fromAddress(search = window.location.search) {
    return read(search, this.engine);
  }

  /** The address of the present state with something changed. @param {Partial<Query>} change */
  href(change) {
    return addressOf({ ...this.state, query: { ...this.state.query, ...change } }, this.engine);
  }

  /** Another question: its answer begins on the first page. @param {Partial<Query>} change */
  change(change) {
    this.go({ ...this.state, query: { ...this.state.query, page: 1, ...change } }, { top: true });
  }

  /** What is typed in one go is one entry in the history, whatever the number of letters. */
  typed() {
    const again = this.typing;
    const query = { ...this.state.query, q: this.search?.value ?? '', page: 1 };
    this.go({ ...this.state, query }, { top: true }, again);
    this.typing = true;
  }

  clear() {
    this.go({ ...this.state, unknown: [], query: { ...this.state.query, q: '', terms: {}, ranges: {}, page: 1 } }, { top: true });
  }

  /**
   * @param {State} state
   * @param {Place} [place]
   * @param {boolean} [replace] the present entry of the history
   */
  go(state, place = {}, replace = false) {
    const address = addressOf(state, this.engine);
    this.typing = false;
    if (replace) window.history.replaceState(window.history.state, '', address);
    else {
      keepPlace();
      window.history.pushState({ y: window.scrollY }, '', address);
    }
    void this.show(state, place);
  }

  /**
   * @param {State} state
   * @param {Place} [place]
   */
  async show(state, place = {}) {
    this.state = state;
    const turn = ++this.turn;
    const { query } = state;
    this.bar.controls(state);
    this.panel.take(query);
    if (this.search && this.search.value !== query.q) this.search.value = query.q;
    set(this.results, { 'aria-busy': 'true' });
    const prose = query.q.trim() ? this.prose(query.q).catch(() => NO_PROSE) : Promise.resolve(NO_PROSE);
    try {
      const result = await this.engine.search(query);
      if (turn !== this.turn) return;
      const last = Math.ceil(result.total / query.size);
      if (query.page > last && last) return void this.go({ ...state, query: { ...query, page: last } }, place, true);
      const href = (/** @type {Partial<Query>} */ change) => this.href(change);
      const made = await this.list.make(state, result, { now: sorting(query), by: (sort) => this.change({ sort: sort || 'relevance' }) }, href);
      const pages = await Promise.race([prose, new Promise((done) => { setTimeout(done, PATIENCE); })]);
      if (turn !== this.turn) return;
      this.draw(state, result, made, pages ?? NO_PROSE, place.y !== undefined);
      this.place(place);
      if (!pages) void prose.then((late) => { if (turn === this.turn) this.drawAbove(state, result, late); });
    } catch (error) {
      if (turn === this.turn) tell(this.root, error, 'What you see is the last answer.', () => void this.show(state, place));
    } finally {
      if (turn === this.turn) set(this.results, { 'aria-busy': null });
    }
  }

  /**
   * @param {State} state
   * @param {Result} result
   * @param {import('./list.js').Made} made
   * @param {Awaited<ReturnType<Sources['prose']>>} prose
   * @param {boolean} whole whether all cards have to be there at once
   */
  draw(state, result, made, prose, whole) {
    this.total = result.total;
    this.root.querySelector('.p-fail')?.remove();
    this.panel.show(state.query, result);
    this.bar.count(state, result.total);
    this.exports?.show(result.total, this.isWhole());
    this.drawAbove(state, result, prose);
    this.list.show(state, result, made, (change) => this.href(change), whole);
  }

  /**
   * @param {State} state
   * @param {Result} result
   * @param {Awaited<ReturnType<Sources['prose']>>} prose
   */
  drawAbove(state, result, prose) {
    const chosen = chips(state, this.engine, this.removals());
    const focused = [...this.above.querySelectorAll('button')].indexOf(/** @type {any} */ (document.activeElement));
    this.above.replaceChildren(...[
      chosen.length > 0 && make('div', { class: 'p-chips', role: 'group', 'aria-label': 'Active filters' }, ...chosen),
      corrected(result), docs(prose.pages, prose.found),
    ].filter((element) => element instanceof Node));
    if (focused >= 0) this.refocus(focused);
  }

  /** After a chip is gone, the one in its place has the focus, or the count. @param {number} i */
  refocus(i) {
    const buttons = /** @type {HTMLElement[]} */ ([...this.above.querySelectorAll('.p-chip')]);
    if (buttons.length) buttons[Math.min(i, buttons.length - 1)].focus({ preventScroll: true });
    else this.bar.focus();
  }

  removals() {
    const now = () => this.state.query;
    return {
      text: () => this.change({ q: '' }),
      term: (/** @type {string} */ column, /** @type {number} */ term) => this.change({ terms: { ...now().terms, [column]: (now().terms[column] ?? []).filter((other) => other !== term) } }),
      range: (/** @type {string} */ column) => this.change({ ranges: { ...now().ranges, [column]: [null, null] } }),
      unknown: (/** @type {number} */ i) => this.go({ ...this.state, unknown: this.state.unknown.filter((_, k) => k !== i) }),
      all: () => this.clear(),
    };
  }

  /** @param {Place} place */
  place({ focus, top, y }) {
    const above = this.results.getBoundingClientRect().top < 0 && !this.sheet.isOpen;
    if (y !== undefined) window.scrollTo(0, y);
    else if (focus) {
      this.title.tabIndex = -1;
      this.title.focus({ preventScroll: true });
      this.results.scrollIntoView();
    } else if (top && above) this.results.scrollIntoView();
  }
}

/**
 * Says that something failed; what was shown stays.
 * @param {HTMLElement} root
 * @param {unknown} error
 * @param {string} rest what the visitor has all the same
 * @param {() => void} retry
 */
function tell(root, error, rest, retry) {
  console.warn('The search could not be answered:', error);
  const bar = part(root, '.p-bar');
  root.querySelector('.p-fail')?.remove();
  const gone = error instanceof IndexError && error.gone;
  const reason = error instanceof Error && 'address' in error ? `${error.message}. ` : '';
  const notice = failure(`The search can't be used just now. ${reason}${rest}`, () => {
    if (gone) window.location.reload();
    notice.remove();
    const heading = part(root, '#count');
    heading.tabIndex = -1;
    heading.focus();
    retry();
  });
  bar.after(notice);
}

/** So that going back finds the same lines in sight. */
function keepPlace() {
  window.history.replaceState({ ...window.history.state, y: Math.round(window.scrollY) }, '');
}

/**
 * @param {State} state
 * @param {Engine} engine
 */
function addressOf(state, engine) {
  const search = write(state, engine);
  return window.location.pathname + (search && `?${search}`);
}

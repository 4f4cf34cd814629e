/** What stands above the results: how many there are, how they are sorted, as what they are shown. */
import { active } from './chips.js';
import { chooser, usual } from './columns.js';
import { make, part, write } from './dom.js';
import { artifacts, number } from './words.js';

/** @typedef {import('./types.js').State} State */

/** How long a count must stand before a reader hears it, in ms. */
const QUIET = 700;

const SORTS = /** @type {Record<string, string>} */ ({ relevance: 'Relevance', newest: 'Newest', title: 'Title' });

/** The order in force: without a text, the newest are the most relevant. @param {State['query']} query */
export function sorting({ sort, q }) {
  return sort === 'relevance' && !q.trim() ? 'newest' : sort;
}

export class Bar {
  /**
   * @param {HTMLElement} root
   * @param {import('./types.js').Engine} engine
   * @param {{sort: (sort: string) => void, view: (view: string) => void, columns: (columns: string[]) => void, clear: () => void}} act
   */
  constructor(root, engine, act) {
    this.engine = engine;
    this.act = act;
    this.heading = part(root, '#count');
    this.live = make('p', { class: 'p-vh', role: 'status' });
    part(root, '.p-bar').after(this.live);
    /** The same within the sheet: while that is open, nothing else is heard. */
    this.liveInSheet = make('p', { class: 'p-vh', role: 'status' });
    part(root, '#filters').append(this.liveInSheet);
    this.sort = /** @type {HTMLSelectElement} */ (part(root, '#sort'));
    this.sort.addEventListener('change', () => act.sort(this.sort.value));
    this.views = ['cards', 'table'].map((view) => {
      const radio = /** @type {HTMLInputElement} */ (part(root, `#view-${view}`));
      radio.addEventListener('change', () => act.view(view));
      return { view, radio };
    });
    this.columns = make('details', { class: 'p-menu p-cols' }, make('summary', { class: 'p-btn' }, 'Columns'), make('ul'));
    this.columns.hidden = true;
    part(root, '.p-sort').before(this.columns); // where it moves nothing else
    this.clear = make('button', { type: 'button', class: 'p-btn p-btn--bare' }, 'Clear all');
    this.clear.addEventListener('click', act.clear);
    this.done = make('a', { class: 'p-btn p-btn--go', href: '#results' });
    part(root, '.p-rail__x--end').replaceChildren(this.clear, this.done);
    this.badge = make('span', { class: 'p-n', hidden: true });
    root.querySelector('.p-open')?.append(this.badge);
    this.first = true;
  }

  /** What the visitor chose, at once. @param {State} state */
  controls({ query, view, columns }) {
    for (const one of this.views) one.radio.checked = one.view === view;
    const now = sorting(query);
    const sorts = [...(query.q.trim() ? ['relevance'] : []), 'newest', ...this.engine.ranges.filter(({ column }) => column !== 'published_at').map(({ column }) => column), 'title'];
    const label = (/** @type {string} */ key) => SORTS[key] ?? this.engine.ranges.find(({ column }) => column === key)?.label ?? key;
    this.sort.replaceChildren(...[...new Set([...sorts, now])].map((key) => make('option', { value: key }, label(key))));
    this.sort.value = now;
    this.choices(columns.length ? columns : usual(this.engine));
  }

  /** @param {string[]} columns */
  choices(columns) {
    const before = this.columns.querySelector('ul');
    const focused = [...before.querySelectorAll('input')].indexOf(document.activeElement);
    const usually = usual(this.engine);
    const list = chooser(this.engine, columns, (chosen) => {
      const same = chosen.length === usually.length && usually.every((column) => chosen.includes(column));
      this.act.columns(same ? [] : chosen);
    });
    before.replaceWith(list);
    if (focused >= 0) list.querySelectorAll('input')[focused]?.focus();
  }

  /**
   * What was found, once it is.
   * @param {State} state
   * @param {number} total
   */
  count(state, total) {
    const n = active(state, this.engine);
    const all = total === this.engine.n;
    this.columns.hidden = state.view !== 'table';
    this.heading.replaceChildren(artifacts(total), ...(all ? [] : [' ', make('span', { class: 'p-muted p-sm' }, `of ${number(this.engine.n)}`)]));
    this.badge.hidden = n === 0;
    this.badge.replaceChildren(String(n), make('span', { class: 'p-vh' }, ' active'));
    this.done.textContent = `Show ${artifacts(total)}`;
    this.clear.disabled = n === 0 && !state.query.q;
    window.clearTimeout(this.timer);
    if (!this.first) this.timer = window.setTimeout(() => write(this.live.closest('[inert]') ? this.liveInSheet : this.live, artifacts(total)), QUIET);
    this.first = false;
  }

  /** Where one reads on. */
  focus() {
    this.heading.tabIndex = -1;
    this.heading.focus({ preventScroll: true });
  }
}

/** A menu closes with Escape and when something else is clicked. @param {Document} page */
export function closeMenus(page) {
  const open = () => /** @type {NodeListOf<HTMLDetailsElement>} */ (page.querySelectorAll('details.p-menu[open]'));
  page.addEventListener('click', (event) => {
    for (const menu of open()) if (!menu.contains(/** @type {Node} */ (event.target))) menu.open = false;
  });
  page.addEventListener('keydown', (event) => {
    if (event.key !== 'Escape') return;
    for (const menu of open()) {
      const inside = menu.contains(page.activeElement);
      menu.open = false;
      if (inside) menu.querySelector('summary')?.focus();
    }
  });
}

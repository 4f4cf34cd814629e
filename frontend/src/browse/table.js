/** The results as a table: the columns that the visitor wants, their headings to sort by. */
import { icon, make } from './dom.js';
import { value } from './words.js';

/** @typedef {import('./types.js').Engine} Engine */

/** How a column is sorted by, if it can be. @param {Engine} engine @param {string} column */
function sortOf(engine, column) {
  const range = engine.ranges.find((meta) => meta.column === column);
  return range && (column === 'published_at' ? 'newest' : column);
}

/**
 * @param {Engine} engine
 * @param {number[]} rows
 * @param {Element[]} cards of the rows: title, picture and status come from them
 * @param {string[]} columns
 * @param {{now: string, by: (sort: string) => void}} sort
 */
export async function table(engine, rows, cards, columns, sort) {
  const metas = columns.map((column) => [...engine.facets, ...engine.ranges].find((meta) => meta.column === column)).filter((meta) => meta !== undefined);
  const cells = await Promise.all(rows.map((row) => Promise.all(metas.map(({ column }) => engine.values(row, column)))));
  const head = make('tr', {},
    make('td'), heading('Title', 'title', 'ascending', sort, false),
    ...metas.map((meta) => heading(meta.label, sortOf(engine, meta.column), 'descending', sort, 'min' in meta)),
    make('th', { scope: 'col' }, 'Status'));
  const body = rows.map((_, i) => make('tr', {},
    make('td', {}, thumb(cards[i])),
    make('th', { scope: 'row' }, cards[i].querySelector('.p-card__t a')?.cloneNode(true)),
    ...metas.map((meta, k) => ('min' in meta ? figure(meta.kind, cells[i][k]) : labels(meta.column, cells[i][k]))),
    make('td', {}, cards[i].querySelector('.p-status')?.cloneNode(true))));
  return make('table', { class: 'p-table' }, make('thead', {}, head), make('tbody', {}, ...body));
}

/**
 * @param {string} label
 * @param {string | undefined} key
 * @param {'ascending' | 'descending'} direction
 * @param {{now: string, by: (sort: string) => void}} sort
 * @param {boolean} numeric
 */
function heading(label, key, direction, sort, numeric) {
  const current = key !== undefined && sort.now === key;
  const content = key === undefined ? label : make('button', { type: 'button', class: 'p-by', 'data-sort': key }, label, icon('chevron'));
  if (key !== undefined) content.addEventListener('click', () => sort.by(current ? '' : key));
  return make('th', { scope: 'col', class: numeric ? 'n' : null, 'aria-sort': current ? direction : null }, content);
}

/** @param {string} kind @param {number | null} n */
function figure(kind, n) {
  return n === null || n === undefined ? make('td', { class: 'n p-muted' }, '–', make('span', { class: 'p-vh' }, 'unknown')) : make('td', { class: 'n' }, value(kind, n));
}

/** @param {string} column @param {string[]} found */
function labels(column, found) {
  return make('td', {}, ...found.flatMap((text, i) => [i ? ', ' : '', column === 'organism' && text !== 'unknown' ? make('i', {}, text) : text]));
}

/** The picture of a card, small. @param {Element} card */
function thumb(card) {
  const holder = make('span', { class: 'p-thumb' });
  const picture = card.querySelector('.p-media img')?.cloneNode();
  if (picture instanceof Element) {
    picture.setAttribute('alt', '');
    picture.setAttribute('sizes', '64px');
    holder.append(picture);
  } else {
    const glyph = card.querySelector('.p-ph .p-i')?.cloneNode(true);
    if (glyph) holder.append(make('span', { class: 'p-ph' }, glyph));
  }
  return holder;
}

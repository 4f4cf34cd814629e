/** Which columns the table has. */
import { make } from './dom.js';

/** @typedef {import('./types.js').Engine} Engine */

const USUAL = ['technology', 'tissue', 'disease', 'organism', 'n_obs', 'n_features', 'size_bytes'];

/** The columns that a table has unless the visitor chose others. @param {Engine} engine */
export function usual(engine) {
  return USUAL.filter((column) => engine.facets.some((facet) => facet.column === column) || engine.ranges.some((range) => range.column === column));
}

/**
 * The menu of columns.
 * @param {Engine} engine
 * @param {string[]} columns chosen now
 * @param {(columns: string[]) => void} choose
 */
export function chooser(engine, columns, choose) {
  const all = [...engine.facets, ...engine.ranges];
  return make('ul', {}, ...all.map(({ column, label }) => {
    const box = make('input', { type: 'checkbox' });
    box.checked = columns.includes(column);
    box.addEventListener('change', () => {
      const wanted = new Set(columns);
      if (box.checked) wanted.add(column);
      else wanted.delete(column);
      choose(all.map((meta) => meta.column).filter((name) => wanted.has(name)));
    });
    return make('li', {}, make('label', {}, box, label));
  }));
}

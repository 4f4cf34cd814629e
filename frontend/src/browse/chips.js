/** What is chosen, each to be taken away again; and what the address asked for that isn't here. */
import { icon, make, unseen } from './dom.js';
import { label } from './panel.js';
import { value } from './words.js';

/** @typedef {import('./types.js').State} State */

/**
 * @param {State} state
 * @param {import('./types.js').Engine} engine
 * @returns {number} how many filters are active, the text not counted
 */
export function active({ query }, engine) {
  const terms = engine.facets.reduce((sum, { column }) => sum + (query.terms[column]?.length ?? 0), 0);
  return terms + engine.ranges.filter(({ column }) => isBounded(query.ranges[column])).length;
}

/** @param {[number | null, number | null] | undefined} range */
export function isBounded(range) {
  return range !== undefined && (range[0] !== null || range[1] !== null);
}

/**
 * @param {import('./types.js').RangeMeta} meta
 * @param {[number | null, number | null]} range
 */
export function inWords({ kind }, [low, high]) {
  if (low === null) return `up to ${value(kind, high ?? 0)}`;
  return high === null ? `from ${value(kind, low)}` : low === high ? value(kind, low) : `${value(kind, low)} to ${value(kind, high)}`;
}

/**
 * @param {State} state
 * @param {import('./types.js').Engine} engine
 * @param {{text: () => void, term: (column: string, term: number) => void, range: (column: string) => void, unknown: (i: number) => void, all: () => void}} remove
 * @returns {HTMLElement[]}
 */
export function chips(state, engine, remove) {
  const { query, unknown } = state;
  /** @type {HTMLElement[]} */
  const made = [];
  if (query.q.trim()) made.push(chip(['Text ', make('b', {}, query.q.trim())], remove.text));
  for (const facet of engine.facets) {
    (query.terms[facet.column] ?? []).forEach((term, i) => {
      if (i) made.push(make('span', { class: 'p-muted p-sm' }, 'or'));
      made.push(chip([`${facet.label} `, make('b', {}, label(facet, term))], () => remove.term(facet.column, term)));
    });
  }
  for (const range of engine.ranges) {
    const chosen = query.ranges[range.column];
    if (isBounded(chosen)) made.push(chip([`${range.label} `, make('b', {}, inWords(range, chosen))], () => remove.range(range.column)));
  }
  unknown.forEach(({ column, value: text }, i) => {
    const name = [...engine.facets, ...engine.ranges].find((meta) => meta.column === column)?.label ?? column;
    made.push(chip([`${name} `, make('s', {}, text), ' not known here, ignored'], () => remove.unknown(i), 'p-chip p-chip--off'));
  });
  if (made.length) {
    const clear = make('button', { type: 'button', class: 'p-clear p-link' }, 'Clear all');
    clear.addEventListener('click', remove.all);
    made.push(clear);
  }
  return made;
}

/**
 * @param {(Node | string)[]} content
 * @param {() => void} act
 * @param {string} [name]
 */
function chip(content, act, name = 'p-chip') {
  const button = make('button', { type: 'button', class: name }, make('span', {}, ...content), unseen('remove'), icon('close'));
  button.addEventListener('click', act);
  return button;
}

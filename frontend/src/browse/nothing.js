/** Where nothing was found: what may have been meant, and what stands in the way. */
import { make } from './dom.js';
import { go } from './results.js';
import { artifacts, number } from './words.js';

/**
 * @param {import('./types.js').Result} result
 * @param {import('./types.js').State} state
 * @param {import('./types.js').Engine} engine
 * @param {import('./results.js').Href} href
 */
export function nothing({ suggestions, drop }, { query }, engine, href) {
  const label = (/** @type {string | undefined} */ column) => [...engine.facets, ...engine.ranges].find((meta) => meta.column === column)?.label ?? '';
  const without = drop.filter(({ total }) => total > 0).sort((a, b) => b.total - a.total).map((one) => {
    const change = one.kind === 'text' ? { q: '' } : { [one.kind]: { ...query[one.kind], [one.column ?? '']: undefined } };
    const what = one.kind === 'text' ? `the text “${query.q.trim()}”` : label(one.column);
    return make('li', {}, go(href({ ...change, page: 1 }), [`Without ${what}`, make('span', { class: 'p-muted' }, number(one.total))], { class: 'p-btn' }));
  });
  return make('div', { class: 'p-state p-nothing' },
    make('h3', {}, 'Nothing has all of this'),
    suggestions.length > 0 && make('p', {}, 'Did you mean ', ...suggestions.flatMap((text, i) => [i ? ' or ' : '', go(href({ q: text, page: 1 }), [text])]), '?'),
    without.length > 0 && make('p', {}, 'Take something away:'),
    without.length > 0 && make('ul', { class: 'p-act' }, ...without),
    make('p', {}, go(href({ q: '', terms: {}, ranges: {}, page: 1 }), [`Show all ${artifacts(engine.n)}`])));
}

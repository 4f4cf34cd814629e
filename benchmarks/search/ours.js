/** Ours, on the page's own thread: engine time and no messages. */
import { openEngine } from '../../frontend/src/search/engine.js';

export async function open(base, columns, { index }) {
  const engine = await openEngine(new URL(`${base}search/`, location.href).href, index);
  const places = new Map(engine.facets.map((facet) => [facet.column, new Map(facet.terms.map(({ label }, i) => [label, i]))]));
  return {
    async search({ q, terms }) {
      const asked = Object.fromEntries(Object.entries(terms).map(([column, labels]) => [
        column, labels.map((label) => places.get(column).get(label)),
      ]));
      const { total, rows, counts } = await engine.search({
        q, terms: asked, ranges: {}, sort: q ? 'relevance' : 'newest', page: 1, size: 24,
      });
      return { total, rows, count: ({ column, terms }, place) => counts[column][places.get(column).get(terms[place])] };
    },
  };
}

/** MiniSearch over JSON, facets by loops. */
import MiniSearch from 'minisearch';
import { answer, count, labelsOf, readRows } from './loops.js';

export async function open(base, columns, { text }) {
  const rows = await readRows(base);
  const names = columns.map((c) => c.column);
  const index = new MiniSearch({
    fields: ['title', 'names', 'citation', 'elements', 'description', 'labels'],
    extractField: (row, field) => (field === 'labels' ? labelsOf(row, columns) : row[field]),
    searchOptions: { boost: { title: 4, names: 2, citation: 2 }, combineWith: 'AND' },
  });
  if (text) index.addAll(rows);
  return {
    async search({ q, terms }) {
      if (!q) return answer(count(rows, names, terms), false);
      const last = q.trim().split(/\s+/).length - 1;
      const hits = index.search(q, { prefix: (_, i) => i === last });
      return answer(count(rows, names, terms, hits.map((hit) => rows[hit.id])), true);
    },
  };
}

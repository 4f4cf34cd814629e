/** itemsjs: facets of its own, from bitmaps. */
import itemsjs from 'itemsjs';
import { labelsOf, readRows } from './loops.js';

export async function open(base, columns, { text }) {
  const rows = await readRows(base);
  if (text) for (const row of rows) row.labels = labelsOf(row, columns);
  const engine = itemsjs(rows, {
    native_search_enabled: text,
    searchableFields: ['title', 'names', 'citation', 'elements', 'description', 'labels'],
    sortings: { newest: { field: 'id', order: 'desc' } },
    aggregations: Object.fromEntries(columns.map(({ column, terms }) => [column, {
      size: terms.length, conjunction: false, hide_zero_doc_count: false,
    }])),
  });
  return {
    async search({ q, terms }) {
      const { pagination, data } = engine.search({
        per_page: 24, filters: terms, ...(q ? { query: q } : { sort: 'newest' }),
      });
      const counts = new Map();
      return {
        total: pagination.total,
        rows: data.items.map((row) => row.id),
        count({ column, terms }, place) {
          if (!counts.has(column)) {
            counts.set(column, new Map(data.aggregations[column].buckets.map((b) => [b.key, b.doc_count])));
          }
          return counts.get(column).get(terms[place]);
        },
      };
    },
  };
}

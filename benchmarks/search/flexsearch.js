/** FlexSearch over JSON, facets by loops. */
import { Document } from 'flexsearch';
import { answer, count, labelsOf, readRows } from './loops.js';

const FIELDS = ['title', 'names', 'citation', 'elements', 'description', 'labels'];

export async function open(base, columns, { text }) {
  const rows = await readRows(base);
  const names = columns.map((c) => c.column);
  const index = new Document({ tokenize: 'forward', document: { id: 'id', index: FIELDS } });
  if (text) {
    for (const row of rows) {
      const [title, names, citation, elements, description] = FIELDS.map((field) => row[field]);
      index.add({ id: row.id, title, names, citation, elements, description, labels: labelsOf(row, columns) });
    }
  }
  return {
    note: 'finds words within one field only',
    async search({ q, terms }) {
      if (!q) return answer(count(rows, names, terms), false);
      const found = new Set();
      for (const { result } of index.search(q, { limit: rows.length })) for (const id of result) found.add(id);
      return answer(count(rows, names, terms, [...found].map((id) => rows[id])), true);
    },
  };
}

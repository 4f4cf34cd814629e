/** Builds Pagefind's index from rows.json: `node pagefind-index.mjs FOLDER`. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { close, createIndex } from 'pagefind';

const folder = process.argv[2];
const { columns, rows } = JSON.parse(readFileSync(path.join(folder, 'rows.json'), 'utf8'));
const above = ({ parents }, place, found = new Set()) => {
  if (!found.has(place)) {
    found.add(place);
    for (const parent of parents[place]) above({ parents }, parent, found);
  }
  return found;
};
const places = new Map(columns.map((c) => [c.column, new Map(c.terms.map((label, place) => [label, place]))]));
const { index } = await createIndex({ forceLanguage: 'en' });
for (const row of rows) {
  const filters = Object.fromEntries(columns.map((column) => {
    const found = new Set();
    for (const label of row[column.column]) above(column, places.get(column.column).get(label), found);
    return [column.column, [...found].filter((place) => column.shown[place]).map((place) => column.terms[place])];
  }));
  const { errors } = await index.addCustomRecord({
    url: `/${row.id}/`,
    content: [row.title, row.names, row.citation, row.elements, row.description, ...Object.values(filters).flat()].join(' '),
    language: 'en',
    meta: { title: row.title },
    filters,
    sort: { row: String(row.id) },
  });
  if (errors.length) throw new Error(errors.join('\n'));
}
// Written here: what its own program writes may be cut off when it is closed.
const { errors, files } = await index.getFiles();
if (errors.length) throw new Error(errors.join('\n'));
for (const file of files) {
  const target = path.join(folder, 'pagefind', file.path);
  mkdirSync(path.dirname(target), { recursive: true });
  writeFileSync(target, file.content);
}
await close();

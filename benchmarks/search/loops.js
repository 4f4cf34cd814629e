/** Rows as objects, read from JSON, and their facets counted by plain loops. */

export async function readRows(base) {
  const { columns, rows } = await (await fetch(`${base}rows.json`)).json();
  for (const { column, terms, parents, shown } of columns) {
    const closures = new Map();
    const above = (place, found = new Set()) => {
      if (!found.has(place)) {
        found.add(place);
        for (const parent of parents[place]) above(parent, found);
      }
      return found;
    };
    terms.forEach((term, place) => closures.set(term, [...above(place)].filter((p) => shown[p]).map((p) => terms[p])));
    for (const row of rows) {
      const own = row[column];
      row[column] = own.length === 1 ? closures.get(own[0]) : [...new Set(own.flatMap((term) => closures.get(term)))];
    }
  }
  return rows;
}

/** The labels of all terms of a row, to be searched as text. */
export function labelsOf(row, columns) {
  return columns.map(({ column }) => row[column].join(' ')).join(' ');
}

/**
 * A row that fails no column counts everywhere, one that fails a single column counts there.
 * @param {any[]} rows @param {string[]} columns @param {Record<string, string[]>} terms
 * @param {Iterable<any>} [candidates] rows that a text found
 */
export function count(rows, columns, terms, candidates = rows) {
  const counts = Object.fromEntries(columns.map((column) => [column, new Map()]));
  const chosen = Object.entries(terms).map(([column, labels]) => ({ column, labels: new Set(labels) }));
  const found = [];
  const add = (column, row) => {
    const of = counts[column];
    for (const label of row[column]) of.set(label, (of.get(label) ?? 0) + 1);
  };
  for (const row of candidates) {
    let fails = 0, failed = '';
    for (const { column, labels } of chosen) {
      if (!row[column].some((label) => labels.has(label))) {
        fails++;
        failed = column;
        if (fails > 1) break;
      }
    }
    if (fails === 0) {
      found.push(row);
      for (const column of columns) add(column, row);
    } else if (fails === 1) {
      add(failed, row);
    }
  }
  return { found, counts };
}

/** Newest first, unless the order of a text counts. */
export function answer({ found, counts }, ranked) {
  const rows = ranked ? found.slice(0, 24) : found.slice(-24).reverse();
  return {
    total: found.length,
    rows: rows.map((row) => row.id),
    count: ({ column, terms }, place) => counts[column].get(terms[place]),
  };
}

/**
 * What both databases are asked. Tags number the terms of all columns, one after another; `tags(row, tag)` has
 * ancestors too. A row's mask has a bit for each column of the selection that it passes.
 */

/** @returns each column's first tag, and a tag by label */
export function tagsOf(columns) {
  const first = {}, tag = {};
  let next = 0;
  for (const { column, terms } of columns) {
    first[column] = [next, next + terms.length - 1];
    tag[column] = new Map(terms.map((label, place) => [label, next + place]));
    next += terms.length;
  }
  return { first, tag, many: next };
}

/**
 * SQL for a selection: `hits` fills a table `p(row, m)`, `counts` and `rows` read it. `text` is SQL for rows that a
 * text found. Null where nothing is chosen: then the counts are those of all rows, which a page would keep.
 */
export function ask({ first, tag }, terms, text) {
  const chosen = Object.entries(terms);
  if (!chosen.length && !text) return null;
  const full = (1 << chosen.length) - 1;
  const passes = chosen.map(([column, labels], i) =>
    `SELECT DISTINCT row, ${1 << i} AS bit FROM tags WHERE tag IN (${labels.map((l) => tag[column].get(l)).join(',')})`);
  const near = chosen.map((_, i) => full & ~(1 << i));
  let hits = passes.length
    ? `SELECT row, sum(bit) AS m FROM (${passes.join(' UNION ALL ')}) GROUP BY row`
    : `SELECT row, 0 AS m FROM (${text})`;
  if (passes.length && text) hits = `SELECT row, m FROM (${hits}) WHERE row IN (${text})`;
  if (passes.length) hits = `SELECT row, m FROM (${hits}) WHERE m IN (${[full, ...near].join(',')})`;
  const outside = chosen.map(([column]) => `AND tag NOT BETWEEN ${first[column].join(' AND ')}`).join(' ');
  const counts = [`SELECT tag, count(*) AS n FROM p JOIN tags USING (row) WHERE m = ${full} ${outside} GROUP BY tag`];
  chosen.forEach(([column], i) => {
    if (chosen.length === 1 && !text) return; // what this column alone rules out are all rows
    counts.push(`SELECT tag, count(*) AS n FROM p JOIN tags USING (row) WHERE m IN (${full}, ${near[i]})
      AND tag BETWEEN ${first[column].join(' AND ')} GROUP BY tag`);
  });
  return {
    hits,
    counts: counts.join(' UNION ALL '),
    rows: `SELECT row, count(*) OVER () AS n FROM p WHERE m = ${full} ORDER BY row DESC LIMIT 24`,
    alone: chosen.length === 1 && !text ? first[chosen[0][0]] : null,
  };
}

/** @param {number[]} counts by tag */
export function answer({ first }, total, rows, counts) {
  return { total, rows, count: ({ column }, place) => counts[first[column][0] + place] };
}

/** Pagefind. Its counts are those of the results, so each column of the selection costs a search of its own. */

export async function open(base, columns) {
  const pagefind = await import(/* @vite-ignore */ `${base}pagefind/pagefind.js`);
  await pagefind.init();
  await pagefind.filters();
  const find = (q, terms) => pagefind.search(q || null, {
    filters: Object.fromEntries(Object.entries(terms).map(([column, labels]) => [column, { any: labels }])),
    ...(q ? {} : { sort: { row: 'desc' } }),
  });
  return {
    async search({ q, terms }) {
      const { results, filters } = await find(q, terms);
      const counts = { ...filters };
      for (const column of Object.keys(terms)) {
        const { [column]: _, ...others } = terms;
        counts[column] = (await find(q, others)).filters[column];
      }
      return {
        total: results.length,
        rows: results.slice(0, 24).map((result) => result.id),
        count: ({ column, terms }, place) => counts[column]?.[terms[place]],
      };
    },
  };
}

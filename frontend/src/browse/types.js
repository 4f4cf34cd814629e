/**
 * What the interface asks of the engine, whether it runs in the page or in a worker.
 *
 * @typedef {import('../search/engine.js').FacetMeta} FacetMeta
 * @typedef {import('../search/engine.js').RangeMeta} RangeMeta
 * @typedef {import('../search/engine.js').Query} Query
 * @typedef {import('../search/engine.js').Result} Result
 * @typedef {import('../search/engine.js').Result['drop'][number]} Drop
 * @typedef {{
 *   n: number, facets: FacetMeta[], ranges: RangeMeta[],
 *   search(query: Query): Promise<Result>,
 *   rows(query: Query): Promise<Uint32Array>,
 *   cards(rows: Iterable<number>): Promise<string[]>,
 *   values(row: number, column: string): any,
 *   synonyms(): Promise<Record<string, string[][]>>,
 *   catalogRows(rows: Iterable<number>): Promise<Uint32Array>,
 * }} Engine
 * @typedef {import('../search/state.js').State} State
 */
export {};

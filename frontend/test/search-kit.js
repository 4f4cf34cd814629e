/** What the tests of the search share: the index of the table of cases, read from files. */
import { readFile } from 'node:fs/promises';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { openEngine } from '../src/search/engine.js';

/** @typedef {import('../src/search/engine.js').Engine} Engine */

const HERE = path.dirname(fileURLToPath(import.meta.url));

export const FIXTURE = path.join(HERE, 'fixtures', 'search');
export const { facets: NAME } = JSON.parse(readFileSync(path.join(FIXTURE, 'index.json'), 'utf8'));
/** @type {any} */
export const TABLE = JSON.parse(readFileSync(path.join(HERE, '..', '..', 'tests', 'search_cases.json'), 'utf8'));

/**
 * A host of a folder. What it was asked stands in `asked`; files whose names start with `broken` it refuses.
 * @param {string} folder
 */
export function host(folder) {
  const from = { asked: /** @type {string[]} */ ([]), broken: /** @type {string | null} */ (null), get };
  /** @param {string} address */
  async function get(address) {
    const name = address.replace(/^https:\/\/example\.org\/search\//, '');
    from.asked.push(name);
    if (from.broken !== null && name.startsWith(from.broken)) return new Response(null, { status: 503 });
    try {
      return new Response(new Uint8Array(await readFile(path.join(folder, name))));
    } catch {
      return new Response(null, { status: 404 });
    }
  }
  return from;
}

/** @param {{get: (address: string) => Promise<Response>}} [from] */
export function open({ get } = host(FIXTURE)) {
  return openEngine('https://example.org/search/', NAME, { get });
}

/**
 * A query with everything that a case leaves out; terms by label or id.
 * @param {Engine} engine
 * @param {any} query
 * @returns {import('../src/search/engine.js').Query}
 */
export function asked(engine, { q = '', terms = {}, ranges = {}, sort = 'relevance', page = 1, size = 1000 }) {
  /** @type {Record<string, number[]>} */
  const places = {};
  for (const [column, labels] of Object.entries(terms)) places[column] = labels.map((/** @type {string} */ label) => place(engine, column, label));
  return { q, terms: places, ranges, sort, page, size };
}

/**
 * @param {Engine} engine
 * @param {string} column
 * @param {string} named an id, else a label
 */
export function place(engine, column, named) {
  const terms = engine.facets.find((facet) => facet.column === column)?.terms ?? [];
  const byId = terms.findIndex((term) => term.id === named);
  return byId >= 0 ? byId : terms.findIndex((term) => term.label === named);
}

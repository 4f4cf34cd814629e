/**
 * `node search-run.mjs <index folder> <facets file> <queries.json>` prints what the engine says to many queries, as JSON:
 * so that Python can hold it against the rules, spelled out.
 */
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { openEngine } from '../src/search/engine.js';

const [folder, name, queries] = process.argv.slice(2);
const base = 'https://example.org/';
const get = async (/** @type {string} */ address) => new Response(new Uint8Array(await readFile(path.join(folder, address.slice(base.length)))));
const engine = await openEngine(base, name, { get });

/** @type {object[]} */
const answers = [];
for (const query of JSON.parse(await readFile(queries, 'utf8'))) {
  const asked = { q: '', terms: {}, ranges: {}, sort: 'relevance', page: 1, size: 48, ...query };
  const { ms, found, ...answer } = await engine.search(asked);
  answers.push({ ...answer, all: await engine.rows(asked) });
}
process.stdout.write(JSON.stringify(answers, (_, value) => (ArrayBuffer.isView(value) ? Array.from(/** @type {Uint32Array} */ (value)) : value)));

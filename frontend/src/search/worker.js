/**
 * The engine in a worker: `{id, method, args}` is answered by `{id, value}` or `{id, error}`. `remote.js` is the other end.
 */
import { openEngine } from './engine.js';

/** @typedef {import('./engine.js').Engine} Engine */

const METHODS = ['search', 'rows', 'cards', 'values', 'catalogRows', 'synonyms'];

/** @type {Promise<Engine> | undefined} */
let engine;

/**
 * @param {string} method
 * @param {any[]} args
 */
async function call(method, args) {
  if (method === 'open') {
    engine = openEngine(args[0], args[1]);
    const { n, facets, ranges } = await engine;
    return { n, ranges, facets: facets.map(({ column, label, kind, terms }) => ({ column, label, kind, terms })) };
  }
  if (!engine || !METHODS.includes(method)) throw new Error(`The search has no ${method}`);
  return /** @type {any} */ (await engine)[method](...args);
}

/**
 * The memory of arrays that were made for this answer alone: it is handed over, not copied.
 * @param {any} value
 * @returns {ArrayBuffer[]}
 */
function buffers(value) {
  if (value instanceof Uint32Array) return [/** @type {ArrayBuffer} */ (value.buffer)];
  if (!value?.counts || !value.histograms) return [];
  const bars = Object.values(value.histograms).map((/** @type {any} */ histogram) => histogram.counts);
  return [...Object.values(value.counts), ...bars].map((counts) => counts.buffer);
}

self.addEventListener('message', async ({ data: { id, method, args } }) => {
  try {
    const value = await call(method, args);
    self.postMessage({ id, value }, { transfer: buffers(value) });
  } catch (error) {
    const { name, message, address, gone } = /** @type {any} */ (error);
    self.postMessage({ id, error: { name, message, address, gone } });
  }
});

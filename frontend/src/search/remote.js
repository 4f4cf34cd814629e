/**
 * The engine as the page sees it when it runs in a worker: the same functions, all of which have to be awaited.
 */
import { IndexError } from './files.js';
import { Tree } from './tree.js';

/**
 * @typedef {import('./engine.js').Query} Query
 * @typedef {import('./engine.js').Result} Result
 * @typedef {import('./engine.js').FacetMeta} FacetMeta
 * @typedef {import('./engine.js').RangeMeta} RangeMeta
 * @typedef {import('./tree.js').Term} Term
 * @typedef {{column: string, label: string, kind: 'term' | 'value', terms: Term[]}} FacetData
 * @typedef {Pick<Worker, 'postMessage' | 'addEventListener' | 'terminate'>} Other
 * @typedef {{resolve: (value: any) => void, reject: (error: Error) => void}} Waiting
 */

/**
 * @param {string | URL} script the address of the worker's script
 * @param {string} base the address of the folder of the index
 * @param {string} name the file of facets
 * @param {{make?: (script: string | URL) => Other}} [options]
 */
export async function openRemote(script, base, name, { make = start } = {}) {
  const line = new Line(make(script), String(script));
  try {
    // The worker would take an address as relative to its script.
    const address = new URL(base, globalThis.document?.baseURI ?? globalThis.location?.href ?? import.meta.url).href;
    return new Remote(line, await line.call('open', address, name));
  } catch (error) {
    line.worker.terminate();
    throw error;
  }
}

/** @param {string | URL} script */
function start(script) {
  return new Worker(script, { type: 'module' });
}

/** Questions to a worker and the answers to them. */
class Line {
  /**
   * @param {Other} worker
   * @param {string} address
   */
  constructor(worker, address) {
    this.worker = worker;
    this.address = address;
    this.next = 0;
    /** @type {Map<number, Waiting>} */
    this.waiting = new Map();
    worker.addEventListener('message', (event) => this.answer(/** @type {MessageEvent} */ (event).data));
    for (const type of ['error', 'messageerror']) {
      worker.addEventListener(type, (event) => this.broken(/** @type {ErrorEvent} */ (event).message));
    }
  }

  /**
   * @param {string} method
   * @param {...any} args
   * @returns {Promise<any>}
   */
  call(method, ...args) {
    const id = this.next++;
    return new Promise((resolve, reject) => {
      this.waiting.set(id, { resolve, reject });
      this.worker.postMessage({ id, method, args });
    });
  }

  /** @param {{id: number, value?: any, error?: {name: string, message: string, address: string, gone: boolean}}} data */
  answer({ id, value, error }) {
    const waiting = this.waiting.get(id);
    this.waiting.delete(id);
    if (!waiting) return;
    if (!error) waiting.resolve(value);
    else if (error.name === 'IndexError') waiting.reject(new IndexError(error.message, error.address, undefined, error.gone));
    else waiting.reject(Object.assign(new Error(error.message), { name: error.name }));
  }

  /**
   * The script itself did not arrive, or stopped: nobody will answer.
   * @param {string} [message]
   */
  broken(message) {
    const error = new IndexError(message || 'The search could not be started', this.address);
    for (const { reject } of this.waiting.values()) reject(error);
    this.waiting.clear();
  }
}

export class Remote {
  /**
   * @param {Line} line
   * @param {{n: number, facets: FacetData[], ranges: RangeMeta[]}} meta
   */
  constructor(line, { n, facets, ranges }) {
    this.line = line;
    this.n = n;
    this.ranges = ranges;
    /** @type {FacetMeta[]} */
    this.facets = facets.map((facet) => {
      const tree = new Tree(facet.terms);
      return {
        ...facet,
        roots: () => tree.roots(), children: (i) => tree.children(i), ancestors: (i) => tree.ancestors(i),
      };
    });
  }

  /**
   * @param {Query} query
   * @returns {Promise<Result>}
   */
  search(query) {
    return this.line.call('search', query);
  }

  /**
   * @param {Query} query
   * @returns {Promise<Uint32Array>}
   */
  rows(query) {
    return this.line.call('rows', query);
  }

  /**
   * @param {Iterable<number>} rows
   * @returns {Promise<string[]>}
   */
  cards(rows) {
    return this.line.call('cards', [...rows]);
  }

  /** @returns {Promise<Record<string, string[][]>>} */
  synonyms() {
    return this.line.call('synonyms');
  }

  /**
   * @param {number} row
   * @param {string} column
   * @returns {Promise<string[] | number | null>}
   */
  values(row, column) {
    return this.line.call('values', row, column);
  }

  /**
   * @param {Iterable<number>} rows
   * @returns {Promise<Uint32Array>}
   */
  catalogRows(rows) {
    return this.line.call('catalogRows', rows instanceof Uint32Array ? rows : [...rows]);
  }
}

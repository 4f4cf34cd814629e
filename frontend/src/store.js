/**
 * The zarr store that the viewer reads through.
 *
 * zarrita ignores consolidated metadata and probes: for every node it asks for names that may not exist.
 * This store reads the consolidated document once and answers every metadata name from it, so that a page
 * makes no request that can only fail. It speaks zarrita's `AsyncReadable`: `get(key)` and `getRange(key, range)`,
 * where `undefined` means "no such key" and anything else that goes wrong is thrown as a `StoreError`.
 */

/**
 * @typedef {{offset: number, length: number} | {suffixLength: number}} RangeQuery
 * @typedef {{signal?: AbortSignal}} ReadOptions
 * @typedef {{version: 2 | 3, nodes: Record<string, unknown>}} Metadata
 * @typedef {{status: number, bytes: Uint8Array<ArrayBuffer>}} Body
 * @typedef {{promise: Promise<Body | null>, controller: AbortController, waiting: number}} Pending
 * @typedef {object} StoreOptions
 * @property {unknown} [metadata] the consolidated document, where the caller has it already
 * @property {Record<string, number>} [parts] parts of a Parquet directory, by its path; 1 where not given
 * @property {(error: StoreError) => void} [onError] told of every failure, also of those that the viewer swallows
 * @property {(bytes: number) => void} [onBytes] told of every body that arrived
 * @property {typeof fetch} [fetch]
 */

/** A read that failed: `status` is the server's answer, or 0 where none came. */
export class StoreError extends Error {
  /**
   * @param {string} address
   * @param {number} status
   * @param {string} reason
   * @param {unknown} [cause]
   */
  constructor(address, status, reason, cause) {
    super(`${reason}: ${address}`, { cause });
    this.name = 'StoreError';
    this.address = address;
    this.status = status;
    this.reason = reason;
  }
}

const METADATA = new Set(['zarr.json', '.zattrs', '.zarray', '.zgroup', '.zmetadata', 'zmetadata']);

// spatialdata writes points through dask, always a directory of parts, and shapes through geopandas, always a file.
const POINTS = /^points\/[^/]+\/points\.parquet$/;
const SHAPES = /^shapes\/[^/]+\/shapes\.parquet$/;
const PART = /^(.+\.parquet)\/part\.(\d+)\.parquet$/;

/** Whole files kept because the host ignores Range, or because the viewer reads them piece by piece and then whole. */
const KEPT_BYTES = 256 * 1024 * 1024;

export class PortalStore {
  /**
   * @param {string} address of the store, absolute or relative to the page
   * @param {StoreOptions} [options]
   */
  constructor(address, options = {}) {
    const base = new URL(address, globalThis.document?.baseURI);
    if (!base.pathname.endsWith('/')) base.pathname += '/';
    this.address = base.href;
    /** @type {Map<string, Pending>} */
    this.pending = new Map();
    /** @type {Map<string, Uint8Array<ArrayBuffer>>} */
    this.kept = new Map();
    this.parts = options.parts ?? {};
    this.onError = options.onError ?? (() => {});
    this.onBytes = options.onBytes ?? (() => {});
    this.fetch = options.fetch ?? ((input, init) => globalThis.fetch(input, init));
    /** @type {Promise<Metadata | null> | undefined} */
    this.metadata = options.metadata === undefined ? undefined : Promise.resolve(consolidated(options.metadata));
  }

  /**
   * @param {string} key
   * @param {ReadOptions} [options]
   * @returns {Promise<Uint8Array | undefined>}
   */
  async get(key, options = {}) {
    const path = this.locate(key);
    const known = await this.lookup(path);
    if (known !== undefined) return known ?? undefined;
    const kept = this.kept.get(path);
    if (kept) return kept;
    const body = await this.request(path, undefined, options.signal);
    if (body && SHAPES.test(path)) this.keep(path, body.bytes);
    return body?.bytes;
  }

  /**
   * @param {string} key
   * @param {RangeQuery} range
   * @param {ReadOptions} [options]
   * @returns {Promise<Uint8Array | undefined>}
   */
  async getRange(key, range, options = {}) {
    const path = this.locate(key);
    const known = await this.lookup(path);
    if (known !== undefined) return known ? cut(known, range) : undefined;
    // The viewer reads the tail of a shapes file twice and then the whole of it: one request serves all three.
    if (SHAPES.test(path)) {
      const whole = await this.get(key);
      return whole && cut(whole, range);
    }
    const kept = this.kept.get(path);
    if (kept) return cut(kept, range);
    // A suffix is the index of a shard, which zarrita shares between readers: one that gives up must not fail the others.
    const signal = 'suffixLength' in range ? undefined : options.signal;
    const body = await this.request(path, range, signal);
    if (!body || body.status === 206) return body?.bytes;
    this.keep(path, body.bytes);
    return cut(body.bytes, range);
  }

  /**
   * What can be said of a key without asking for it.
   * @param {string} path
   * @returns {Promise<Uint8Array | null | undefined>} null: there is none; undefined: ask
   */
  async lookup(path) {
    if (this.absentParquet(path)) return null;
    const slash = path.lastIndexOf('/');
    const name = path.slice(slash + 1);
    if (!METADATA.has(name)) return undefined;
    this.metadata ??= this.readMetadata().catch((error) => {
      this.metadata = undefined; // so that another try asks again
      throw error;
    });
    const metadata = await this.metadata;
    if (!metadata) return undefined;
    if (metadata.version === 3) {
      return name === 'zarr.json' ? encode(metadata.nodes[slash < 0 ? '' : path.slice(0, slash)]) : null;
    }
    return name === 'zarr.json' ? null : encode(metadata.nodes[path]);
  }

  /**
   * The viewer reads the schema of every Parquet file as that of its first part, also where there is only the file.
   * @param {string} key
   */
  locate(key) {
    const path = key.replace(/^\/+/, '');
    const part = PART.exec(path);
    return part && SHAPES.test(part[1]) && part[2] === '0' ? part[1] : path;
  }

  /**
   * The viewer asks for a Parquet file and then for its parts, or the other way round, and counts parts by failing.
   * @param {string} path
   */
  absentParquet(path) {
    if (path in this.parts) return true;
    const part = PART.exec(path);
    if (!part) return POINTS.test(path);
    return Number(part[2]) >= (this.parts[part[1]] ?? 1);
  }

  /** @returns {Promise<Metadata | null>} null: the store isn't consolidated */
  async readMetadata() {
    const root = await this.readJson('zarr.json');
    if (root) return consolidated(root);
    for (const name of ['.zmetadata', 'zmetadata']) {
      const document = await this.readJson(name);
      if (document) return consolidated(document);
    }
    if (await this.request('.zgroup')) return null;
    throw this.fail('', 404, 'No zarr store was found');
  }

  /** @param {string} name */
  async readJson(name) {
    const body = await this.request(name);
    if (!body) return null;
    const text = new TextDecoder().decode(body.bytes);
    try {
      return parse(text);
    } catch (error) {
      throw this.fail(name, body.status, "The store's metadata can't be read as JSON", error);
    }
  }

  /**
   * One request a key and range, however many ask for it at once.
   * @param {string} path
   * @param {RangeQuery} [range]
   * @param {AbortSignal} [signal]
   * @returns {Promise<Body | null>} null: no such key
   */
  request(path, range, signal) {
    signal?.throwIfAborted();
    const key = range ? `${path} ${rangeHeader(range)}` : path;
    let pending = this.pending.get(key);
    if (!pending) {
      const controller = new AbortController();
      const promise = this.read(path, range, controller.signal).finally(() => {
        if (this.pending.get(key)?.controller === controller) this.pending.delete(key);
      });
      promise.catch(() => {}); // everyone who waited may have given up
      pending = { promise, controller, waiting: 0 };
      this.pending.set(key, pending);
    }
    pending.waiting += 1;
    return signal ? this.unlessAborted(key, pending, signal) : pending.promise;
  }

  /**
   * Gives up alone; the request itself ends only when nobody waits for it any more.
   * @param {string} key
   * @param {Pending} pending
   * @param {AbortSignal} signal
   * @returns {Promise<Body | null>}
   */
  unlessAborted(key, pending, signal) {
    return new Promise((resolve, reject) => {
      const leave = () => {
        pending.waiting -= 1;
        if (pending.waiting === 0) {
          if (this.pending.get(key) === pending) this.pending.delete(key);
          pending.controller.abort(signal.reason);
        }
        reject(signal.reason);
      };
      signal.addEventListener('abort', leave, { once: true });
      pending.promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', leave));
    });
  }

  /**
   * @param {string} path
   * @param {RangeQuery | undefined} range
   * @param {AbortSignal} signal
   * @returns {Promise<Body | null>}
   */
  async read(path, range, signal) {
    const address = new URL(path.split('/').map(encodeURIComponent).join('/'), this.address).href;
    /** @type {Response} */
    let response;
    /** @type {Uint8Array<ArrayBuffer>} */
    let bytes;
    try {
      response = await this.fetch(address, { signal, ...(range && { headers: { Range: rangeHeader(range) } }) });
      bytes = response.ok ? new Uint8Array(await response.arrayBuffer()) : new Uint8Array();
    } catch (error) {
      if (signal.aborted) throw error;
      throw this.fail(path, 0, 'The server could not be reached', error);
    }
    if (response.ok) {
      this.onBytes(bytes.length);
      return { status: response.status, bytes };
    }
    if (response.status === 404 || (response.status === 403 && !METADATA.has(path))) {
      return null; // S3 says 403 for a chunk that was never written, where listing isn't allowed
    }
    // Some hosts refuse a suffix range, which others know: the whole file has the same tail.
    if (range && 'suffixLength' in range && [400, 416, 501].includes(response.status)) return this.read(path, undefined, signal);
    throw this.fail(path, response.status, `The server answered ${response.status}${response.statusText && ` (${response.statusText})`}`);
  }

  /**
   * @param {string} path
   * @param {number} status
   * @param {string} reason
   * @param {unknown} [cause]
   */
  fail(path, status, reason, cause) {
    const error = new StoreError(this.address + path, status, reason, cause);
    this.onError(error);
    return error;
  }

  /**
   * @param {string} path
   * @param {Uint8Array<ArrayBuffer>} bytes
   */
  keep(path, bytes) {
    this.kept.set(path, bytes);
    let total = 0;
    for (const [, kept] of this.kept) total += kept.length;
    for (const [oldest, kept] of this.kept) {
      if (total <= KEPT_BYTES || oldest === path) break;
      this.kept.delete(oldest);
      total -= kept.length;
    }
  }
}

/**
 * @param {unknown} document `zarr.json` of the root, or a `.zmetadata`
 * @returns {Metadata | null}
 */
export function consolidated(document) {
  if (!isRecord(document)) return null;
  if (isRecord(document.consolidated_metadata) && isRecord(document.consolidated_metadata.metadata)) {
    const { consolidated_metadata: inline, ...root } = document;
    return { version: 3, nodes: { '': root, .../** @type {any} */ (inline).metadata } };
  }
  return isRecord(document.metadata) ? { version: 2, nodes: document.metadata } : null;
}

/**
 * Attributes may hold a bare NaN, which Python writes and JSON doesn't know.
 * @param {string} text
 */
function parse(text) {
  try {
    return JSON.parse(text);
  } catch {
    return JSON.parse(text.replace(/([[:,]\s*)(?:NaN|-?Infinity)(?=\s*[,\]}])/g, '$1null'));
  }
}

/**
 * @param {unknown} value
 * @returns {value is Record<string, unknown>}
 */
function isRecord(value) {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** @param {unknown} node */
function encode(node) {
  return node === undefined ? null : new TextEncoder().encode(JSON.stringify(node));
}

/** @param {RangeQuery} range */
function rangeHeader(range) {
  return 'suffixLength' in range
    ? `bytes=-${range.suffixLength}`
    : `bytes=${range.offset}-${range.offset + range.length - 1}`;
}

/**
 * @param {Uint8Array} bytes
 * @param {RangeQuery} range
 */
function cut(bytes, range) {
  return 'suffixLength' in range
    ? bytes.slice(Math.max(0, bytes.length - range.suffixLength))
    : bytes.slice(range.offset, range.offset + range.length);
}

/**
 * The files of an index: fetched once, shared while under way, asked for again after a failure.
 */

/** @typedef {(address: string) => Promise<Response>} Get */

/** A file of the index that could not be read. */
export class IndexError extends Error {
  /**
   * @param {string} message
   * @param {string} address
   * @param {unknown} [cause]
   * @param {boolean} [gone] whether the site was published anew, so that only a fresh page can go on
   */
  constructor(message, address, cause, gone = false) {
    super(message, { cause });
    this.name = 'IndexError';
    this.address = address;
    this.gone = gone;
  }
}

/**
 * What was made once for a key. A failure is not kept, and of many only the last.
 * @template K, V
 */
export class Once {
  /**
   * @param {(key: K) => Promise<V>} make
   * @param {number} [most] how many are kept
   */
  constructor(make, most = 256) {
    this.make = make;
    this.most = most;
    /** @type {Map<K, Promise<V>>} */
    this.made = new Map();
  }

  /**
   * @param {K} key
   * @returns {Promise<V>}
   */
  get(key) {
    let promise = this.made.get(key);
    if (!promise) {
      promise = this.make(key);
      promise.catch(() => this.made.delete(key));
      for (const oldest of this.made.keys()) if (this.made.size >= this.most) this.made.delete(oldest);
    }
    this.made.delete(key); // what is asked for again is the last again
    this.made.set(key, promise);
    return promise;
  }
}

export class Files {
  /**
   * @param {string} base the address of the folder
   * @param {Get} [get]
   */
  constructor(base, get = (address) => fetch(address)) {
    this.base = base.endsWith('/') ? base : `${base}/`;
    this.request = get;
  }

  /**
   * @template T
   * @param {string} name
   * @param {(bytes: ArrayBuffer) => T} read
   * @returns {Promise<T>}
   */
  async packed(name, read) {
    return this.read(name, async (response) => read(await inflate(await response.arrayBuffer())));
  }

  /**
   * @param {string} name
   * @returns {Promise<any>}
   */
  async json(name) {
    return this.read(name, (response) => response.json());
  }

  /**
   * @template T
   * @param {string} name
   * @param {(response: Response) => Promise<T>} take
   * @returns {Promise<T>}
   */
  async read(name, take) {
    const address = this.base + name;
    /** @type {Response} */
    let response;
    try {
      response = await this.request(address);
    } catch (error) {
      throw new IndexError('The server could not be reached', address, error);
    }
    if (response.status === 404) throw new IndexError('The server answered 404: the site may have changed since this page was opened', address, undefined, true);
    if (!response.ok) throw new IndexError(`The server answered ${response.status}`, address);
    try {
      return await take(response);
    } catch (error) {
      throw new IndexError('A file of the search index arrived damaged or not at all', address, error);
    }
  }
}

/**
 * A host may have named the encoding in a header: then the browser has unpacked the file already.
 * @param {ArrayBuffer} bytes
 * @returns {Promise<ArrayBuffer>}
 */
async function inflate(bytes) {
  const [first, second] = new Uint8Array(bytes, 0, Math.min(2, bytes.byteLength));
  if (first !== 0x1f || second !== 0x8b) return bytes;
  return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream('gzip'))).arrayBuffer();
}

/**
 * The start of a file's SHA-256, as its name has it.
 * @param {number} hash
 */
export function hex(hash) {
  return hash.toString(16).padStart(8, '0');
}

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
   */
  constructor(message, address, cause) {
    super(message, { cause });
    this.name = 'IndexError';
    this.address = address;
  }
}

/**
 * What was made once for a key. A failure is not kept.
 * @template K, V
 */
export class Once {
  /** @param {(key: K) => Promise<V>} make */
  constructor(make) {
    this.make = make;
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
      this.made.set(key, promise);
      promise.catch(() => this.made.delete(key));
    }
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

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { PortalStore, StoreError, consolidated } from '../src/store.js';

const ADDRESS = 'https://example.org/sub/a.zarr';
const ROOT = {
  zarr_format: 3,
  node_type: 'group',
  attributes: { a: 1 },
  consolidated_metadata: { kind: 'inline', metadata: { 'images/he': { node_type: 'group' } } },
};

/**
 * A host that knows some files; what it was asked stands in `asked`.
 * @param {Record<string, unknown>} files text, bytes, JSON, or a status
 * @param {{range?: boolean, wait?: Promise<unknown>}} [options]
 */
function host(files, { range = true, wait } = {}) {
  /** @type {{path: string, range: string | undefined, signal: AbortSignal}[]} */
  const asked = [];
  /** @type {any} */
  const fetch = async (/** @type {string} */ address, /** @type {any} */ init) => {
    const path = address.replace(`${ADDRESS}/`, '');
    asked.push({ path, range: init.headers?.Range, signal: init.signal });
    if (wait) await Promise.race([wait, new Promise((_, reject) => init.signal.addEventListener('abort', () => reject(init.signal.reason)))]);
    const file = files[path];
    if (file === undefined) return new Response(null, { status: 404 });
    if (file instanceof Error) throw file;
    if (typeof file === 'number') return new Response(null, { status: file });
    const bytes = file instanceof Uint8Array ? file : new TextEncoder().encode(typeof file === 'string' ? file : JSON.stringify(file));
    const match = /^bytes=(\d*)-(\d*)$/.exec(init.headers?.Range ?? '');
    if (!range || !match) return new Response(/** @type {any} */ (bytes));
    const cut = match[1] ? bytes.slice(Number(match[1]), Number(match[2]) + 1) : bytes.slice(-Number(match[2]));
    return new Response(/** @type {any} */ (cut), { status: 206 });
  };
  return { asked, fetch, paths: () => asked.map((request) => request.path) };
}

/** @param {Uint8Array | undefined} bytes */
const json = (bytes) => (bytes ? JSON.parse(new TextDecoder().decode(bytes)) : undefined);

const BYTES = Uint8Array.from({ length: 100 }, (_, i) => i);

describe('metadata', () => {
  it('of version 3 is answered from one document', async () => {
    const { asked, fetch } = host({ 'zarr.json': ROOT });
    const store = new PortalStore(ADDRESS, { fetch });
    assert.deepEqual(json(await store.get('/images/he/zarr.json')), { node_type: 'group' });
    assert.deepEqual(json(await store.get('/zarr.json')), { zarr_format: 3, node_type: 'group', attributes: { a: 1 } });
    assert.equal(await store.get('/images/none/zarr.json'), undefined);
    assert.equal(await store.get('/images/he/.zattrs'), undefined);
    assert.equal(asked.length, 1);
  });

  for (const name of ['.zmetadata', 'zmetadata']) {
    it(`of version 2 is answered from ${name}`, async () => {
      const { fetch, paths } = host({ [name]: { metadata: { '.zattrs': { b: 2 }, 'x/.zarray': { shape: [1] } } } });
      const store = new PortalStore(ADDRESS, { fetch });
      assert.deepEqual(json(await store.get('/x/.zarray')), { shape: [1] });
      assert.deepEqual(json(await store.get('/.zattrs')), { b: 2 });
      assert.equal(await store.get('/x/.zattrs'), undefined);
      assert.equal(await store.get('/zarr.json'), undefined);
      assert.equal(paths().at(-1), name);
    });
  }

  it('can be given', async () => {
    const { asked, fetch } = host({});
    const store = new PortalStore(ADDRESS, { fetch, metadata: ROOT });
    assert.deepEqual(json(await store.get('/images/he/zarr.json')), { node_type: 'group' });
    assert.equal(asked.length, 0);
  });

  it('that is not consolidated is asked for', async () => {
    const { fetch } = host({ '.zgroup': { zarr_format: 2 }, 'x/.zarray': { shape: [3] } });
    const store = new PortalStore(ADDRESS, { fetch });
    assert.deepEqual(json(await store.get('/x/.zarray')), { shape: [3] });
    assert.equal(await store.get('/y/.zarray'), undefined);
  });

  it('with a bare NaN is read', async () => {
    const { fetch } = host({ 'zarr.json': '{"attributes": {"a": NaN, "b": [NaN, -Infinity], "c": "x: NaN"}, "consolidated_metadata": {"metadata": {}}}' });
    const store = new PortalStore(ADDRESS, { fetch });
    assert.deepEqual(json(await store.get('/zarr.json')).attributes, { a: null, b: [null, null], c: 'x: NaN' });
  });

  it('of nothing is an error', async () => {
    const { fetch } = host({});
    /** @type {unknown[]} */
    const told = [];
    const store = new PortalStore(ADDRESS, { fetch, onError: (error) => told.push(error) });
    await assert.rejects(store.get('/zarr.json'), (error) => error instanceof StoreError && error.status === 404);
    assert.equal(told.length, 1);
  });

  it('is asked for again after a failure', async () => {
    /** @type {Record<string, unknown>} */
    const files = { 'zarr.json': 503 };
    const store = new PortalStore(ADDRESS, { fetch: host(files).fetch });
    await assert.rejects(store.get('/zarr.json'), { status: 503 });
    files['zarr.json'] = ROOT;
    assert.ok(await store.get('/zarr.json'));
  });

  it('that is forbidden is an error, where a chunk would be absent', async () => {
    const store = new PortalStore(ADDRESS, { fetch: host({ 'zarr.json': 403 }).fetch });
    await assert.rejects(store.get('/zarr.json'), { status: 403 });
  });

  it('is told from other JSON', () => {
    assert.equal(consolidated({ zarr_format: 3, attributes: {} }), null);
    assert.equal(consolidated([]), null);
    assert.equal(consolidated(null), null);
  });
});

describe('chunks', () => {
  /**
   * @param {Record<string, unknown>} files
   * @param {object} [options]
   */
  const open = (files, options) => {
    const server = host(files, options);
    return { ...server, store: new PortalStore(ADDRESS, { fetch: server.fetch, metadata: ROOT }) };
  };

  it('are fetched whole and by range', async () => {
    const { asked, store } = open({ 'c/0': BYTES });
    assert.deepEqual(await store.get('/c/0'), BYTES);
    assert.deepEqual(await store.getRange('/c/0', { offset: 3, length: 2 }), BYTES.slice(3, 5));
    assert.deepEqual(await store.getRange('/c/0', { suffixLength: 4 }), BYTES.slice(-4));
    assert.deepEqual(asked.map((request) => request.range), [undefined, 'bytes=3-4', 'bytes=-4']);
  });

  it('that were never written are absent', async () => {
    const { store } = open({ 'c/1': 403 });
    assert.equal(await store.get('/c/0'), undefined);
    assert.equal(await store.get('/c/1'), undefined);
    assert.equal(await store.getRange('/c/0', { suffixLength: 4 }), undefined);
  });

  it('come whole from a host without Range, once', async () => {
    const { asked, store } = open({ 'c/0': BYTES }, { range: false });
    assert.deepEqual(await store.getRange('/c/0', { suffixLength: 4 }), BYTES.slice(-4));
    assert.deepEqual(await store.getRange('/c/0', { offset: 3, length: 2 }), BYTES.slice(3, 5));
    assert.equal(asked.length, 1);
  });

  it('come whole from a host that refuses suffixes', async () => {
    const { store } = open({});
    store.fetch = /** @type {any} */ (async (/** @type {string} */ _, /** @type {any} */ init) =>
      (init.headers ? new Response(null, { status: 501 }) : new Response(BYTES)));
    assert.deepEqual(await store.getRange('/c/0', { suffixLength: 4 }), BYTES.slice(-4));
  });

  it('are fetched once for all who ask at the time', async () => {
    const { asked, store } = open({ 'c/0': BYTES });
    const [a, b] = await Promise.all([store.get('/c/0'), store.get('/c/0')]);
    assert.equal(a, b);
    assert.equal(asked.length, 1);
    await store.get('/c/0');
    assert.equal(asked.length, 2);
  });

  it('have odd names encoded', async () => {
    const { paths, store } = open({ 'obs/a%20b%23/c': BYTES });
    assert.deepEqual(await store.get('/obs/a b#/c'), BYTES);
    assert.deepEqual(paths(), ['obs/a%20b%23/c']);
  });

  it('fail with address and status', async () => {
    const { store } = open({ 'c/0': 500, 'c/1': new TypeError('Failed to fetch') });
    await assert.rejects(store.get('/c/0'), { name: 'StoreError', status: 500, address: `${ADDRESS}/c/0` });
    await assert.rejects(store.get('/c/1'), { name: 'StoreError', status: 0, address: `${ADDRESS}/c/1` });
  });
});

describe('an abort', () => {
  const open = () => {
    let release = () => {};
    const wait = new Promise((resolve) => { release = () => resolve(undefined); });
    const server = host({ 'c/0': BYTES }, { wait });
    return { ...server, release, store: new PortalStore(ADDRESS, { fetch: server.fetch, metadata: ROOT, onError: () => assert.fail('an abort is no failure') }) };
  };

  it('ends the request that only it waited for', async () => {
    const { asked, store } = open();
    const controller = new AbortController();
    const read = store.get('/c/0', { signal: controller.signal });
    await new Promise(setImmediate);
    controller.abort();
    await assert.rejects(read, { name: 'AbortError' });
    assert.ok(asked[0].signal.aborted);
  });

  it('leaves the request to the others', async () => {
    const { asked, release, store } = open();
    const controller = new AbortController();
    const read = store.get('/c/0', { signal: controller.signal });
    const other = store.get('/c/0');
    await new Promise(setImmediate);
    controller.abort();
    await assert.rejects(read, { name: 'AbortError' });
    release();
    assert.deepEqual(await other, BYTES);
    assert.equal(asked.length, 1);
  });

  it('is not remembered', async () => {
    const { asked, release, store } = open();
    const controller = new AbortController();
    const read = store.get('/c/0', { signal: controller.signal });
    await new Promise(setImmediate);
    controller.abort();
    const again = store.get('/c/0');
    await assert.rejects(read, { name: 'AbortError' });
    release();
    assert.deepEqual(await again, BYTES);
    assert.equal(asked.length, 2);
  });

  it('before the start asks nothing', async () => {
    const { asked, store } = open();
    await assert.rejects(store.get('/c/0', { signal: AbortSignal.abort() }), { name: 'AbortError' });
    assert.equal(asked.length, 0);
  });

  it("doesn't touch a shard's index, which readers share", async () => {
    const { release, store } = open();
    const controller = new AbortController();
    const read = store.getRange('/c/0', { suffixLength: 4 }, { signal: controller.signal });
    await new Promise(setImmediate);
    controller.abort();
    release();
    assert.deepEqual(await read, BYTES.slice(-4));
  });
});

describe('Parquet', () => {
  const PART = 'points/tx/points.parquet/part.0.parquet';
  const SHAPES = 'shapes/spots/shapes.parquet';

  it('of points is a directory of one part', async () => {
    const server = host({ [PART]: BYTES });
    const store = new PortalStore(ADDRESS, { fetch: server.fetch, metadata: ROOT });
    assert.equal(await store.get('/points/tx/points.parquet'), undefined);
    assert.deepEqual(await store.get(`/${PART}`), BYTES);
    assert.equal(await store.getRange('/points/tx/points.parquet/part.1.parquet', { suffixLength: 8 }), undefined);
    assert.deepEqual(server.paths(), [PART]);
  });

  it('of points may have more parts, when said', async () => {
    const server = host({ 'points/tx/points.parquet/part.1.parquet': BYTES });
    const store = new PortalStore(ADDRESS, { fetch: server.fetch, metadata: ROOT, parts: { 'points/tx/points.parquet': 2 } });
    assert.deepEqual(await store.get('/points/tx/points.parquet/part.1.parquet'), BYTES);
    assert.equal(await store.get('/points/tx/points.parquet/part.2.parquet'), undefined);
    assert.equal(server.asked.length, 1);
  });

  it('of shapes is one file, read in one request', async () => {
    const server = host({ [SHAPES]: BYTES });
    const store = new PortalStore(ADDRESS, { fetch: server.fetch, metadata: ROOT });
    assert.deepEqual(await store.getRange(`/${SHAPES}/part.0.parquet`, { suffixLength: 8 }), BYTES.slice(-8));
    assert.equal(await store.get(`/${SHAPES}/part.1.parquet`), undefined);
    assert.deepEqual(await store.get(`/${SHAPES}`), BYTES);
    assert.deepEqual(server.asked.map(({ path, range }) => [path, range]), [[SHAPES, undefined]]);
  });
});

it('counts the bytes that came', async () => {
  let bytes = 0;
  const store = new PortalStore(ADDRESS, { fetch: host({ a: BYTES }).fetch, metadata: ROOT, onBytes: (more) => { bytes += more; } });
  await store.get('/a');
  assert.equal(bytes, 100);
});

it('keeps what an address asks for', () => {
  assert.equal(new PortalStore('https://example.org/a.zarr').address, 'https://example.org/a.zarr/');
  assert.equal(new PortalStore('https://example.org/a.zarr/').address, 'https://example.org/a.zarr/');
});

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { IndexError } from '../src/search/engine.js';
import { openRemote } from '../src/search/remote.js';
import { FIXTURE, NAME, TABLE, asked, host, open } from './search-kit.js';

const from = host(FIXTURE);
globalThis.fetch = /** @type {any} */ (from.get);

/** The worker's side in this thread: messages are copied and handed over as between two. */
const page = new EventTarget();
const inside = Object.assign(new EventTarget(), {
  postMessage(/** @type {any} */ message, /** @type {any} */ options) {
    const data = structuredClone(message, options);
    queueMicrotask(() => page.dispatchEvent(new MessageEvent('message', { data })));
  },
});
Object.assign(globalThis, { self: inside });
await import('../src/search/worker.js');

let ended = 0;
const worker = () => /** @type {any} */ (Object.assign(page, {
  postMessage(/** @type {any} */ message) {
    const data = structuredClone(message);
    queueMicrotask(() => inside.dispatchEvent(new MessageEvent('message', { data })));
  },
  terminate: () => (ended += 1),
}));
const start = (name = NAME) => openRemote('worker.js', 'https://example.org/search/', name, { make: worker });

describe('an engine in a worker', () => {
  it('says and finds the same', async () => {
    const [remote, engine] = await Promise.all([start(), open()]);
    assert.equal(remote.n, engine.n);
    assert.deepEqual(remote.ranges, engine.ranges);
    remote.facets.forEach((facet, i) => {
      assert.deepEqual(facet.terms, engine.facets[i].terms);
      assert.deepEqual(facet.roots(), engine.facets[i].roots());
      facet.terms.forEach((_, term) => {
        assert.deepEqual(facet.children(term), engine.facets[i].children(term));
        assert.deepEqual(facet.ancestors(term), engine.facets[i].ancestors(term));
      });
    });
    for (const { query } of TABLE.cases) {
      const { ms, ...there } = await remote.search(asked(engine, query));
      const { ms: other, ...here } = await engine.search(asked(engine, query));
      assert.deepEqual(there, here);
      assert.deepEqual(await remote.rows(asked(engine, query)), await engine.rows(asked(engine, query)));
    }
    assert.deepEqual(await remote.cards(Uint32Array.of(3, 1)), await engine.cards([3, 1]));
    assert.deepEqual(await remote.values(4, 'tissue'), engine.values(4, 'tissue'));
    assert.deepEqual(await remote.catalogRows([5]), await engine.catalogRows([5]));
  });

  it('fails in the same way', async () => {
    const remote = await start();
    const engine = await open();
    from.broken = 'title';
    await assert.rejects(remote.search(asked(engine, { sort: 'title' })), (/** @type {IndexError} */ error) => {
      assert.ok(error instanceof IndexError);
      assert.match(error.address, /^https:\/\/example\.org\/search\/title-/);
      return true;
    });
    from.broken = null;
    assert.equal((await remote.search(asked(engine, { sort: 'title' }))).total, 30);
  });

  it('that finds no index is ended', async () => {
    const before = ended;
    await assert.rejects(start('facets-00000000.bin'), { name: 'IndexError', message: /^The server answered 404/, gone: true });
    assert.equal(ended, before + 1);
  });

  it('that can not be loaded is an error, not silence', async () => {
    const silent = Object.assign(new EventTarget(), { postMessage() {}, terminate() {} });
    const opening = openRemote('https://example.org/worker.js', 'https://example.org/search/', NAME, { make: () => /** @type {any} */ (silent) });
    silent.dispatchEvent(new Event('error'));
    await assert.rejects(opening, { name: 'IndexError', message: 'The search could not be started', address: 'https://example.org/worker.js' });
  });

  it('knows no other methods', async () => {
    const remote = await start();
    await assert.rejects(remote.line.call('constructor'), { name: 'Error', message: 'The search has no constructor' });
  });
});

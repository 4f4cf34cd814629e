import assert from 'node:assert/strict';
import { afterEach, describe, it, mock } from 'node:test';
import { StoreError } from '../src/store.js';
import { View, fit, inWords, makeStores, resolve, start } from '../src/view.js';
import { page, settle } from './dom.js';

const FIGURE = `
<figure class="p-view" data-view="vitessce.json" data-viewer="../../assets/v.js" data-title="A">
  <div class="p-poster"><img alt=""><button type="button" data-view-open>Open interactive view</button>
    <button type="button" data-view-full>Full screen</button></div>
  <div class="p-view__stage" data-view-stage hidden></div>
  <p class="p-view__state" data-view-state role="status" hidden></p>
  <select data-view-select><option value="vitessce.json">All</option><option value="other/b.json">B</option></select>
</figure>`;

const CONFIG = { portal: { parts: {} }, datasets: [{ files: [{ fileType: 'spatialdata.zarr', url: '../../data/a.zarr' }] }] };

/**
 * A page with one view, whose viewer only remembers what it was told.
 * @param {{config?: () => Promise<Response>, webgl?: boolean, load?: () => Promise<any>}} [options]
 */
function set({ config = async () => Response.json(CONFIG), webgl = true, load } = {}) {
  const document = page(FIGURE);
  /** @type {any[]} */
  const mounted = [];
  const viewer = {
    mount(/** @type {Element} */ element, /** @type {any} */ shown, /** @type {any} */ options) {
      const view = { element, shown, options, themes: [options.theme], unmounted: false };
      mounted.push(view);
      return { setTheme: (/** @type {string} */ name) => view.themes.push(name), setHeight() {}, unmount() { view.unmounted = true; } };
    },
  };
  /** @type {string[]} */
  const fetched = [];
  mock.method(globalThis, 'fetch', (/** @type {string} */ address) => { fetched.push(address); return config(); });
  mock.method(console, 'warn', () => {});
  HTMLCanvasElement.prototype.getContext = /** @type {any} */ (() => (webgl ? { getExtension: () => null } : null));
  const figure = /** @type {HTMLElement} */ (document.querySelector('figure'));
  /** @type {string[]} */
  const loaded = [];
  const view = new View(figure, async (address) => { loaded.push(address); return load ? load() : viewer; });
  const find = (/** @type {string} */ selector) => /** @type {HTMLElement} */ (figure.querySelector(selector));
  return { document, figure, find, fetched, loaded, mounted, view, state: () => find('.p-view__state').textContent, viewer };
}

afterEach(() => mock.restoreAll());

describe('opening', () => {
  it('loads the viewer and the config, and mounts', async () => {
    const { figure, find, fetched, loaded, mounted, state } = set();
    find('[data-view-open]').click();
    assert.equal(state(), 'Loading the viewer…');
    assert.ok('open' in figure.dataset);
    await settle();
    assert.deepEqual(fetched, ['https://example.org/sub/datasets/a/vitessce.json']);
    assert.deepEqual(loaded, ['https://example.org/sub/assets/v.js']);
    assert.equal(state(), 'Loading the data…');
    assert.equal(mounted[0].shown.datasets[0].files[0].url, 'https://example.org/sub/data/a.zarr');
    assert.deepEqual(Object.keys(mounted[0].options.stores), ['https://example.org/sub/data/a.zarr']);
    assert.equal('portal' in mounted[0].shown, false);
    assert.ok(find('.p-poster').hidden);
    assert.equal(document.activeElement, find('[data-view-stage]'));
  });

  it('promises a scale bar only where coordinates are micrometres', async () => {
    for (const [portal, expected] of /** @type {[object | undefined, boolean][]} */ ([[undefined, false], [{ unit: 'micrometer' }, true], [{ unit: 'pixel' }, false]])) {
      const { mounted, view } = set({ config: async () => Response.json({ ...CONFIG, portal }) });
      await view.open();
      assert.equal(mounted[0].options.micrometres, expected);
      mock.restoreAll();
    }
  });

  it('tells when there is a picture', async () => {
    const { figure, mounted, state, view } = set();
    let told = 0;
    figure.addEventListener('portal:view-ready', () => { told += 1; });
    await view.open();
    mounted[0].options.onReady();
    assert.deepEqual([figure.dataset.viewState, state(), told], ['ready', '', 1]);
  });

  it('says how much has come, in whole megabytes', async () => {
    const { mounted, state, view } = set();
    await view.open();
    const [store] = Object.values(mounted[0].options.stores);
    store.onBytes(900_000);
    assert.equal(state(), 'Loading the data…');
    store.onBytes(1_200_000);
    assert.equal(state(), 'Loading the data… 2 MB');
  });

  it('twice loads once', async () => {
    const { find, loaded } = set();
    find('[data-view-open]').click();
    find('[data-view-open]').click();
    await settle();
    assert.equal(loaded.length, 1);
  });

  it('asks for full screen where wanted, and goes on without', async () => {
    const { figure, find, mounted } = set();
    let asked = 0;
    figure.requestFullscreen = async () => { asked += 1; throw new Error('not allowed'); };
    find('[data-view-full]').click();
    await settle();
    assert.deepEqual([asked, mounted.length], [1, 1]);
  });
});

describe('an open view', () => {
  it('closes, and gives the focus back', async () => {
    const { figure, find, mounted, view } = set();
    await view.open();
    find('[data-view-close]').click();
    assert.ok(mounted[0].unmounted);
    assert.equal(find('.p-poster').hidden, false);
    assert.ok(find('[data-view-stage]').hidden);
    assert.equal(find('[data-view-stage]').childElementCount, 0);
    assert.equal(find('.p-view__bar'), null);
    assert.equal('open' in figure.dataset, false);
    assert.equal(document.activeElement, find('[data-view-open]'));
  });

  it('follows the palette', async () => {
    const { document, mounted, view } = set();
    await view.open();
    document.body.setAttribute('data-md-color-scheme', 'slate');
    await settle();
    assert.deepEqual(mounted[0].themes, ['light', 'dark']);
  });

  it('starts in the palette of the page', async () => {
    const { document, mounted, view } = set();
    document.body.setAttribute('data-md-color-scheme', 'slate');
    await view.open();
    assert.equal(mounted[0].options.theme, 'dark');
  });

  it('can be another one', async () => {
    const { find, fetched, mounted, view } = set();
    await view.open();
    const select = /** @type {HTMLSelectElement} */ (find('[data-view-select]'));
    select.value = 'other/b.json';
    select.dispatchEvent(new Event('change'));
    await settle();
    assert.equal(fetched.at(-1), 'https://example.org/sub/datasets/a/other/b.json');
    assert.deepEqual(mounted.map((one) => one.unmounted), [true, false]);
    assert.equal(mounted[1].shown.datasets[0].files[0].url, 'https://example.org/sub/datasets/data/a.zarr');
  });

  it('can be reset', async () => {
    const { find, mounted, view } = set();
    await view.open();
    find('[data-view-reset]').click();
    await settle();
    assert.deepEqual(mounted.map((one) => one.unmounted), [true, false]);
  });

  it('hears nothing more from the one before', async () => {
    const { figure, mounted, view } = set();
    await view.open();
    view.close();
    mounted[0].options.onError(new Error('late'));
    mounted[0].options.onReady();
    assert.equal(figure.querySelector('[role=alert]'), null);
    assert.equal(figure.dataset.viewState, undefined);
  });

  it('says what could not be read, and stays', async () => {
    const { figure, mounted, state, view } = set();
    await view.open();
    mounted[0].options.onReady();
    Object.values(mounted[0].options.stores)[0].onError(new StoreError('https://a/c/0', 503, 'The server answered 503'));
    assert.equal(state(), 'A part of the data could not be read. The server answered 503 (https://a/c/0).');
    assert.equal(figure.dataset.viewState, 'ready');
  });
});

describe('a failure', () => {
  /**
   * @param {Parameters<typeof set>[0]} options
   * @param {RegExp} words
   */
  async function fails(options, words) {
    const all = set(options);
    all.find('[data-view-open]').focus();
    await all.view.open();
    const alert = all.find('[role=alert]');
    assert.match(alert.textContent ?? '', words);
    assert.equal(all.find('.p-poster').hidden, false);
    assert.ok(all.find('[data-view-stage]').hidden);
    assert.equal('open' in all.figure.dataset, false);
    assert.equal(all.figure.dataset.viewState, 'error');
    assert.equal(document.activeElement, all.find('[data-view-retry]'));
    return all;
  }

  it('for want of WebGL is told before anything is loaded', async () => {
    const { loaded } = await fails({ webgl: false }, /WebGL 2/);
    assert.deepEqual(loaded, []);
  });

  it('of the config is told', async () => {
    await fails({ config: async () => new Response(null, { status: 404 }) }, /missing from this site/);
    await fails({ config: async () => new Response(null, { status: 500 }) }, /answered 500/);
    await fails({ config: async () => new Response('<html>') }, /can't be read/);
    await fails({ config: async () => { throw new TypeError('Failed to fetch'); } }, /could not be reached/);
    await fails({ config: async () => Response.json({ datasets: [{ files: [{ url: 'javascript:alert(1)' }] }] }) }, /can't be read/);
  });

  it('of the viewer can be tried again, under another name', async () => {
    let broken = true;
    const { find, figure, loaded, mounted, viewer } = await fails({
      load: async () => { if (broken) throw new TypeError('Failed to fetch'); return viewer; },
    }, /program could not be loaded/);
    broken = false;
    find('[data-view-retry]').click();
    await settle();
    assert.equal(loaded[1], 'https://example.org/sub/assets/v.js?try=2');
    assert.equal(figure.querySelector('[role=alert]'), null);
    assert.equal(mounted.length, 1);
  });

  it('while loading the data takes the view away', async () => {
    const { find, mounted, view } = set();
    await view.open();
    Object.values(mounted[0].options.stores)[0].onError(new StoreError('https://a/zarr.json', 0, 'The server could not be reached'));
    assert.ok(mounted[0].unmounted);
    assert.match(find('[role=alert]').textContent ?? '', /The server could not be reached \(https:\/\/a\/zarr\.json\)/);
  });

  it('of the viewer itself is told', async () => {
    const { find, mounted, view } = set();
    await view.open();
    mounted[0].options.onError(new Error('<b>no</b>'));
    assert.match(find('[role=alert]').textContent ?? '', /The viewer says: <b>no<\/b>/);
    assert.equal(find('[role=alert] b'), null);
  });
});

describe('a page', () => {
  it('opens its first view where the address asks for it', async () => {
    page(FIGURE, 'https://example.org/a/?view=1');
    HTMLCanvasElement.prototype.getContext = /** @type {any} */ (() => null);
    mock.method(console, 'warn', () => {});
    const [view] = start();
    await settle();
    assert.match(view.figure.querySelector('[role=alert]')?.textContent ?? '', /WebGL/);
    assert.equal(document.activeElement, document.body);
  });

  it('opens none otherwise', () => {
    page(FIGURE + FIGURE);
    assert.deepEqual(start().map((view) => view.isOpen), [false, false]);
  });
});

it('addresses are relative to the config', () => {
  const config = { datasets: [{ files: [{ url: 'a.zarr' }, { url: 'https://b.org/b.zarr' }, {}] }] };
  assert.deepEqual(resolve(config, 'https://a.org/x/v.json').datasets?.[0].files?.map((file) => file.url), ['https://a.org/x/a.zarr', 'https://b.org/b.zarr', undefined]);
  assert.deepEqual(resolve({}, 'https://a.org/'), {});
});

it('a phone gets the picture and two lists', () => {
  const view = (/** @type {string} */ component) => ({ component, x: 1, y: 1, w: 3, h: 3 });
  const config = { layout: ['heatmap', 'featureList', 'spatialBeta', 'layerControllerBeta', 'obsSets'].map(view) };
  assert.equal(fit(config, 1200), config);
  assert.deepEqual(fit(config, 360).layout, [
    { component: 'spatialBeta', x: 0, y: 0, w: 12, h: 7 },
    { component: 'obsSets', x: 0, y: 7, w: 6, h: 5 },
    { component: 'featureList', x: 6, y: 7, w: 6, h: 5 },
  ]);
  assert.deepEqual(fit({ layout: [view('spatialBeta')] }, 360).layout, [{ component: 'spatialBeta', x: 0, y: 0, w: 12, h: 12 }]);
  const table = { layout: [view('heatmap')] };
  assert.equal(fit(table, 360), table);
});

it('stores are shared by address, and made for folders of zarr only', () => {
  const files = [
    { url: 'https://a.org/a.zarr', fileType: 'spatialdata.zarr' },
    { url: 'https://a.org/a.zarr', fileType: 'anndata.zarr' },
    { url: 'https://a.org/a.zarr.zip', fileType: 'spatialdata.zarr.zip' },
    { url: 'https://a.org/a.csv', fileType: 'obsSets.csv' },
  ];
  assert.deepEqual(Object.keys(makeStores({ datasets: [{ files }] }, {})), ['https://a.org/a.zarr']);
});

it('every error has words', () => {
  assert.equal(inWords(new Error('x')), 'The viewer says: x');
  assert.equal(inWords('x'), 'The viewer says: x');
  assert.equal(inWords(undefined), 'The viewer gave no reason.');
});

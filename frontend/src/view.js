/**
 * The interactive view of an artifact: a poster until the visitor asks, then Vitessce in its place.
 *
 * Small, and on every page that has a view; the viewer itself is imported on demand. Whatever fails, the visitor gets
 * the poster back, the reason in words and a way to try again.
 *
 * What a page with a view must allow in its CSP, beside its own origin, is in frontend/README.md.
 */
import { PortalStore, StoreError } from './store.js';

/**
 * @typedef {typeof import('./vitessce.js')} Viewer
 * @typedef {import('./vitessce.js').Theme} Theme
 * @typedef {ReturnType<Viewer['mount']>} Mounted
 * @typedef {{fileType?: string, url?: string, options?: unknown}} ConfigFile
 * @typedef {{component: string, x: number, y: number, w: number, h: number}} ConfigView
 * @typedef {{datasets?: {files?: ConfigFile[]}[], layout?: ConfigView[], portal?: {parts?: Record<string, number>, unit?: string}}} Config
 */

/** Below this, in pixels, no view can be read. */
const LEAST_HEIGHT = 320;

/** Below this, in pixels, a grid of twelve columns can't be read. */
const NARROW = 640;

/** A failure that is told as it stands. */
class Told extends Error {}

/** One figure. */
export class View {
  /** How often the viewer failed to load. */
  failures = 0;

  /**
   * @param {HTMLElement} figure
   * @param {(address: string) => Promise<Viewer>} [load]
   */
  constructor(figure, load = (address) => import(address)) {
    this.figure = figure;
    this.load = load;
    this.address = figure.dataset.view ?? '';
    this.poster = part(figure, '.p-poster');
    this.stage = part(figure, '[data-view-stage]');
    this.state = part(figure, '[data-view-state]');
    /** Counts openings, so that what an earlier one still waits for finds itself out of date. */
    this.turn = 0;
    /** @type {Mounted | null} */
    this.mounted = null;
    /** @type {(() => void)[]} */
    this.undo = [];
    this.warning = '';
    this.listen();
  }

  listen() {
    const on = (/** @type {string} */ selector, /** @type {() => void} */ act) => {
      for (const button of this.figure.querySelectorAll(selector)) button.addEventListener('click', act);
    };
    const openOnce = () => { if (!this.isOpen) void this.open(); };
    on('[data-view-open]', openOnce);
    on('[data-view-full]', () => {
      void this.fullScreen();
      openOnce();
    });
    for (const select of this.figure.querySelectorAll('[data-view-select]')) {
      select.addEventListener('change', () => {
        this.address = /** @type {HTMLSelectElement} */ (select).value;
        if (this.isOpen) void this.open({ focus: false });
      });
    }
  }

  get isOpen() {
    return 'open' in this.figure.dataset;
  }

  /**
   * Opens the view, or opens it anew where it is open: another config, or a fresh look at the same one.
   * @param {{focus?: boolean}} [options] whether the visitor's focus goes with it
   */
  async open({ focus = true } = {}) {
    this.clear();
    const turn = this.turn;
    this.figure.dataset.open = '';
    this.figure.dataset.viewState = 'loading';
    this.say('Loading the viewer…');
    try {
      requireWebGL();
      const address = new URL(this.address, document.baseURI).href;
      const [viewer, config] = await Promise.all([this.loadViewer(), loadConfig(address)]);
      if (turn !== this.turn) return;
      this.mount(viewer, config, turn);
      if (focus) this.stage.focus({ preventScroll: true });
    } catch (error) {
      if (turn === this.turn) this.fail(error);
    }
  }

  async loadViewer() {
    const address = new URL(this.figure.dataset.viewer ?? '', document.baseURI);
    // A browser may remember that a module failed to load; another name makes it ask again.
    if (this.failures) address.searchParams.set('try', String(this.failures + 1));
    try {
      return await this.load(address.href);
    } catch (error) {
      this.failures += 1;
      throw new Told("The viewer's program could not be loaded. The connection may have been interrupted.", { cause: error });
    }
  }

  /**
   * @param {Viewer} viewer
   * @param {Config} config
   * @param {number} turn
   */
  mount(viewer, config, turn) {
    const current = (/** @type {(value: any) => void} */ act) => (/** @type {any} */ value = undefined) => {
      if (turn === this.turn) act(value);
    };
    const opened = current((error) => (this.figure.dataset.viewState === 'ready' ? this.warn(error) : this.fail(error)));
    let bytes = 0;
    const stores = makeStores(config, {
      onError: opened,
      onBytes: current((more) => {
        bytes += more;
        if (this.figure.dataset.viewState === 'loading') this.say(`Loading the data…${megabytes(bytes)}`);
      }),
    });
    const { portal, ...shown } = config;
    this.poster.hidden = true;
    this.stage.hidden = false;
    this.stage.tabIndex = -1;
    this.addBar();
    this.say('Loading the data…');
    // Vitessce leaves its element to React, so it gets one of its own each time.
    const element = document.createElement('div');
    this.stage.append(element);
    const { height, stop } = followHeight(this.stage, element, (now) => this.mounted?.setHeight(now));
    const mounted = viewer.mount(element, fit(shown, this.stage.clientWidth), {
      stores,
      micrometres: portal?.unit === 'micrometer',
      theme: theme(),
      height,
      onError: current((error) => this.fail(error)),
      onWarn: current((message) => this.warn(message)),
      onReady: current(() => this.ready()),
    });
    this.mounted = mounted;
    this.undo.push(stop, onTheme((name) => mounted.setTheme(name)));
  }

  ready() {
    this.figure.dataset.viewState = 'ready';
    this.say(this.warning);
    this.figure.dispatchEvent(new CustomEvent('portal:view-ready', { bubbles: true }));
  }

  close() {
    this.clear();
    this.showPoster();
    part(this.figure, '[data-view-open]').focus();
  }

  /** @param {unknown} error */
  fail(error) {
    console.warn('The view could not be shown:', error);
    const focused = this.figure.contains(document.activeElement);
    this.clear();
    this.showPoster();
    this.figure.dataset.viewState = 'error';
    const alert = make('div', 'p-view__error');
    alert.setAttribute('role', 'alert');
    const message = make('p', '', `The interactive view can't be shown. ${inWords(error)}`);
    const retry = button('Try again', 'data-view-retry', () => void this.open());
    alert.append(message, retry);
    this.state.after(alert);
    if (focused) retry.focus();
    this.undo.push(() => alert.remove());
  }

  /**
   * Something that couldn't be read, but doesn't stand in the way of the rest: said, without taking the picture away.
   * @param {unknown} reason
   */
  warn(reason) {
    this.warning = `A part of the data could not be read. ${inWords(reason)}`;
    if (this.figure.dataset.viewState === 'ready') this.say(this.warning);
  }

  /** Ends whatever is shown and whatever is under way. */
  clear() {
    this.turn += 1;
    for (const act of this.undo.splice(0)) act();
    this.mounted?.unmount();
    this.mounted = null;
    this.stage.replaceChildren();
    this.warning = '';
    this.say('');
  }

  showPoster() {
    delete this.figure.dataset.open;
    delete this.figure.dataset.viewState;
    this.stage.hidden = true;
    this.poster.hidden = false;
    if (document.fullscreenElement === this.figure) void document.exitFullscreen();
  }

  addBar() {
    const bar = make('div', 'p-view__bar');
    bar.append(
      button('Reset view', 'data-view-reset', () => void this.open()),
      button('Full screen', 'data-view-full', () => void this.fullScreen()),
      button('Close view', 'data-view-close', () => this.close()),
    );
    this.stage.before(bar);
    this.undo.push(() => bar.remove());
  }

  async fullScreen() {
    try {
      if (document.fullscreenElement) await document.exitFullscreen();
      else await this.figure.requestFullscreen();
    } catch {
      // Not every browser or frame allows it: the view in the page is there all the same.
    }
  }

  /** @param {string} text */
  say(text) {
    this.state.textContent = text;
    this.state.hidden = !text;
  }
}

/**
 * @param {string} address
 * @returns {Promise<Config>}
 */
export async function loadConfig(address) {
  const response = await fetch(address).catch((error) => {
    throw new Told('Its description could not be fetched: the server could not be reached.', { cause: error });
  });
  if (!response.ok) {
    throw new Told(response.status === 404
      ? 'Its description is missing from this site.'
      : `Its description could not be fetched: the server answered ${response.status}.`);
  }
  try {
    return resolve(await response.json(), address);
  } catch (error) {
    throw new Told("Its description can't be read.", { cause: error });
  }
}

/**
 * Addresses of files are relative to the config, which may lie in another folder than the page.
 * @param {Config} config
 * @param {string} address of the config
 */
export function resolve(config, address) {
  for (const file of files(config)) {
    if (file.url === undefined) continue;
    const url = new URL(file.url, address);
    if (!/^https?:$/.test(url.protocol)) throw new Error(`${url.protocol} addresses are not read`);
    file.url = url.href;
  }
  return config;
}

/**
 * On a phone there is room for the picture and two lists under it, so only those are shown there.
 * @param {Config} config
 * @param {number} width in pixels
 * @returns {Config}
 */
export function fit(config, width) {
  const views = config.layout ?? [];
  const first = (/** @type {string} */ name) => views.find((view) => view.component === name);
  const picture = first('spatialBeta') ?? first('spatial') ?? first('scatterplot');
  if (width >= NARROW || !picture) return config;
  const lists = ['obsSets', 'featureList', 'layerControllerBeta', 'layerController'].flatMap((name) => first(name) ?? []).slice(0, 2);
  const columns = 12 / lists.length;
  return {
    ...config,
    layout: [
      { ...picture, x: 0, y: 0, w: 12, h: lists.length ? 7 : 12 },
      ...lists.map((view, i) => ({ ...view, x: i * columns, y: 7, w: columns, h: 5 })),
    ],
  };
}

/**
 * One store an address, however many files of the config read it.
 * @param {Config} config
 * @param {Pick<import('./store.js').StoreOptions, 'onError' | 'onBytes'>} told
 */
export function makeStores(config, told) {
  /** @type {Record<string, PortalStore>} */
  const stores = {};
  for (const { url, fileType } of files(config)) {
    if (url && fileType?.endsWith('.zarr')) stores[url] ??= new PortalStore(url, { ...told, parts: config.portal?.parts });
  }
  return stores;
}

/** @param {Config} config */
function files(config) {
  return (config.datasets ?? []).flatMap((dataset) => dataset.files ?? []);
}

/**
 * @param {unknown} error
 * @returns {string} the reason, for a visitor
 */
export function inWords(error) {
  if (error instanceof Told) return error.message;
  if (error instanceof StoreError) return `${error.reason} (${error.address}).`;
  const message = error instanceof Error ? error.message : String(error ?? '');
  return message ? `The viewer says: ${message}` : 'The viewer gave no reason.';
}

/** @returns {Theme} */
export function theme() {
  return document.body.getAttribute('data-md-color-scheme') === 'slate' ? 'dark' : 'light';
}

/** @param {(name: Theme) => void} act */
function onTheme(act) {
  const observer = new MutationObserver(() => act(theme()));
  observer.observe(document.body, { attributes: true, attributeFilter: ['data-md-color-scheme'] });
  return () => observer.disconnect();
}

/**
 * Vitessce wants its height in pixels: that of the stage, which the stylesheet sets.
 * @param {HTMLElement} stage
 * @param {HTMLElement} element in the stage
 * @param {(height: number) => void} act
 */
function followHeight(stage, element, act) {
  const measure = () => {
    element.style.height = '0'; // or the stage could never become lower than what it holds
    const rest = document.fullscreenElement ? window.innerHeight - stage.getBoundingClientRect().top : window.innerHeight * 0.8;
    const height = stage.clientHeight >= LEAST_HEIGHT ? stage.clientHeight : Math.max(LEAST_HEIGHT, Math.round(rest));
    element.style.height = `${height}px`;
    return height;
  };
  const height = measure();
  let last = height;
  const update = () => {
    const now = measure();
    if (now !== last) act(last = now);
  };
  const observer = new ResizeObserver(update);
  observer.observe(stage);
  window.addEventListener('resize', update);
  document.addEventListener('fullscreenchange', update);
  const stop = () => {
    observer.disconnect();
    window.removeEventListener('resize', update);
    document.removeEventListener('fullscreenchange', update);
  };
  return { height, stop };
}

/** Asked before anything is loaded: without it the viewer would show an empty frame. */
function requireWebGL() {
  const context = document.createElement('canvas').getContext('webgl2');
  if (!context) throw new Told('This browser can\'t draw with WebGL 2, or it is switched off.');
  context.getExtension('WEBGL_lose_context')?.loseContext(); // browsers allow few contexts at a time
}

/**
 * In whole megabytes, since a screen reader says every change.
 * @param {number} bytes
 */
function megabytes(bytes) {
  return bytes < 1e6 ? '' : ` ${Math.floor(bytes / 1e6)} MB`;
}

/**
 * @param {HTMLElement} figure
 * @param {string} selector
 * @returns {HTMLElement}
 */
function part(figure, selector) {
  const found = figure.querySelector(selector);
  if (!(found instanceof HTMLElement)) throw new Error(`The view lacks ${selector}`);
  return found;
}

/**
 * @param {string} tag
 * @param {string} name
 * @param {string} [text]
 */
function make(tag, name, text = '') {
  const element = document.createElement(tag);
  if (name) element.className = name;
  element.textContent = text;
  return element;
}

/**
 * @param {string} label
 * @param {string} attribute
 * @param {() => void} act
 */
function button(label, attribute, act) {
  const element = /** @type {HTMLButtonElement} */ (make('button', 'p-btn', label));
  element.type = 'button';
  element.setAttribute(attribute, '');
  element.addEventListener('click', act);
  return element;
}

/** Makes every figure of the page work; the address may ask for the first one at once. */
export function start() {
  const figures = /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll('.p-view[data-view]'));
  const views = [...figures].map((figure) => new View(figure));
  if (new URLSearchParams(window.location.search).get('view') === '1') void views[0]?.open({ focus: false });
  return views;
}

if (typeof document !== 'undefined') start();

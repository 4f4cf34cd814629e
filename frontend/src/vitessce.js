/**
 * The entry of the big bundle: Vitessce, mounted into an element, with every function that calls out made local.
 * Nothing here is loaded before a visitor asks for a view.
 */
import { Component, createElement } from 'react';
import { createRoot } from 'react-dom/client';
import { PluginAsyncFunction, Vitessce } from 'vitessce';

/**
 * @typedef {'light' | 'dark'} Theme
 * @typedef {object} MountOptions
 * @property {Record<string, unknown>} stores zarr stores by the address under which the config names them
 * @property {Theme} theme
 * @property {number} height in pixels
 * @property {boolean} micrometres whether the coordinates are micrometres, so that a scale bar is true
 * @property {(error: Error) => void} onError the view can't be shown
 * @property {(message: string) => void} [onWarn] one of its parts couldn't be read
 * @property {() => void} onReady a picture is on the canvas
 */

// Stock Vitessce fetches a table of gene names as soon as the features are genes, and a knowledge graph on typing.
const LOCAL_FUNCTIONS = [
  new PluginAsyncFunction('getTermMapping', async () => new Map()),
  new PluginAsyncFunction('autocompleteFeature', async () => []),
  new PluginAsyncFunction('transformFeature', async () => []),
  new PluginAsyncFunction('getAlternativeTerms', async () => []),
];

/** A part that never finishes loading must not keep the page waiting: after this the canvas alone is enough. */
const PATIENCE = 15_000;

/** @extends {Component<{children: import('react').ReactNode}, {failed: boolean}>} */
class Boundary extends Component {
  state = { failed: false };

  static getDerivedStateFromError() {
    return { failed: true };
  }

  render() {
    return this.state.failed ? null : this.props.children;
  }
}

/**
 * @param {HTMLElement} element
 * @param {object} config
 * @param {MountOptions} options
 */
export function mount(element, config, { stores, micrometres, onError, onReady, onWarn, ...look }) {
  // Read by a change that bundling makes in Vitessce, whose configs can't switch the bar off.
  Object.assign(globalThis, { portalShowsMicrometres: micrometres });
  const report = (/** @type {unknown} */ error) => onError(error instanceof Error ? error : new Error(String(error)));
  const root = createRoot(element, { onCaughtError: report, onUncaughtError: report });
  const view = (/** @type {{theme: Theme, height: number}} */ props) =>
    root.render(createElement(Boundary, null, createElement(Vitessce, {
      config, stores, onWarn, logLevel: 'warn', pluginAsyncFunctions: LOCAL_FUNCTIONS, ...props,
    })));
  const stop = watch(element, onReady, report);
  view(look);
  return {
    /** @param {Theme} theme */
    setTheme(theme) {
      look.theme = theme;
      view(look);
    },
    /** @param {number} height */
    setHeight(height) {
      look.height = height;
      view(look);
    },
    unmount() {
      stop();
      root.unmount();
    },
  };
}

/**
 * Vitessce says neither that it has drawn nor that it refused the config, so the document is watched for both.
 * @param {HTMLElement} element
 * @param {() => void} onReady
 * @param {(error: unknown) => void} onError
 * @returns {() => void} stops watching
 */
function watch(element, onReady, onError) {
  let patient = true;
  const look = () => {
    if (element.childElementCount === 0) return;
    if (!element.querySelector('[role=group]')) {
      stop();
      console.warn(element.textContent);
      onError(new Error(element.querySelector('h1, pre')?.textContent || 'The view could not be composed.'));
    } else if (element.querySelector('canvas[id^=deckgl-overlay]') && !(patient && element.querySelector('[role=progressbar]'))) {
      stop();
      onReady();
    }
  };
  const observer = new MutationObserver(look);
  const timer = setTimeout(() => { patient = false; look(); }, PATIENCE);
  const stop = () => { observer.disconnect(); clearTimeout(timer); };
  observer.observe(element, { childList: true, subtree: true });
  return stop;
}

/** A document to test against: happy-dom's, put where a browser has it. */
import { Window } from 'happy-dom';

/**
 * @param {string} html
 * @param {string} [address]
 */
export function page(html, address = 'https://example.org/sub/datasets/a/') {
  const window = new Window({ url: address });
  window.document.body.innerHTML = html;
  const names = [
    'document', 'window', 'Element', 'HTMLElement', 'HTMLInputElement', 'HTMLCanvasElement', 'MutationObserver', 'ResizeObserver',
    'CustomEvent', 'Event', 'KeyboardEvent', 'getComputedStyle',
  ];
  for (const name of names) {
    const value = name === 'window' ? window : /** @type {any} */ (window)[name];
    Object.defineProperty(globalThis, name, { value, configurable: true, writable: true });
  }
  return /** @type {Document} */ (/** @type {unknown} */ (window.document));
}

/** Lets everything that is due happen. */
export async function settle() {
  for (let i = 0; i < 10; i += 1) await new Promise(setImmediate);
}

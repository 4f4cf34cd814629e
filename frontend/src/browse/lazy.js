/** Fetches `later.js`: where the bundle of it lies is said by the page. */

/** @typedef {typeof import('./later.js')} Later */

let address = new URL('./later.js', import.meta.url).href;
let failures = 0;
/** @type {Promise<Later> | undefined} */
let loading;

/** @param {string} where */
export function laterIs(where) {
  address = where;
}

/** @returns {Promise<Later>} */
export function later() {
  // A browser may remember that a module failed to load; another name makes it ask again.
  loading ??= import(failures ? `${address}?try=${failures + 1}` : address).catch((error) => {
    failures += 1;
    loading = undefined;
    throw Object.assign(new Error('A part of the search could not be loaded', { cause: error }), { address });
  });
  return loading;
}

/** The script of the browse page: finds the index that the page names, and takes over. */
import { openEngine } from '../search/engine.js';
import { Files } from '../search/files.js';
import { contentWords } from '../search/fold.js';
import { start } from './browse.js';
import { later, laterIs } from './lazy.js';

/** Above this many rows the search runs in a worker, so that typing stays smooth. */
const MANY = 100_000;

const root = /** @type {HTMLElement | null} */ (document.querySelector('.p-browse[data-index]'));
if (root) {
  const { index = '', prose = '', worker, n } = root.dataset;
  const whole = (/** @type {string} */ address) => new URL(address, document.baseURI).href;
  const [base, name] = split(whole(index));
  const files = new Files(base);
  if (root.dataset.later) laterIs(whole(root.dataset.later));
  if (/[?&]q=./.test(window.location.search)) void later().catch(() => undefined);
  /** @type {Promise<import('../search/prose.js').Page[]> | undefined} */
  let pages;
  void start(root, {
    async open() {
      if (!worker || Number(n) <= MANY) return openEngine(base, name);
      const { openRemote } = await later();
      return openRemote(whole(worker), base, name);
    },
    async prose(q) {
      if (!prose) return { pages: [], found: [] };
      pages ??= files.json(split(whole(prose))[1]).catch((error) => {
        pages = undefined;
        throw error;
      });
      const { findProse } = await later();
      const found = findProse(await pages, q).map(({ title, address }) => ({ title, address: whole(`../${address}`) }));
      return { pages: found, found: contentWords(q).map((word, i, all) => ({ word, prefix: i === all.length - 1 })) };
    },
  });
}

/** The folder of an address, and the name in it. @param {string} address */
function split(address) {
  const end = address.lastIndexOf('/') + 1;
  return [address.slice(0, end), address.slice(end)];
}

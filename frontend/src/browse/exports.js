/** The menu that takes the selection away. What makes the files is loaded when somebody asks. */
import { make } from './dom.js';
import { artifacts } from './words.js';

/** @typedef {typeof import('./export.js')} Maker */

const FORMATS = [['csv', 'CSV'], ['parquet', 'Parquet'], ['ndjson', 'JSON lines'], ['txt', 'List of addresses'], ['bib', 'BibTeX'], ['py', 'Python']];

export class ExportMenu {
  /**
   * @param {HTMLDetailsElement} menu
   * @param {{more?: string, catalog?: string}} given the addresses of what makes the files, and of the whole
   * @param {() => Pick<import('./export.js').Selection, 'engine' | 'query' | 'total'>} ask
   * @param {(address: string) => Promise<Maker>} [load]
   */
  constructor(menu, { more = '', catalog = '' }, ask, load = (address) => import(address)) {
    this.more = more;
    this.catalog = new URL(catalog, document.baseURI).href;
    this.ask = ask;
    this.load = load;
    this.failures = 0;
    this.heading = make('p', { class: 'p-muted' });
    this.state = make('p', { class: 'p-muted', role: 'status' });
    const list = /** @type {HTMLElement} */ (menu.querySelector('ul'));
    const help = list.lastElementChild;
    this.items = FORMATS.map(([format, label]) => make('li', { 'data-format': format }, label));
    list.replaceChildren(...this.items, ...(help ? [help] : []));
    const panel = make('div', { class: 'p-menu__p' });
    list.replaceWith(panel);
    panel.append(this.heading, list, this.state);
  }

  /**
   * @param {number} total
   * @param {boolean} whole whether that is all there is
   */
  show(total, whole) {
    this.heading.textContent = whole ? `All ${artifacts(total)}` : artifacts(total);
    this.state.textContent = '';
    FORMATS.forEach(([format, label], i) => {
      const file = whole && i < 3;
      const item = file
        ? make('a', { href: this.catalog.replace(/[^.]*$/, format), download: true }, label)
        : make('button', { type: 'button', disabled: total === 0 }, label);
      if (!file) item.addEventListener('click', () => void this.make(format));
      this.items[i].replaceChildren(item);
    });
  }

  /** @param {string} format */
  async make(format) {
    this.state.textContent = 'Preparing…';
    try {
      const maker = await this.maker();
      const file = await maker.produce(format, {
        ...this.ask(), catalog: this.catalog, page: window.location.href, site: document.title.split(' · ').at(-1) ?? '',
      });
      save(file);
      this.state.textContent = file.note;
    } catch (error) {
      console.warn('The export could not be made:', error);
      this.state.textContent = `It could not be made: ${error instanceof Error ? error.message : error}. Try again.`;
    }
  }

  async maker() {
    const address = new URL(this.more, document.baseURI);
    if (this.failures) address.searchParams.set('try', String(this.failures + 1));
    try {
      return await this.load(address.href);
    } catch (error) {
      this.failures += 1;
      throw new Error('the program for it could not be loaded', { cause: error });
    }
  }
}

/** @param {{name: string, type: string, parts: BlobPart[]}} file */
function save({ name, type, parts }) {
  const address = URL.createObjectURL(new Blob(parts, { type }));
  const link = make('a', { href: address, download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(address), 60_000);
}

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { start } from '../src/browse/browse.js';
import { browsePage, card, fakeEngine, settle } from './browse-kit.js';

const ROWS = ['mouse lung', 'human brain', '<b>Human</b> lung'].map((title, i) => ({ title, terms: { tissue: [i === 1 ? 0 : 1] }, numbers: { n_obs: i * 10 } }));
const PAGE = `<header class="md-header"><form class="p-search" action="./"><input name="q" type="search" data-search></form></header>
<div class="p-page p-browse" data-index="x" data-catalog="../catalog/catalog.parquet">
<div id="filters" class="p-rail" role="navigation"><div class="p-rail__s"><details class="p-facet" data-column="tissue" open><summary>Tissue<svg class="p-i"></svg></summary><div class="p-vals"><ul><li><a class="p-opt">brain</a></li></ul></div></details></div><div class="p-rail__x p-rail__x--end"></div></div>
<section class="p-results" id="results"><div class="p-bar"><h1 id="count">3 artifacts</h1><label class="p-sort"><select id="sort"></select></label>
<input type="radio" name="view" id="view-cards" checked><input type="radio" name="view" id="view-table"><details class="p-menu" id="export"><summary>Export</summary><ul></ul></details></div>
<h2 class="p-vh">Results</h2><ul class="p-grid">${[2, 1, 0].map((row) => card(row, `written ${ROWS[row].title}`)).join('')}</ul></section></div>`;
/** @param {string} [search] */
async function open(search = '') {
  const document = browsePage(PAGE, `https://example.org/sub/browse/${search}`);
  const engine = fakeEngine([{ column: 'tissue', label: 'Tissue', terms: [{ label: 'brain' }, { label: 'lung' }] }], [{ column: 'n_obs', label: 'Observations', kind: 'count' }], ROWS);
  const root = /** @type {HTMLElement} */ (document.querySelector('.p-browse'));
  const sources = { open: async () => engine, prose: async () => ({ pages: [], found: [] }) };
  await start(root, sources);
  const text = (/** @type {string} */ selector) => document.querySelector(selector)?.textContent ?? '';
  const titles = () => [...document.querySelectorAll('.p-card__t')].map((title) => title.textContent);
  const type = async (/** @type {string} */ q) => {
    const input = /** @type {HTMLInputElement} */ (document.querySelector('[data-search]'));
    input.value = q;
    input.dispatchEvent(new Event('input'));
    await settle();
  };
  return { document, engine, root, sources, text, titles, type };
}

describe('the page', () => {
  it('keeps the cards that are there', async () => {
    const { text, titles } = await open();
    assert.deepEqual(titles(), ['written <b>Human</b> lung', 'written human brain', 'written mouse lung']);
    assert.equal(text('#count'), '3 artifacts');
  });

  it('opens at what the address says, and shows what it cannot use', async () => {
    const { document, text, titles } = await open('?tissue=lung&tissue=liver');
    assert.deepEqual(titles(), ['<b>Human</b> lung', 'mouse lung']);
    assert.equal(text('#count'), '2 artifacts of 3');
    assert.equal(text('.p-chip--off s'), 'liver');
    assert.equal(document.querySelectorAll('.p-card__t b').length, 0);
  });

  it('answers what is typed with one entry in the history, and marks it', async () => {
    const { document, type, titles } = await open();
    const before = window.history.length;
    for (const q of ['h', 'hu', 'human']) await type(q);
    assert.deepEqual(titles(), ['written <b>Human</b> lung', 'written human brain']);
    assert.equal(window.history.length, before + 1);
    assert.equal(window.location.search, '?q=human');
    assert.equal(document.querySelector('.p-card__t mark')?.textContent, 'Human');
    await type('');
    assert.equal(window.location.search, '');
  });

  it('takes a filter away where its chip is pressed', async () => {
    const { document, text } = await open('?tissue=brain&q=human');
    const chip = /** @type {HTMLElement} */ ([...document.querySelectorAll('.p-chip')].find((one) => one.textContent?.startsWith('Tissue')));
    chip.click();
    await settle();
    assert.equal(window.location.search, '?q=human');
    assert.equal(text('#count'), '2 artifacts of 3');
  });

  it('drops an answer that comes too late', async () => {
    const { engine, type, titles } = await open();
    const search = engine.search.bind(engine);
    let release = () => {};
    engine.search = async (query) => {
      if (query.q === 'mouse') await new Promise((done) => { release = () => done(undefined); });
      return search(query);
    };
    await type('mouse');
    await type('brain');
    release();
    await settle();
    assert.equal(titles().length, 1);
    assert.equal(engine.asked.at(-1)?.q, 'mouse');
    assert.equal(titles()[0], 'written human brain');
  });

  it('shows a table with the columns asked for', async () => {
    const { document } = await open('?view=table&columns=n_obs,tissue&sort=n_obs');
    assert.deepEqual([...document.querySelectorAll('th[scope=col]')].map((heading) => heading.textContent), ['Title', 'Observations', 'Tissue', 'Status']);
    assert.equal(document.querySelector('[aria-sort]')?.textContent, 'Observations');
    assert.equal(document.querySelectorAll('tbody tr').length, 3);
    assert.equal(document.querySelectorAll('.p-grid').length, 0);
  });

  it('shows the last page where the address asks for one beyond it', async () => {
    const { titles } = await open('?page=7');
    await settle();
    assert.equal(titles().length, 3);
    assert.equal(window.location.search, '');
  });

  it('leads on where nothing is found', async () => {
    const { document } = await open('?q=zzz');
    const links = [...document.querySelectorAll('.p-nothing a')].map((link) => [link.textContent, link.getAttribute('href')]);
    assert.deepEqual(links, [['xenium', '/sub/browse/?q=xenium'], ['Without the text “zzz”2', '/sub/browse/'], ['Show all 3 artifacts', '/sub/browse/']]);
  });

  it('says that a search failed, keeps the last answer, and tries again', async (context) => {
    context.mock.method(console, 'warn', () => {});
    const { document, engine, type, titles, text } = await open();
    engine.fault = Object.assign(new Error('The server answered 503'), { address: 'x' });
    await type('mouse');
    assert.match(text('[role=alert]'), /answered 503\. What you see is the last answer/);
    assert.equal(titles().length, 3);
    engine.fault = null;
    /** @type {HTMLElement} */ (document.querySelector('[role=alert] button')).click();
    await settle();
    assert.equal(document.querySelector('[role=alert]'), null);
    assert.equal(titles().length, 1);
  });

  it('stays as it was written where the index cannot be opened', async (context) => {
    context.mock.method(console, 'warn', () => {});
    let reachable = false;
    const { engine } = await open();
    const sources = {
      prose: async () => ({ pages: [], found: [] }),
      open: async () => {
        if (!reachable) throw new Error('offline');
        return engine;
      },
    };
    const page = browsePage(PAGE);
    const again = /** @type {HTMLElement} */ (page.querySelector('.p-browse'));
    await start(again, sources);
    assert.match(page.querySelector('[role=alert]')?.textContent ?? '', /browse by the lists/);
    assert.equal(page.querySelectorAll('a.p-opt').length, 1);
    assert.equal(again.dataset.live, undefined);
    reachable = true;
    /** @type {HTMLElement} */ (page.querySelector('[role=alert] button')).click();
    await settle();
    assert.equal(again.dataset.live, '');
  });
});

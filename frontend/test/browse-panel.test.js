import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Panel } from '../src/browse/panel.js';
import { browsePage, fakeEngine } from './browse-kit.js';

const BLANK = { q: '', sort: 'relevance', page: 1, size: 48 };

function set() {
  const facet = (/** @type {string} */ column) => `<details class="p-facet" data-column="${column}" open><summary>${column}<svg class="p-i"></svg></summary><div class="p-vals"><ul><li><a>static</a></li></ul></div></details>`;
  const document = browsePage(`<nav id="filters">${facet('tissue')}${facet('organism')}${facet('n_obs')}</nav>`);
  const many = Array.from({ length: 10 }, (_, i) => ({ label: `tissue ${i}` }));
  const facets = [
    { column: 'tissue', label: 'Tissue', terms: [{ label: 'brain', synonyms: ['encephalon'] }, { label: 'cerebellum', parents: [0] }, { label: '<img src=x onerror=alert(1)>' }, ...many, { label: 'unknown' }] },
    { column: 'organism', label: 'Organism', terms: [{ label: 'Homo sapiens' }, { label: 'unknown' }] },
  ];
  const row = (/** @type {number} */ tissue, n = 5) => ({ title: 'x', terms: { tissue: [tissue], organism: [0] }, numbers: { n_obs: n } });
  const engine = fakeEngine(facets, [{ column: 'n_obs', label: 'Observations', kind: 'count' }], [row(1), row(1), row(0), row(2), row(13, 20)]);
  /** @type {[string, any][]} */
  const told = [];
  const rail = /** @type {HTMLElement} */ (document.querySelector('#filters'));
  const panel = new Panel(rail, engine, { terms: (...what) => told.push(what), range: (...what) => told.push(what) });
  const show = async (/** @type {any} */ change = {}) => {
    const query = { ...BLANK, terms: {}, ranges: {}, ...change };
    panel.show(query, await engine.search(query));
  };
  /** @param {string} column */
  const rows = (column) => [...rail.querySelectorAll(`[data-column=${column}] li`)]
    .filter((item) => !item.closest('[hidden]')).map((item) => item.querySelector('.p-opt')?.textContent);
  const box = (/** @type {string} */ label) => /** @type {HTMLInputElement} */ (
    [...rail.querySelectorAll('label')].find((element) => element.children[1].textContent === label)?.querySelector('input'));
  return { document, rail, show, rows, told, box };
}

describe('the panel', () => {
  it('shows the first eight, with counts, unknown last', async () => {
    const { rail, show, rows } = set();
    await show();
    assert.deepEqual(rows('tissue').slice(0, 3), ['brain3 artifacts', '<img src=x onerror=alert(1)>1 artifact', 'tissue 00 artifacts']);
    assert.equal(rows('tissue').length, 8);
    assert.deepEqual(rows('organism'), ['Homo sapiens5 artifacts', 'unknown0 artifacts']);
    assert.equal(rail.querySelector('img'), null);
    const more = /** @type {HTMLElement} */ (rail.querySelector('.p-all'));
    assert.match(more.textContent ?? '', /Show all .*\(13\)/);
    more.click();
    assert.equal(rows('tissue').length, 13);
    assert.equal(rows('tissue').at(-1), 'unknown1 artifact');
  });

  it('walks the tree, and opens the way to what is chosen', async () => {
    const { rail, show, rows, box } = set();
    await show();
    const twist = /** @type {HTMLElement} */ (rail.querySelector('.p-twist'));
    assert.equal(twist.getAttribute('aria-label'), 'Within brain');
    twist.click();
    assert.equal(twist.getAttribute('aria-expanded'), 'true');
    assert.equal(rows('tissue')[1], 'cerebellum2 artifacts');
    twist.click();
    await show({ terms: { tissue: [1] } });
    assert.ok(box('cerebellum').checked);
    assert.equal(rail.querySelector('[data-column=tissue] .p-n')?.textContent, '1 chosen');
  });

  it('tells what is ticked and unticked', async () => {
    const { show, told, box } = set();
    await show();
    box('brain').click();
    assert.deepEqual(told.pop(), ['tissue', [0]]);
    await show({ terms: { tissue: [0, 2] } });
    box('brain').click();
    assert.deepEqual(told.pop(), ['tissue', [2]]);
  });

  it('keeps what is chosen in sight', async () => {
    const { show, rows } = set();
    await show({ terms: { tissue: [12] } });
    assert.ok(rows('tissue').some((text) => text?.startsWith('tissue 9')));
  });

  it('finds values by label and synonym', async () => {
    const { rail, show, rows } = set();
    await show();
    const input = /** @type {HTMLInputElement} */ (rail.querySelector('.p-find input'));
    const type = (/** @type {string} */ text) => {
      input.value = text;
      input.dispatchEvent(new Event('input'));
    };
    input.dispatchEvent(new Event('focus'));
    await new Promise((resolve) => setTimeout(resolve));
    type('enceph');
    assert.deepEqual(rows('tissue'), ['brain3 artifacts']);
    type('cerebellum');
    assert.deepEqual(rows('tissue'), ['cerebellum2 artifacts']);
    type('nothing such');
    assert.deepEqual(rows('tissue'), []);
    assert.equal(/** @type {HTMLElement} */ (rail.querySelector('p.p-muted')).hidden, false);
    type('');
    assert.equal(rows('tissue').length, 8);
    assert.equal(rail.querySelectorAll('[data-column=organism] .p-find').length, 0);
  });
});

describe('a range', () => {
  const fields = (/** @type {Element} */ rail) => /** @type {HTMLInputElement[]} */ ([...rail.querySelectorAll('.p-range input')]);
  const write = (/** @type {HTMLInputElement} */ field, /** @type {string} */ text) => {
    field.value = text;
    field.dispatchEvent(new Event('change'));
  };

  it('is chosen by two fields, either of which may be empty', async () => {
    const { rail, show, told } = set();
    await show();
    const [from, to] = fields(rail);
    assert.deepEqual([from.placeholder, to.placeholder], ['5', '20']);
    write(from, '1,000');
    assert.deepEqual(told.pop(), ['n_obs', [1000, null]]);
    await show({ ranges: { n_obs: [1000, null] } });
    write(to, '10');
    assert.deepEqual(told.pop(), ['n_obs', [10, 1000]]);
    write(from, '');
    assert.deepEqual(told.pop(), ['n_obs', [null, null]]);
  });

  it('says what it cannot read', async () => {
    const { rail, show, told } = set();
    await show();
    const [from] = fields(rail);
    write(from, 'many');
    assert.equal(from.getAttribute('aria-invalid'), 'true');
    assert.equal(rail.querySelector('.p-bad')?.textContent, 'Not a number');
    assert.equal(told.length, 0);
    await show();
    assert.equal(from.getAttribute('aria-invalid'), null);
  });

  it('draws which bars are inside', async () => {
    const { rail, show } = set();
    await show({ ranges: { n_obs: [12, null] } });
    const bars = (/** @type {string} */ name) => rail.querySelector(`.p-hist .${name}`)?.getAttribute('d')?.match(/M[\d.]+/g);
    assert.deepEqual([bars('out'), bars('in')], [['M0.3'], ['M4.3']]);
  });

  it('draws a folded one when it is opened', async () => {
    const { rail, show, rows } = set();
    const details = /** @type {HTMLDetailsElement} */ (rail.querySelector('[data-column=organism]'));
    details.open = false;
    await show();
    assert.equal(details.querySelector('.p-vals')?.textContent, 'static');
    details.open = true;
    details.dispatchEvent(new Event('toggle'));
    assert.deepEqual(rows('organism'), ['Homo sapiens5 artifacts', 'unknown0 artifacts']);
  });
});

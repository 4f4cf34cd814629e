import assert from 'node:assert/strict';
import { afterEach, describe, it, mock } from 'node:test';
import { copyButtons, localNavigation, searchKey } from '../src/page.js';
import { page, settle } from './dom.js';

afterEach(() => mock.reset());
afterEach(() => mock.timers.reset());

/**
 * @param {Element} target
 * @param {string} key
 * @param {object} [more]
 */
function press(target, key, more = {}) {
  const event = new KeyboardEvent('keydown', { key, bubbles: true, cancelable: true, ...more });
  target.dispatchEvent(event);
  return event.defaultPrevented;
}

describe('the search key', () => {
  const set = () => {
    const document = page('<input data-search value="abc"><textarea></textarea><p></p>');
    searchKey(document);
    return document;
  };

  it('goes to the search box', () => {
    const document = set();
    assert.ok(press(document.body, '/'));
    assert.equal(document.activeElement, document.querySelector('[data-search]'));
  });

  it('is a letter where one types', () => {
    const document = set();
    assert.equal(press(/** @type {Element} */ (document.querySelector('textarea')), '/'), false);
    assert.equal(document.activeElement, document.body);
  });

  it('leaves other keys alone', () => {
    const document = set();
    assert.equal(press(document.body, '/', { ctrlKey: true }), false);
    assert.equal(press(document.body, 'a'), false);
  });

  it('is nothing without a search box', () => {
    const document = page('<p></p>');
    searchKey(document);
    assert.equal(press(document.body, '/'), false);
  });
});

describe('a copy button', () => {
  /** @param {(text: string) => Promise<void>} writeText */
  const set = (writeText) => {
    const document = page('<pre id="code"> a = 1\n</pre><button data-copy="#code"><span>Copy</span></button><button data-copy-text="id-1">Copy</button>');
    Object.defineProperty(globalThis, 'navigator', { value: { clipboard: { writeText } }, configurable: true });
    copyButtons(document);
    const [code, text] = /** @type {HTMLElement[]} */ ([...document.querySelectorAll('button')]);
    return { document, code, text };
  };

  it('copies what it points at, or its own text, and says so', async () => {
    mock.timers.enable({ apis: ['setTimeout'] });
    /** @type {string[]} */
    const copied = [];
    const { document, code, text } = set(async (value) => { copied.push(value); });
    /** @type {HTMLElement} */ (code.firstElementChild).click();
    text.click();
    await settle();
    assert.deepEqual(copied, ['a = 1', 'id-1']);
    assert.equal(code.textContent, 'Copied');
    assert.equal(document.querySelector('[role=status]')?.textContent, 'Copied');
    mock.timers.tick(2000);
    assert.equal(code.innerHTML, '<span>Copy</span>');
    assert.equal(document.querySelector('[role=status]')?.textContent, '');
  });

  it('says so where copying is not allowed', async () => {
    mock.timers.enable({ apis: ['setTimeout'] });
    const { code } = set(async () => { throw new Error('not allowed'); });
    code.click();
    await settle();
    assert.match(code.textContent ?? '', /by hand/);
    assert.equal(code.hasAttribute('data-copied'), false);
  });
});

describe('the local navigation', () => {
  it('marks the topmost section in sight, and keeps it between two', () => {
    const document = page('<nav class="p-local"><a href="#a">A</a><a href="#b">B</a><a href="#none">C</a></nav><section id="a"></section><section id="b"></section>');
    /** @type {any} */
    let tell;
    /** @type {any} */ (globalThis).IntersectionObserver = class {
      constructor(/** @type {any} */ act) { tell = act; }
      observe() {}
    };
    localNavigation(document);
    const current = () => [...document.querySelectorAll('[aria-current]')].map((link) => link.textContent);
    const [a, b] = [document.getElementById('a'), document.getElementById('b')];
    tell([{ target: b, isIntersecting: true }]);
    assert.deepEqual(current(), ['B']);
    tell([{ target: a, isIntersecting: true }]);
    assert.deepEqual(current(), ['A']);
    tell([{ target: a, isIntersecting: false }, { target: b, isIntersecting: false }]);
    assert.deepEqual(current(), ['A']);
  });

  it('is left alone where there is none', () => {
    localNavigation(page('<p></p>'));
  });
});

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { mark, unmark } from '../src/browse/highlight.js';
import { browsePage } from './browse-kit.js';

/**
 * @param {string} html
 * @param {import('../src/browse/highlight.js').Found[]} found
 */
function marked(html, found) {
  const root = /** @type {HTMLElement} */ (browsePage(`<p>${html}</p>`).querySelector('p'));
  mark(root, found);
  return root;
}

describe('a mark', () => {
  const whole = (/** @type {string} */ word) => [{ word, prefix: false }];
  const start = (/** @type {string} */ word) => [{ word, prefix: true }];

  it('stands on whole words, whatever their case and accents', () => {
    assert.equal(marked('Sjögren, SJOGREN and Sjogrens', whole('sjogren')).innerHTML, '<mark>Sjögren</mark>, <mark>SJOGREN</mark> and Sjogrens');
  });

  it('covers what was typed of a word, with its accents', () => {
    assert.equal(marked('Xenium', start('xen')).innerHTML, '<mark>Xen</mark>ium');
    assert.equal(marked('Sjo\u0308gren', start('sjo')).innerHTML, '<mark>Sjo\u0308</mark>gren');
    assert.equal(marked('Straße', start('stras')).innerHTML, '<mark>Straß</mark>e');
  });

  it('goes into what is below, and stays text', () => {
    assert.equal(marked('<a>a &lt;b&gt;lung&lt;/b&gt;</a> <i>lung</i>', whole('lung')).innerHTML, '<a>a &lt;b&gt;<mark>lung</mark>&lt;/b&gt;</a> <i><mark>lung</mark></i>');
  });

  it('can be taken away again', () => {
    const root = marked('lung and lung', whole('lung'));
    unmark(root);
    assert.equal(root.innerHTML, 'lung and lung');
    assert.equal(root.childNodes.length, 1);
  });
});

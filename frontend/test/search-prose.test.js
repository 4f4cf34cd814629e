import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { findProse } from '../src/search/prose.js';

const PAGES = [
  { title: 'Home', address: '', text: 'A collection of spatial data.' },
  { title: 'How to cite', address: 'cite/', text: 'Cite the collection and the authors. Citing is a courtesy.' },
  { title: 'Download', address: 'download/', text: `${'Something else entirely. '.repeat(30)} Please cite what you download; ${'and so on. '.repeat(30)}` },
  { title: 'Über uns', address: 'about/', text: 'Wer wir sind <script>alert(1)</script>' },
];
const addresses = (/** @type {string} */ q) => findProse(PAGES, q).map((hit) => hit.address);

describe('prose', () => {
  it('has every word, and whose title has it comes first', () => {
    assert.deepEqual(addresses('cite'), ['cite/', 'download/']);
    assert.deepEqual(addresses('collection cite '), ['cite/']);
    assert.deepEqual(addresses('cite nowhere'), []);
  });

  it('may have more after the last word', () => {
    assert.deepEqual(addresses('down'), ['download/']);
    assert.deepEqual(addresses('down '), []);
    assert.deepEqual(addresses('d'), []);
  });

  it('is not asked for nothing', () => {
    assert.deepEqual(addresses(''), []);
    assert.deepEqual(addresses('the of'), []);
  });

  it('is folded', () => assert.deepEqual(addresses('uber'), ['about/']));

  it('counts how often', () => assert.deepEqual(findProse(PAGES, 'cite').map(({ hits }) => hits), [1, 1]));

  it('has five pages at most', () => {
    const many = Array.from({ length: 9 }, (_, i) => ({ title: `Page ${i}`, address: `${i}/`, text: 'same words' }));
    assert.equal(findProse(many, 'same').length, 5);
  });
});

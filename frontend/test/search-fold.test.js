import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { compare, contentWords, fold, letters, words } from '../src/search/fold.js';

describe('folding', () => {
  for (const [text, folded] of [
    ['Homo SAPIENS', 'homo sapiens'],
    ['Sjögren naïve Ñ', 'sjogren naive n'],
    ['ΜΟΝΆΔΑΣ μονάδας', 'μοναδασ μοναδασ'],
    ['Straße Ærø Łódź Đurđevac Œuvre Iıİ', 'strasse aero lodz durdevac oeuvre iii'],
    ['ＷＩＤＥ ﬁbre x² Å', 'wide fibre x2 a'],
    ['الفأر', 'الفار'],
    ['𐐔𐐀𐑅', '𐐼𐐨𐑅'],
  ]) {
    it(text, () => assert.equal(fold(text), folded));
  }
});

describe('words', () => {
  it('are runs of letters and numbers', () => {
    assert.deepEqual(words("10x Visium's nucleus_boundaries, Ki-67 (a)"), ['10x', 'visium', 's', 'nucleus', 'boundaries', 'ki', '67', 'a']);
    assert.deepEqual(words('マウス脳 — 🧠 دماغ'), ['マウス脳', 'دماغ']);
    assert.deepEqual(words(' !'), []);
  });

  it('of content leave out the small ones', () => {
    assert.deepEqual(contentWords('The map of a brain, with AND without'), ['map', 'brain', 'without']);
    assert.deepEqual(contentWords('of the'), []);
  });

  it('survive half a letter', () => assert.deepEqual(words('a\ud800b'), ['a', 'b']));
});

it('letters are counted, not units', () => {
  assert.equal(letters('lung'), 4);
  assert.equal(letters('𐐼𐐨'), 2);
  assert.equal(letters('\ud801'), 1);
});

it('words are compared by code points', () => {
  const sorted = ['', 'a', 'ab', 'b', 'é', '﨎', '𐐼', '𐐼a', '𝛼'];
  for (let i = 0; i < sorted.length; i++) {
    for (let j = 0; j < sorted.length; j++) assert.equal(Math.sign(compare(sorted[i], sorted[j])), Math.sign(i - j));
  }
});

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { near, readDictionary } from '../src/search/spelling.js';

describe('words near a word', () => {
  const distance = (/** @type {string} */ a, /** @type {string} */ b) => near(a, [b], 3)[0]?.distance;

  it('differ by letters put in, left out, or taken for others', () => {
    assert.equal(distance('lung', 'lung'), 0);
    assert.equal(distance('lung', 'lun'), 1);
    assert.equal(distance('lung', 'lungs'), 1);
    assert.equal(distance('lung', 'long'), 1);
    assert.equal(distance('kitten', 'sitting'), 3);
    assert.equal(distance('abcd', 'efgh'), undefined);
  });

  it('differ by a swap, of letters that are not touched again', () => {
    assert.equal(distance('xenuim', 'xenium'), 1);
    assert.equal(distance('ca', 'abc'), 3);
  });

  it('are measured in letters', () => assert.equal(distance('𐐼𐐨𐑅', '𐐨𐐼𐑅'), 1));

  it('are no further than asked for', () => {
    assert.deepEqual(near('brain', ['brian', 'bran', 'drain', 'brawny', 'b'], 1).map(({ word }) => word), ['brian', 'bran', 'drain']);
  });
});

it('a dictionary is read line by line', () => {
  const bytes = new TextEncoder().encode('mouse\t12\nmarquez\t3\n');
  assert.deepEqual([...readDictionary(/** @type {ArrayBuffer} */ (bytes.buffer))], [['mouse', 12], ['marquez', 3]]);
});

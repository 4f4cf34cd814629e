import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { order, page } from '../src/search/sort.js';

describe('order', () => {
  const keys = Uint16Array.of(3, 0, 7, 3, 7, 0);

  it('is by key, the greatest first, and newest first where keys are equal', () => {
    assert.deepEqual([...order(Uint32Array.of(0, 1, 2, 3, 4, 5), keys)], [4, 2, 3, 0, 5, 1]);
    assert.deepEqual([...order(Uint32Array.of(1, 3, 4), keys)], [4, 3, 1]);
    assert.deepEqual([...order(new Uint32Array(0), keys)], []);
  });

  it('is exact for great keys', () => {
    const great = Uint32Array.of(4_294_967_295, 4_294_967_294, 4_294_967_295);
    assert.deepEqual([...order(Uint32Array.of(0, 1, 2), great)], [2, 0, 1]);
  });
});

describe('a page', () => {
  for (const n of [1, 10, 5000]) {
    for (const most of [1, 3, 100_000]) {
      it(`is a part of the order: ${n} rows, ${most} keys`, () => {
        let seed = n * most;
        const next = () => (seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) >>> 0) / 2 ** 32;
        const keys = Uint32Array.from({ length: n }, () => Math.floor(next() * most));
        const rows = Uint32Array.from({ length: n }, (_, i) => i).filter(() => next() < 0.7);
        const all = [...order(rows, keys)];
        for (const [skip, take] of [[0, 48], [48, 48], [n - 3, 48], [2500, 48], [0, n], [n + 5, 10], [0, 0]]) {
          assert.deepEqual(page(rows, keys, Math.max(0, skip), take), all.slice(Math.max(0, skip), Math.max(0, skip) + take));
        }
      });
    }
  }
});

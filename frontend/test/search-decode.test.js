import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Shard, join, lowerBound, unpack } from '../src/search/decode.js';

/**
 * Numbers plane by plane, as the writer lays them.
 * @param {Uint8Array | Uint16Array | Uint32Array | Float64Array} array
 */
function planes(array) {
  const bytes = new Uint8Array(array.buffer);
  const size = array.BYTES_PER_ELEMENT;
  return Uint8Array.from(bytes, (_, i) => bytes[(i % array.length) * size + Math.floor(i / array.length)]);
}

/**
 * @param {object} header
 * @param {Uint8Array[]} arrays
 */
function container(header, arrays) {
  let text = new TextEncoder().encode(JSON.stringify(header));
  text = new TextEncoder().encode(JSON.stringify(header) + ' '.repeat(-text.length & 7));
  const bytes = [new Uint8Array(new Uint32Array([text.length, 0]).buffer), text, ...arrays].flatMap((part) => [...part]);
  return Uint8Array.from(bytes).buffer;
}

/**
 * @param {[string, [number, number][]][]} words with rows and impacts
 */
function shard(words) {
  const terms = new TextEncoder().encode(words.map(([word]) => word).join('\n'));
  /** @type {number[]} */
  const deltas = [];
  /** @type {number[]} */
  const impacts = [];
  for (const [, rows] of words) {
    let last = 0;
    for (const [row, impact] of rows) {
      for (let left = row - last; ; left = Math.floor(left / 128)) {
        deltas.push((left % 128) | (left > 127 ? 128 : 0));
        if (left < 128) break;
      }
      last = row;
      impacts.push(impact);
    }
  }
  const nibbles = Array.from({ length: Math.ceil(impacts.length / 2) }, (_, i) => impacts[2 * i] | ((impacts[2 * i + 1] ?? 0) << 4));
  const head = new Uint32Array([words.length, terms.length, deltas.length, nibbles.length, ...words.map(([, rows]) => rows.length)]);
  return Uint8Array.from([...new Uint8Array(head.buffer), ...terms, ...deltas, ...nibbles]).buffer;
}

describe('a container', () => {
  const arrays = {
    u8: Uint8Array.of(0, 255, 7),
    u16: Uint16Array.of(0, 65_535, 258, 1),
    u32: Uint32Array.of(0, 4_294_967_295, 16_909_060),
    f64: Float64Array.of(-1.5, 1e15, 0, Math.PI),
  };

  for (const [kind, array] of Object.entries(arrays)) {
    it(`joins the planes of ${kind}`, () => {
      assert.deepEqual(join(planes(array), /** @type {any} */ (kind), array.length), array);
    });
  }

  it('names its arrays', () => {
    const listed = Object.entries(arrays).map(([kind, array]) => [`a.${kind}`, kind, array.length]);
    const { header, arrays: read } = unpack(container({ format: 1, n: 3, arrays: listed }, Object.values(arrays).map(planes)));
    assert.equal(header.n, 3);
    for (const [kind, array] of Object.entries(arrays)) assert.deepEqual(read.get(`a.${kind}`), array);
  });

  it('of another format is refused', () => {
    assert.throws(() => unpack(container({ format: 2, arrays: [] }, [])), /format 2/);
  });

  it('that was cut is refused', () => {
    assert.throws(() => unpack(container({ format: 1, arrays: [['x', 'u32', 2]] }, [new Uint8Array(3)])));
  });
});

describe('a shard', () => {
  const read = new Shard(shard([
    ['lung', [[0, 15], [3, 1], [300, 7], [70_000, 2], [3_000_000, 9]]],
    ['lungs', [[5, 4]]],
    ['mbp', [[2, 3], [4_000_001, 1], [4_000_002, 1]]],
    ['﨎', [[1, 1]]],
    ['𐐼', [[2, 2]]],
  ]), 4_000_000);

  it('knows rows and impacts of a word', () => {
    const posting = read.get('lung');
    assert.deepEqual([...posting?.rows ?? []], [0, 3, 300, 70_000, 3_000_000]);
    assert.deepEqual([...posting?.impacts ?? []], [15, 1, 7, 2, 9]);
    assert.deepEqual([...read.get('lungs')?.impacts ?? []], [4]);
  });

  it('tells lists of genes from rows', () => {
    const posting = read.get('mbp');
    assert.deepEqual([...posting?.rows ?? []], [2]);
    assert.deepEqual([...posting?.impacts ?? []], [3]);
    assert.deepEqual([...posting?.lists ?? []], [1, 2]);
  });

  it('is sorted by code points', () => {
    assert.deepEqual([...read.get('﨎')?.rows ?? []], [1]);
    assert.deepEqual([...read.get('𐐼')?.rows ?? []], [2]);
    assert.equal(lowerBound(read.terms, 'm'), 2);
  });

  it('does not know others', () => assert.equal(read.get('lun'), null));

  it('may be empty', () => assert.equal(new Shard(shard([]), 1).get('x'), null));

  it('that was cut is refused', () => {
    assert.throws(() => new Shard(shard([['lung', [[0, 1], [1, 1]]]]).slice(0, 22), 10));
  });
});

/**
 * Rows in order. A key is a whole number by row, the greatest first; where keys are equal, the newest row first.
 */

/**
 * @typedef {import('./decode.js').Codes} Keys
 */

/**
 * A part of the order, without sorting what is before or after it.
 * @param {Uint32Array} rows ascending
 * @param {Keys} keys by row
 * @param {number} skip
 * @param {number} take
 * @returns {number[]}
 */
export function page(rows, keys, skip, take) {
  const end = Math.min(rows.length, skip + take);
  if (end <= skip) return [];
  if (end > 2000) return [...order(rows, keys).subarray(skip, end)];
  return best(rows, keys, end).slice(skip);
}

/**
 * @param {Uint32Array} rows
 * @param {Keys} keys
 * @returns {Uint32Array} all rows in order
 */
export function order(rows, keys) {
  // Key and row as one number, exact as long as keys × rows stay below 2^53.
  const n = keys.length;
  const both = new Float64Array(rows.length);
  for (let i = 0; i < rows.length; i++) both[i] = keys[rows[i]] * n + rows[i];
  both.sort();
  const out = new Uint32Array(rows.length);
  for (let i = 0, last = rows.length - 1; i <= last; i++) out[i] = both[last - i] % n;
  return out;
}

/**
 * The first `k` in order, by a heap whose top is the last of them.
 * @param {Uint32Array} rows ascending
 * @param {Keys} keys
 * @param {number} k at least 1
 * @returns {number[]}
 */
function best(rows, keys, k) {
  const heap = new Uint32Array(k);
  let size = 0;
  let worst = -1;
  // From the newest: a later one of equal key never comes before those that are in.
  for (let i = rows.length - 1; i >= 0; i--) {
    const row = rows[i];
    const key = keys[row];
    if (size < k) {
      heap[size] = row;
      rise(heap, keys, size++);
      if (size === k) worst = keys[heap[0]];
    } else if (key > worst) {
      heap[0] = row;
      sink(heap, keys, k);
      worst = keys[heap[0]];
    }
  }
  return Array.from(heap.subarray(0, size)).sort((a, b) => keys[b] - keys[a] || b - a);
}

/**
 * @param {Keys} keys
 * @param {number} a
 * @param {number} b
 */
function after(keys, a, b) {
  return keys[a] < keys[b] || (keys[a] === keys[b] && a < b);
}

/**
 * @param {Uint32Array} heap
 * @param {Keys} keys
 * @param {number} at
 */
function rise(heap, keys, at) {
  const row = heap[at];
  while (at > 0) {
    const up = (at - 1) >> 1;
    if (!after(keys, row, heap[up])) break;
    heap[at] = heap[up];
    at = up;
  }
  heap[at] = row;
}

/**
 * @param {Uint32Array} heap
 * @param {Keys} keys
 * @param {number} size
 */
function sink(heap, keys, size) {
  const row = heap[0];
  let at = 0;
  for (;;) {
    let down = 2 * at + 1;
    if (down >= size) break;
    if (down + 1 < size && after(keys, heap[down + 1], heap[down])) down += 1;
    if (!after(keys, heap[down], row)) break;
    heap[at] = heap[down];
    at = down;
  }
  heap[at] = row;
}

/**
 * Words near a word that nothing has: the dictionary, which is fetched only then, and the words of names.
 */

/**
 * @typedef {{word: string, count: number, distance: number}} Near
 */

/**
 * @param {ArrayBuffer} bytes lines of a word and the rows that have it
 * @returns {Map<string, number>}
 */
export function readDictionary(bytes) {
  /** @type {Map<string, number>} */
  const words = new Map();
  for (const line of new TextDecoder().decode(bytes).split('\n')) {
    const tab = line.indexOf('\t');
    if (tab > 0) words.set(line.slice(0, tab), Number(line.slice(tab + 1)));
  }
  return words;
}

/**
 * Those at most so far from a word, in the order given.
 * @param {string} word
 * @param {Iterable<string>} candidates
 * @param {number} most
 * @returns {{word: string, distance: number}[]}
 */
export function near(word, candidates, most) {
  const target = letters(word);
  const found = [];
  for (const candidate of candidates) {
    if (Math.abs(candidate.length - word.length) > 2 * most) continue;
    const distance = distanceOf(target, letters(candidate), most);
    if (distance <= most) found.push({ word: candidate, distance });
  }
  return found;
}

/** @param {string} word */
function letters(word) {
  const out = new Array(word.length);
  let n = 0;
  for (let i = 0; i < word.length; i++) {
    const letter = /** @type {number} */ (word.codePointAt(i));
    out[n++] = letter;
    if (letter > 0xffff) i += 1;
  }
  out.length = n;
  return out;
}

/**
 * Insertions, deletions, substitutions and swaps of neighbours, no letter touched twice.
 * @param {number[]} a
 * @param {number[]} b
 * @param {number} most beyond which the distance is of no interest
 */
function distanceOf(a, b, most) {
  if (Math.abs(a.length - b.length) > most) return most + 1;
  /** @type {number[]} */
  let before = [];
  /** @type {number[]} */
  let previous = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const current = [i];
    let least = i;
    for (let j = 1; j <= b.length; j++) {
      let cost = Math.min(previous[j] + 1, current[j - 1] + 1, previous[j - 1] + (a[i - 1] === b[j - 1] ? 0 : 1));
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) cost = Math.min(cost, before[j - 2] + 1);
      current.push(cost);
      if (cost < least) least = cost;
    }
    if (least > most) return most + 1;
    [before, previous] = [previous, current];
  }
  return previous[b.length];
}

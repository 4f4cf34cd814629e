/**
 * The words of the rows' texts, and which rows have each: read shard by shard, as words are asked for.
 */
import { Shard, lowerBound } from './decode.js';
import { Once, hex } from './files.js';
import { compare } from './fold.js';

/**
 * @typedef {import('./decode.js').Posting} Posting
 * @typedef {import('./files.js').Files} Files
 */

/** A prefix whose words lie in more shards than this has an entry of its own. */
const SPAN = 3;

/** @type {Posting} */
const NOTHING = { rows: new Uint32Array(0), impacts: new Uint8Array(0), lists: new Uint32Array(0) };

export class Shards {
  /**
   * @param {Files} files
   * @param {string[]} first the first word of each shard
   * @param {ArrayLike<number>} hashes a part of each one's name
   * @param {number} n rows
   */
  constructor(files, first, hashes, n) {
    this.first = first;
    this.n = n;
    /** @type {Once<number, Shard>} */
    this.shards = new Once((k) => files.packed(`text/${k}-${hex(hashes[k])}.bin`, (bytes) => new Shard(bytes, n)));
    /** The greatest impact of each row, while a union is made. @type {Uint8Array | undefined} */
    this.impact = undefined;
  }

  /**
   * The shard where a word would be.
   * @param {string} word
   */
  place(word) {
    const at = lowerBound(this.first, word);
    return at < this.first.length && this.first[at] === word ? at : Math.max(0, at - 1);
  }

  /**
   * The rows and gene lists with a word.
   * @param {string} word
   * @returns {Promise<Posting>}
   */
  async exact(word) {
    if (!this.first.length) return NOTHING;
    const shard = await this.shards.get(this.place(word));
    return shard.get(word) ?? NOTHING;
  }

  /**
   * The rows with a word that starts so, each with its greatest impact; never gene lists.
   * @param {string} prefix
   * @returns {Promise<Posting>}
   */
  async starting(prefix) {
    if (!this.first.length) return NOTHING;
    const begin = this.place(prefix);
    let end = begin;
    while (end + 1 < this.first.length && isBeforeEnd(this.first[end + 1], prefix)) end += 1;
    if (end - begin >= SPAN) {
      const shard = await this.shards.get(this.place(`${prefix}*`));
      const whole = shard.get(`${prefix}*`);
      if (whole) return whole; // without a row where only genes start so
    }
    const shards = await Promise.all(Array.from({ length: end - begin + 1 }, (_, i) => this.shards.get(begin + i)));
    return this.union(shards.flatMap((shard) => within(shard, prefix)));
  }

  /**
   * @param {Posting[]} postings
   * @returns {Posting}
   */
  union(postings) {
    if (postings.length < 2) return postings[0] ?? NOTHING;
    const impact = (this.impact ??= new Uint8Array(this.n));
    const found = new Uint32Array(postings.reduce((sum, { rows }) => sum + rows.length, 0));
    let n = 0;
    for (const { rows, impacts } of postings) {
      for (let i = 0; i < rows.length; i++) {
        const row = rows[i];
        if (impact[row] === 0) found[n++] = row;
        if (impacts[i] > impact[row]) impact[row] = impacts[i];
      }
    }
    const rows = found.slice(0, n).sort();
    const impacts = new Uint8Array(n);
    for (let i = 0; i < n; i++) {
      impacts[i] = impact[rows[i]];
      impact[rows[i]] = 0;
    }
    return { rows, impacts, lists: NOTHING.lists };
  }
}

/**
 * Whether words with this prefix may come at or after `word`.
 * @param {string} word
 * @param {string} prefix
 */
function isBeforeEnd(word, prefix) {
  return word.startsWith(prefix) || compare(word, prefix) < 0;
}

/**
 * @param {Shard} shard
 * @param {string} prefix
 * @returns {Posting[]}
 */
function within(shard, prefix) {
  /** @type {Posting[]} */
  const found = [];
  for (let at = shard.lower(prefix); at < shard.terms.length && shard.terms[at].startsWith(prefix); at++) {
    if (shard.terms[at].endsWith('*')) continue; // a union of its own
    const posting = shard.posting(at);
    if (posting.rows.length) found.push({ ...posting, lists: NOTHING.lists });
  }
  return found;
}

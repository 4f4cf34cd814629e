/**
 * A typed query: its words looked up in the rows' texts, the lists of genes and the names of terms.
 *
 * Looking up waits for files, scoring does not: so two searches at a time never meet in the same arrays.
 */
import { compare, contentWords, letters, words as allWords } from './fold.js';
import { Once } from './files.js';
import { Names } from './names.js';
import { Scorer } from './scores.js';
import { Shards } from './shards.js';
import { near, readDictionary } from './spelling.js';

/**
 * @typedef {import('./columns.js').TermColumn} TermColumn
 * @typedef {import('./decode.js').Codes} Codes
 * @typedef {import('./decode.js').FacetNames} FacetNames
 * @typedef {import('./decode.js').Header} Header
 * @typedef {import('./decode.js').Posting} Posting
 * @typedef {import('./files.js').Files} Files
 * @typedef {import('./names.js').Place} Place
 * @typedef {import('./scores.js').Match} Match
 * @typedef {import('./scores.js').Ranked} Ranked
 * @typedef {{word: string, prefix: boolean}} Found
 */

/**
 * A query whose words were looked up.
 * @typedef {object} Plan
 * @property {string[]} words
 * @property {Found[]} found
 * @property {{from: string, to: string[]}[]} corrected
 * @property {string[]} missing words that nothing has
 * @property {(scorer: Scorer) => Ranked} score
 */

/** What a match is worth beside a whole word in a text. */
const STARTS = 0.5;
const MISSPELT = 0.4;
const GENE = 0.3;
const OWN_NAME = 0.8;
const OWN_NAME_STARTS = 0.4;
const NAME_ABOVE = 0.3;

/** Below so many letters a word has too many neighbours. */
const LETTERS_TO_CORRECT = 4;
const LETTERS_FOR_TWO = 5;
const SUGGESTIONS = 3;
const NUMBER = /\p{N}/u;

export class TextSearch {
  /**
   * @param {object} index
   * @param {Files} index.files
   * @param {Header} index.header
   * @param {TermColumn[]} index.columns
   * @param {ArrayLike<number>} index.hashes of the shards
   * @param {Codes | null} index.geneCodes
   */
  constructor({ files, header, columns, hashes, geneCodes }) {
    this.n = header.n;
    this.files = files;
    /** With all terms once `named` has come. */
    this.columns = columns;
    this.names = new Names([]);
    /** @type {Once<string, TermColumn[]>} */
    this.asked = new Once((name) => this.open(name));
    this.namesFile = header.files.names;
    this.geneCodes = geneCodes;
    this.geneLists = header.genes ?? 0;
    this.shards = new Shards(files, header.text.first, hashes, header.n);
    this.wordsFile = header.files.words;
    /** @type {Promise<Map<string, number>> | undefined} */
    this.words = undefined;
    /** Rows of each list of genes. @type {Uint32Array | undefined} */
    this.listSizes = undefined;
    /** @type {Scorer | undefined} */
    this.scorer = undefined;
    /** @type {{q: string, plan: Plan} | undefined} */
    this.planned = undefined;
    /** @type {{plan: Plan, ranked: Ranked} | undefined} */
    this.ranked = undefined;
  }

  /** The columns with all that their terms are called: a file of its own, since a visitor may never type. */
  named() {
    return this.asked.get(this.namesFile);
  }

  /** @param {string} name */
  async open(name) {
    const names = await this.files.packed(name, (bytes) => /** @type {FacetNames[]} */ (JSON.parse(new TextDecoder().decode(bytes))));
    this.columns = this.columns.map((column, i) => column.named(names[i]));
    this.names = new Names(this.columns);
    return this.columns;
  }

  /**
   * @param {string} q
   * @returns {Promise<Plan | null>} null: there is no word in it
   */
  async plan(q) {
    if (this.planned?.q === q) return this.planned.plan;
    const content = contentWords(q);
    const words = content.length ? content : allWords(q); // small ones alone are looked up, and found nowhere
    if (!words.length) return null;
    await this.named();
    const terms = this.names.called(words);
    const plan = terms.length ? await this.planName(words, terms) : await this.planWords(words, !/\s$/.test(q));
    this.planned = { q, plan };
    return plan;
  }

  /**
   * The rows of a plan. They are good until those of another are asked for.
   * @param {Plan} plan
   */
  rank(plan) {
    if (this.ranked?.plan !== plan) {
      this.scorer ??= new Scorer(this.n, this.geneCodes);
      this.ranked = { plan, ranked: plan.score(this.scorer) };
    }
    return this.ranked.ranked;
  }

  /**
   * @param {string[]} words
   * @param {boolean} typing the last word may go on
   * @returns {Promise<Plan>}
   */
  async planWords(words, typing) {
    const last = words.length - 1;
    const begins = (/** @type {number} */ i) => typing && i === last && letters(words[i]) >= 2;
    const looked = await Promise.all(words.map((word, i) => this.lookUp(word, begins(i))));
    /** @type {Plan} */
    const plan = { words, found: [], corrected: [], missing: [], score: (scorer) => scorer.all(looked) };
    for (let i = 0; i < words.length; i++) {
      const word = words[i];
      if (looked[i].size) {
        plan.found.push({ word, prefix: begins(i) });
        continue;
      }
      if (letters(word) < LETTERS_TO_CORRECT) {
        plan.missing.push(word);
        continue;
      }
      const { match, to } = await this.lookUpNear(word);
      looked[i] = match;
      if (!match.size) plan.missing.push(word);
      else {
        plan.corrected.push({ from: word, to });
        plan.found.push(...to.map((other) => ({ word: other, prefix: false })));
      }
    }
    return plan;
  }

  /**
   * The query is the name of terms: whatever else they are called is as good.
   * @param {string[]} words
   * @param {Place[]} asked
   * @returns {Promise<Plan>}
   */
  async planName(words, asked) {
    const first = distinctNames(asked.flatMap((place) => this.names.of(place)));
    const places = distinctPlaces([...asked, ...first.flatMap((name) => this.names.called(name))]);
    const names = distinctNames(places.flatMap((place) => this.names.of(place)));
    const distinct = [...new Set(names.flat())];
    const looked = await Promise.all(distinct.map((word) => this.lookUp(word, false)));
    const matches = new Map(distinct.map((word, i) => [word, looked[i]]));
    return {
      words,
      found: distinct.map((word) => ({ word, prefix: false })),
      corrected: [],
      missing: [],
      score: (scorer) => scorer.any(
        names.map((name) => name.map((word) => /** @type {Match} */ (matches.get(word)))),
        this.masks(places),
      ),
    };
  }

  /** @param {Place[]} places */
  masks(places) {
    return this.columns.flatMap((column, i) => {
      const terms = places.filter((place) => place.column === i).map((place) => place.term);
      return terms.length ? [{ codes: column.codes, mask: column.mask(terms) }] : [];
    });
  }

  /**
   * @param {string} word
   * @param {boolean} prefix whether words that start so count too
   * @returns {Promise<Match>}
   */
  async lookUp(word, prefix) {
    const [exact, longer] = await Promise.all([this.shards.exact(word), prefix ? this.shards.starting(word) : null]);
    const match = new Matching(this);
    match.text(exact, 1);
    match.genes(exact.lists);
    if (longer) match.text(longer, STARTS);
    for (const place of this.names.equal(word)) match.name(place, OWN_NAME, NAME_ABOVE);
    if (prefix) for (const place of this.names.starting(word)) match.name(place, OWN_NAME_STARTS, 0);
    return match.done();
  }

  /**
   * All words one slip away.
   * @param {string} word
   */
  async lookUpNear(word) {
    const to = (await this.near(word, 1)).filter((other) => other !== word).sort(compare);
    const dictionary = to.length ? await this.dictionary() : null;
    const postings = await Promise.all(to.map((other) => (dictionary?.has(other) ? this.shards.exact(other) : null)));
    const match = new Matching(this);
    to.forEach((other, i) => {
      const posting = postings[i];
      if (posting) match.text(posting, MISSPELT);
      for (const place of this.names.equal(other)) match.name(place, NAME_ABOVE, NAME_ABOVE);
    });
    return { match: match.done(), to };
  }

  /**
   * Words of the dictionary and of names at most so far from one: nearest first, then the most frequent. None has a
   * number in it: another year or accession is another thing.
   * @param {string} word
   * @param {number} most
   * @returns {Promise<string[]>}
   */
  async near(word, most) {
    if (NUMBER.test(word)) return [];
    const dictionary = await this.dictionary();
    const named = this.names.table.words.filter((other) => !dictionary.has(other) && !NUMBER.test(other));
    return [...near(word, dictionary.keys(), most), ...near(word, named, most)]
      .map((other) => ({ ...other, rows: (dictionary.get(other.word) ?? 0) + this.rowsNamed(other.word) }))
      .sort((a, b) => a.distance - b.distance || b.rows - a.rows || compare(a.word, b.word))
      .map((other) => other.word);
  }

  /** @param {string} word */
  rowsNamed(word) {
    return this.names.equal(word).reduce((sum, { column, term }) => sum + this.columns[column].counts[term], 0);
  }

  dictionary() {
    this.words ??= this.files.packed(this.wordsFile, readDictionary).catch((error) => {
      this.words = undefined; // so that another try asks again
      throw error;
    });
    return this.words;
  }

  /**
   * Queries that may find something, where words of a plan are nowhere.
   * @param {Plan} plan
   * @returns {Promise<string[]>}
   */
  async suggestions({ words, missing }) {
    if (!missing.length) return [];
    /** @type {Map<string, string[]>} */
    const nearest = new Map();
    for (const word of new Set(missing)) {
      const found = await this.near(word, letters(word) < LETTERS_FOR_TWO ? 1 : 2);
      if (!found.length) return [];
      nearest.set(word, found.slice(0, SUGGESTIONS));
    }
    const n = Math.max(...[...nearest.values()].map((others) => others.length));
    const queries = Array.from({ length: n }, (_, i) => words.map((word) => {
      const others = nearest.get(word);
      return others ? others[Math.min(i, others.length - 1)] : word;
    }).join(' '));
    return [...new Set(queries)];
  }

  /** Rows of each list of genes, by code. */
  get sizesOfLists() {
    if (!this.listSizes) {
      this.listSizes = new Uint32Array(this.geneLists + 1);
      if (this.geneCodes) for (let row = 0; row < this.n; row++) this.listSizes[this.geneCodes[row]] += 1;
    }
    return this.listSizes;
  }

  /**
   * How much it says that only so many rows have something.
   * @param {number} rows
   */
  idf(rows) {
    return Math.log(1 + this.n / (rows + 0.5));
  }
}

/** Collects what a word matches. */
class Matching {
  /** @param {TextSearch} search */
  constructor(search) {
    this.search = search;
    /** @type {Match} */
    this.match = { texts: [], genes: null, names: [], size: 0 };
    /** @type {Map<number, Float64Array>} */
    this.scores = new Map();
  }

  /**
   * @param {Posting} posting
   * @param {number} worth
   */
  text({ rows, impacts }, worth) {
    if (!rows.length) return;
    this.match.texts.push({ rows, impacts, factor: worth * this.search.idf(rows.length) });
    this.match.size += rows.length;
  }

  /** @param {Uint32Array} lists */
  genes(lists) {
    const sizes = this.search.sizesOfLists;
    const has = new Uint8Array(sizes.length);
    let rows = 0;
    for (const list of lists) {
      has[list + 1] = 1;
      rows += sizes[list + 1];
    }
    if (!rows) return;
    this.match.genes = { has, factor: GENE * this.search.idf(rows) };
    this.match.size += rows;
  }

  /**
   * @param {Place} place
   * @param {number} own what it is worth to rows that name the term themselves
   * @param {number} above to rows that have a term below it; 0: they don't match
   */
  name({ column, term }, own, above) {
    const facet = this.search.columns[column];
    const idf = this.search.idf(facet.counts[term]);
    let scores = this.scores.get(column);
    if (!scores) this.scores.set(column, (scores = new Float64Array(facet.sets)));
    if (above) this.raise(scores, facet, facet.setsWith(), term, above * idf);
    this.raise(scores, facet, facet.setsNaming(), term, own * idf);
  }

  /**
   * @param {Float64Array} scores
   * @param {TermColumn} facet
   * @param {import('./columns.js').Lists} sets by term
   * @param {number} term
   * @param {number} value
   */
  raise(scores, facet, { offsets, items }, term, value) {
    for (let i = offsets[term]; i < offsets[term + 1]; i++) {
      const set = items[i];
      if (scores[set] === 0) this.match.size += facet.sizes[set];
      if (value > scores[set]) scores[set] = value;
    }
  }

  done() {
    for (const [column, scores] of this.scores) {
      const has = new Uint8Array(scores.length);
      let n = 0;
      for (let set = 0; set < scores.length; set++) n += has[set] = scores[set] > 0 ? 1 : 0;
      // A term may have no rows, or none of its own.
      if (n) this.match.names.push({ codes: this.search.columns[column].codes, scores, has });
    }
    return this.match;
  }
}

/** @param {string[][]} names */
function distinctNames(names) {
  return [...new Map(names.map((name) => [name.join(' '), name])).values()];
}

/** @param {Place[]} places */
function distinctPlaces(places) {
  return [...new Map(places.map((place) => [`${place.column} ${place.term}`, place])).values()];
}

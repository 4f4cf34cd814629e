/**
 * The tree of a facet's terms. Their parents are the nearest ones already: the writer of the index leaves out what is
 * reached through another, and circles.
 */

/** @typedef {{label: string, id: string, synonyms: string[], parents: number[]}} Term */

export class Tree {
  /** @param {Term[]} terms */
  constructor(terms) {
    this.terms = terms;
    this.flat = terms.every((term) => term.parents.length === 0);
    /** @type {number[] | undefined} */
    this.top = undefined;
    /** @type {Map<number, number[]>} */
    this.below = new Map();
  }

  /** The terms that stand below none. */
  roots() {
    return this.build();
  }

  /**
   * The terms right below a term.
   * @param {number} index
   * @returns {number[]}
   */
  children(index) {
    this.build();
    return this.below.get(index) ?? [];
  }

  /**
   * All terms above a term, nearest first; what is reached by several ways, by the longest.
   * @param {number} index
   * @returns {number[]}
   */
  ancestors(index) {
    /** @type {Set<number>} */
    const found = new Set();
    let level = this.terms[index].parents;
    // The writer leaves no circles; a bound, so that a damaged file can't hang the page.
    for (let step = 0; level.length && step < this.terms.length; step++) {
      for (const term of level) {
        found.delete(term);
        found.add(term);
      }
      level = [...new Set(level.flatMap((term) => this.terms[term].parents))];
    }
    return [...found];
  }

  build() {
    if (this.top) return this.top;
    this.top = [];
    for (let i = 0; i < this.terms.length; i++) {
      const { parents } = this.terms[i];
      if (!parents.length) this.top.push(i);
      for (const parent of parents) {
        const children = this.below.get(parent);
        if (children) children.push(i);
        else this.below.set(parent, [i]);
      }
    }
    return this.top;
  }
}

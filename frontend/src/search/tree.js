/**
 * The tree of a facet's terms: what stands below what among the shown ones, as `portal/facets.py` says it.
 */

/** @typedef {{label: string, id: string, synonyms: string[], parents: number[], shown: boolean}} Term */

export class Tree {
  /** @param {Term[]} terms */
  constructor(terms) {
    this.terms = terms;
    this.flat = terms.every((term) => term.parents.length === 0);
    /** @type {number[] | undefined} */
    this.top = undefined;
    /** @type {Map<number, number[]>} */
    this.below = new Map();
    /** @type {Map<number, number[]>} */
    this.over = new Map();
  }

  /** The shown terms that stand below none. */
  roots() {
    return this.build();
  }

  /**
   * The shown terms right below a term.
   * @param {number} index
   * @returns {number[]}
   */
  children(index) {
    this.build();
    return this.below.get(index) ?? [];
  }

  /**
   * All shown terms above a term, nearest first; what is reached by several ways, by the longest.
   * @param {number} index
   * @returns {number[]}
   */
  ancestors(index) {
    /** @type {Set<number>} */
    const found = new Set();
    let level = this.parents(index);
    // The writer leaves no circles; a bound, so that a damaged file can't hang the page.
    for (let step = 0; level.length && step < this.terms.length; step++) {
      for (const term of level) {
        found.delete(term);
        found.add(term);
      }
      level = [...new Set(level.flatMap((term) => this.parents(term)))];
    }
    return [...found];
  }

  build() {
    if (this.top) return this.top;
    this.top = [];
    for (let i = 0; i < this.terms.length; i++) {
      if (!this.terms[i].shown) continue;
      const parents = this.parents(i);
      if (!parents.length) this.top.push(i);
      for (const parent of parents) {
        const children = this.below.get(parent);
        if (children) children.push(i);
        else this.below.set(parent, [i]);
      }
    }
    return this.top;
  }

  /**
   * The nearest shown terms above a shown one: through those not shown, and without any that stands above another.
   * @param {number} index
   * @returns {number[]}
   */
  parents(index) {
    if (!this.terms[index].parents.length || !this.terms[index].shown) return [];
    let parents = this.over.get(index);
    if (!parents) {
      const nearest = this.nearest(index).sort((a, b) => a - b);
      const further = new Set(nearest.length > 1 ? nearest.flatMap((parent) => [...this.above(parent)]) : []);
      parents = nearest.filter((parent) => !further.has(parent));
      this.over.set(index, parents);
    }
    return parents;
  }

  /** @param {number} index */
  nearest(index) {
    /** @type {number[]} */
    const found = [];
    const seen = new Set([index]);
    const open = [...this.terms[index].parents];
    for (const term of open) {
      if (seen.has(term)) continue;
      seen.add(term);
      if (this.terms[term].shown) found.push(term);
      else open.push(...this.terms[term].parents);
    }
    return found;
  }

  /**
   * Everything above a term, itself not included.
   * @param {number} index
   */
  above(index) {
    /** @type {Set<number>} */
    const found = new Set();
    const open = [...this.terms[index].parents];
    for (const term of open) {
      if (found.has(term)) continue;
      found.add(term);
      open.push(...this.terms[term].parents);
    }
    found.delete(index);
    return found;
  }
}

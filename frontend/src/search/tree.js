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
   * All shown terms above a term, nearest first.
   * @param {number} index
   * @returns {number[]}
   */
  ancestors(index) {
    const seen = new Set([index]);
    /** @type {number[]} */
    const found = [];
    for (let level = [index]; level.length;) {
      /** @type {number[]} */
      const next = [];
      for (const term of level) {
        for (const parent of this.parents(term)) {
          if (seen.has(parent)) continue;
          seen.add(parent);
          found.push(parent);
          next.push(parent);
        }
      }
      level = next;
    }
    return found;
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
   * The nearest shown terms above: through those not shown, and without any that stands above another of them.
   * @param {number} index
   * @returns {number[]}
   */
  parents(index) {
    const nearest = this.nearest(index);
    if (nearest.length < 2) return nearest;
    const further = new Set(nearest.flatMap((parent) => [...this.above(parent)]));
    return nearest.filter((parent) => !further.has(parent));
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

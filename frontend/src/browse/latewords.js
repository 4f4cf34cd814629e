/** Stands in the page's bundle for `search/text.js`: what reads words is fetched with the first of them. */
import { later } from './lazy.js';

/**
 * @typedef {InstanceType<import('./lazy.js').Later['TextSearch']>} Real
 * @typedef {import('../search/text.js').Plan} Plan
 */

export class TextSearch {
  /** @param {ConstructorParameters<import('./lazy.js').Later['TextSearch']>[0]} parts */
  constructor(parts) {
    this.parts = parts;
    /** @type {Real | undefined} */
    this.real = undefined;
  }

  /** @param {string} q */
  async plan(q) {
    if (!q.trim()) return null;
    const { TextSearch: Words } = await later();
    this.real ??= new Words(this.parts);
    return this.real.plan(q);
  }

  /** @param {Plan} plan */
  rank(plan) {
    return /** @type {Real} */ (this.real).rank(plan);
  }

  /** @param {Plan} plan */
  suggestions(plan) {
    return /** @type {Real} */ (this.real).suggestions(plan);
  }
}

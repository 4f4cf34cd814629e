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

  /** @returns {Promise<Real>} */
  async words() {
    const { TextSearch: Words } = await later();
    return (this.real ??= new Words(this.parts));
  }

  /** @param {string} q */
  async plan(q) {
    return q.trim() ? (await this.words()).plan(q) : null;
  }

  async named() {
    return (await this.words()).named();
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

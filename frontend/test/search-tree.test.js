import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Tree } from '../src/search/tree.js';

/**
 * @param {Record<string, string[]>} parents the nearest ones
 */
function tree(parents) {
  const labels = Object.keys(parents);
  const made = new Tree(labels.map((label) => ({
    label, id: '', synonyms: [], parents: parents[label].map((parent) => labels.indexOf(parent)),
  })));
  const named = (/** @type {number[]} */ found) => found.map((i) => labels[i]);
  return {
    roots: () => named(made.roots()),
    children: (/** @type {string} */ label) => named(made.children(labels.indexOf(label))),
    ancestors: (/** @type {string} */ label) => named(made.ancestors(labels.indexOf(label))),
  };
}

describe('the tree of terms', () => {
  it('has roots and children in the order of the terms', () => {
    const { roots, children } = tree({ brain: [], cortex: ['brain'], lung: [], cerebellum: ['brain'] });
    assert.deepEqual(roots(), ['brain', 'lung']);
    assert.deepEqual(children('brain'), ['cortex', 'cerebellum']);
    assert.deepEqual(children('lung'), []);
  });

  it('keeps two parents', () => {
    const { roots, children, ancestors } = tree({ x: ['top'], y: ['top'], top: [], z: ['x', 'y'] });
    assert.deepEqual(roots(), ['top']);
    assert.deepEqual([children('x'), children('y')], [['z'], ['z']]);
    assert.deepEqual(ancestors('z'), ['x', 'y', 'top']);
  });

  it('puts what is reached by a longer way further off', () => {
    const { ancestors } = tree({ t: ['a', 'b'], a: ['top'], b: ['c'], c: ['top'], top: [] });
    assert.deepEqual(ancestors('t'), ['a', 'b', 'c', 'top']);
  });

  it('does not hang on a circle', () => {
    const { ancestors, roots } = tree({ a: ['b'], b: ['a'], c: ['a'] });
    ancestors('c');
    roots();
  });

  it('may have many terms without parents', () => {
    const made = new Tree(Array.from({ length: 70_000 }, (_, i) => ({ label: `${i}`, id: '', synonyms: [], parents: [] })));
    assert.equal(made.roots().length, 70_000);
    assert.deepEqual(made.children(5), []);
  });
});

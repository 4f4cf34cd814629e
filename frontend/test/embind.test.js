import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { invoker } from '../src/embind.js';

/** @param {(...args: any[]) => unknown} act */
const number = (act = (value) => value) => ({
  toWireType: (/** @type {unknown[] | null} */ undo, /** @type {number} */ value) => { undo?.push('undo', value); return value + 1; },
  fromWireType: act,
});

describe('the function behind a codec', () => {
  it('converts, calls and converts back', () => {
    const make = invoker(['throwBindingError', 'invoker', 'fn', 'runDestructors', 'retType', 'classParam', 'argType0', 'argType1', 'return ret;']);
    const add = make(assert.fail, (/** @type {string} */ fn, /** @type {number} */ a, /** @type {number} */ b) => [fn, a, b], 'add', assert.fail, number((value) => value.join()), null, number(), number());
    assert.equal(add(1, 2), 'add,2,3');
  });

  it('frees each argument that has a destructor', () => {
    /** @type {unknown[]} */
    const freed = [];
    const make = invoker(['humanName', 'throwBindingError', 'invoker', 'fn', 'runDestructors', 'retType', 'classParam', 'argType0', 'argType1', 'arg1Wired_dtor', '']);
    const free = make('free', assert.fail, () => 7, 'fn', assert.fail, number(), null, number(), number(), (/** @type {unknown} */ value) => freed.push(value));
    assert.equal(free(1, 2), undefined);
    assert.deepEqual(freed, [3]);
  });

  it('or all of them, where the glue keeps a list', () => {
    /** @type {unknown[]} */
    let freed = [];
    const make = invoker(['throwBindingError', 'invoker', 'fn', 'runDestructors', 'retType', 'classParam', 'argType0', 'var destructors = [];']);
    make(assert.fail, () => 0, 'fn', (/** @type {unknown[]} */ list) => { freed = list; }, number(), null, number())(4);
    assert.deepEqual(freed, ['undo', 4]);
  });

  it('wants as many arguments as it was made for', () => {
    const make = invoker(['throwBindingError', 'invoker', 'fn', 'runDestructors', 'retType', 'classParam', 'argType0', '']);
    const fail = (/** @type {string} */ message) => { throw new Error(message); };
    assert.throws(() => make(fail, assert.fail, 'fn', assert.fail, number(), null, number())(), /0 arguments, expected 1/);
  });
});

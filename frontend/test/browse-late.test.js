import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { later } from '../src/browse/lazy.js';
import { TextSearch } from '../src/browse/latewords.js';

describe('what is fetched later', () => {
  it('can do all that the engine asks of it', async () => {
    const engine = readFileSync(new URL('../src/search/engine.js', import.meta.url), 'utf8');
    const asked = [...new Set([...engine.matchAll(/this\.text\.(\w+)/g)].map((match) => match[1]))];
    assert.ok(asked.includes('plan'));
    for (const method of asked) {
      assert.equal(typeof (/** @type {any} */ (TextSearch.prototype)[method]), 'function', method);
      assert.equal(typeof (/** @type {any} */ ((await later()).TextSearch.prototype)[method]), 'function', method);
    }
  });
});

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { date, parse, size, value } from '../src/browse/words.js';

describe('figures', () => {
  it('are written as the pages write them', () => {
    assert.deepEqual([0, 999, 999_600, 49_900_000, 123_000_000, 2.5e9].map(size), ['0 B', '999 B', '1.0 MB', '49.9 MB', '123 MB', '2.5 GB']);
    assert.equal(value('count', 1234567), '1,234,567');
    assert.equal(date(19358), '2023-01-01');
  });

  it('are read as people write them', () => {
    const cases = /** @type {[string, string, boolean, any][]} */ ([
      ['count', '', false, null], ['count', ' 1,000 ', false, 1000], ['count', 'many', false, undefined],
      ['bytes', '25 MB', false, 25_000_000], ['bytes', '25mb', false, 25_000_000], ['bytes', '1.2 GB', false, 1.2e9], ['bytes', '17', false, 17],
      ['date', '2023', false, 19358], ['date', '2023', true, 19722], ['date', '2023-02', true, 19416], ['date', '2023-02-30', false, undefined], ['date', '2023-1-1', false, 19358],
      ['date', '2023-13', false, undefined], ['date', 'soon', false, undefined],
    ]);
    for (const [kind, text, end, wanted] of cases) assert.equal(parse(kind, text, end), wanted, `${kind} ${text}`);
  });
});

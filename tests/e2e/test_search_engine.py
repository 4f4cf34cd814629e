"""The search engine in a real browser against the rules spelled out: in the page and in a worker.

The same random catalogs and queries as in `tests/test_search_engine.py`, which asks it in node.
"""

from __future__ import annotations

import random
import shutil
from pathlib import Path

import pytest

from portal.search import write_index
from portal.serve import start
from tests.conftest import ROOT
from tests.search_oracle import Oracle
from tests.test_search_engine import QUERIES, compare, numbered, random_catalog, random_query

pytestmark = pytest.mark.browser

ASK = """async ([name, queries, remote]) => {
  const { openEngine } = await import('/src/engine.js');
  const { openRemote } = await import('/src/remote.js');
  const engine = remote
    ? await openRemote('/src/worker.js', '/search/', name)
    : await openEngine('/search/', name);
  const plain = (value) => JSON.parse(JSON.stringify(value, (_, v) => ArrayBuffer.isView(v) ? [...v] : v));
  const answers = [];
  for (const query of queries) {
    const asked = { q: '', terms: {}, ranges: {}, sort: 'relevance', page: 1, size: 48, ...query };
    const { ms, found, ...answer } = await engine.search(asked);
    answers.push(plain({ ...answer, all: await engine.rows(asked) }));
  }
  return answers;
}"""


@pytest.mark.parametrize("remote", [False, True], ids=["page", "worker"])
@pytest.mark.parametrize("seed", [100, 101, 102])
def test_the_engine_agrees_with_the_oracle(browser, tmp_path: Path, seed: int, remote: bool):
    rng = random.Random(seed)
    catalog = numbered(random_catalog(rng, rng.choice([12, 40, 90])))
    oracle = Oracle(catalog)
    queries = [random_query(rng, oracle) for _ in range(QUERIES)]
    name = write_index(catalog, tmp_path / "search", shard_bytes=rng.choice([80, 65_536]), chunk=8)
    shutil.copytree(ROOT / "frontend" / "src" / "search", tmp_path / "src")
    (tmp_path / "index.html").write_text("<!doctype html><title>Engine</title>")
    with start(tmp_path) as base:
        page = browser.new_page()
        page.goto(base)
        answers = page.evaluate(ASK, [name, queries, remote])
    for query, answer in zip(queries, answers, strict=True):
        compare(oracle, query, answer)

"""The browser's engine against the rules spelled out: random catalogs, random queries.

The index is written by `portal.search`, read by the front end's modules in node, and every answer
is compared with that of the brute-force oracle.
"""

from __future__ import annotations

import json
import random
import shutil
import subprocess
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from portal.search import FIELDS, Documents, RangeInfo, TermColumn, TermInfo, write_index
from portal.search_facets import shown_first
from tests.search_cases import CASES, asked, documents
from tests.search_oracle import Answer, Oracle

FRONTEND = Path(__file__).parent.parent / "frontend"
NODE = shutil.which("node")
pytestmark = pytest.mark.skipif(NODE is None, reason="node is not installed")

QUERIES = 400
SORTS = ["relevance", "relevance", "relevance", "newest", "title", "n_obs", "published_at"]
# Words that are near each other, begin with each other, are small, or are written in many ways.
_WRITTEN = """
    lung lungs lunge luna brain brains brawn cortex cortical cell cells cello human humane man
    mouse mouser house tissue tissues issue map maps mapping atlas alias of the and in situ vitro
    t b ad 10x 10 2019 2020 v1 cd8 cd8a kidney kidny renal transcript transcriptomics spatial
    Sjögren Ærø straße Łódź ΜΟΝΆΔΑΣ マウス 脳 دماغ naïve 𐐔𐐀𐑅 ｗｉｄｅ ﬁbre x² gene genes general
"""
WORDS = _WRITTEN.split()
GENES = ["Mbp", "MBP", "Gfap", "CD3E", "HLA-A", "ENSG00000119888", "Spp1", "lung", "cell", "10x"]


@pytest.mark.parametrize("seed", range(8))
def test_the_engine_agrees_with_the_oracle(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    catalog = numbered(random_catalog(rng, rng.choice([1, 2, 12, 40, 90])))
    shard_bytes = rng.choice([80, 300, 65_536])
    oracle = Oracle(catalog)
    queries = [random_query(rng, oracle) for _ in range(QUERIES)]
    answers = _run(tmp_path, catalog, queries, shard_bytes)
    for query, answer in zip(queries, answers, strict=True):
        compare(oracle, query, answer)


def test_the_engine_agrees_on_the_table(tmp_path: Path) -> None:
    """As the table's own catalog in one shard, with the scores' order in full."""
    catalog = numbered(documents())
    oracle = Oracle(catalog)
    queries = [asked(oracle.facets, case["query"]) for case in CASES]
    for query, answer in zip(queries, _run(tmp_path, catalog, queries), strict=True):
        compare(oracle, query, answer)


def _run(
    folder: Path, catalog: Documents, queries: list[dict[str, Any]], shard_bytes: int = 65_536
) -> list[dict[str, Any]]:
    name = write_index(catalog, folder / "search", shard_bytes=shard_bytes, chunk=8)
    asked_ = folder / "queries.json"
    asked_.write_text(json.dumps(queries), encoding="utf-8")
    script = FRONTEND / "test" / "search-run.mjs"
    done = subprocess.run(
        [str(NODE), str(script), str(folder / "search"), name, str(asked_)],
        capture_output=True,
        check=False,
    )
    assert not done.returncode, done.stderr.decode()
    return json.loads(done.stdout)


def compare(oracle: Oracle, query: dict[str, Any], answer: dict[str, Any]) -> None:
    expected = oracle.search(query)
    assert answer["total"] == len(expected.rows), query
    _compare_order(query, expected, answer["all"])
    page, size = query.get("page", 1), query.get("size", 48)
    assert answer["rows"] == answer["all"][(page - 1) * size : page * size], query
    for column, counts in answer["counts"].items():
        assert counts == expected.counts[column][: len(counts)], (query, column)
    for column, values in expected.histograms.items():
        assert answer["histograms"][column]["counts"] == _bars(
            answer["histograms"][column]["edges"], values
        ), (query, column)
    corrected = [(c["from"], c["to"]) for c in answer["corrected"]]
    assert corrected == expected.corrected, query
    assert answer["suggestions"] == expected.suggestions, query
    assert answer["drop"] == expected.drop, query


def _compare_order(query: dict[str, Any], expected: Answer, rows: list[int]) -> None:
    if query.get("sort", "relevance") != "relevance" or not expected.scores:
        assert rows == expected.rows, query
        return
    assert sorted(rows) == sorted(expected.rows), query
    for a, b in pairwise(rows):
        more = expected.scores[a] - expected.scores[b]
        # Scores are compared as floats of 32 bits; what is equal but for rounding is a tie.
        assert more > -1e-6 * expected.scores[b], (query, a, b)
        assert a > b or abs(more) > 1e-9, (query, a, b)


def _bars(edges: list[int], values: list[int]) -> list[int]:
    assert edges == sorted(set(edges)) or len(edges) == 2
    assert len(edges) <= 25
    counts = [0] * max(len(edges) - 1, 0)
    for value in values:
        assert edges[0] <= value <= edges[-1]
        at = int(np.searchsorted(edges, value, side="right")) - 1
        counts[min(at, len(counts) - 1)] += 1
    return counts


# --- random catalogs


def numbered(catalog: Documents) -> Documents:
    """With the numbers that the index gives the terms."""
    return replace(catalog, facets=[shown_first(facet) for facet in catalog.facets])


def random_catalog(rng: random.Random, n: int) -> Documents:
    texts = {name: [_text(rng, 3 if name == "title" else 6) for _ in range(n)] for name in FIELDS}
    lists = [rng.sample(GENES, rng.randint(0, 5)) for _ in range(rng.randint(0, 3))]
    return Documents(
        ids=pa.array([f"a{i:03}" for i in range(n)]),
        facets=[_facet(rng, n, column) for column in ("tissue", "assay", "year")],
        ranges=[_range(rng, n, *given) for given in _RANGES],
        texts={name: pa.array(values, pa.string()) for name, values in texts.items()},
        cards=lambda a, b: [f"<li>{i}</li>" for i in range(a, b)],
        gene_lists=lists,
        gene_list=np.array([rng.randrange(-1, len(lists)) for _ in range(n)], np.int32),
    )


_RANGES = [("n_obs", "count", 10**6), ("size_bytes", "bytes", 10**13), ("published_at", "date", 50)]


def _range(rng: random.Random, n: int, column: str, kind: Any, most: int) -> RangeInfo:
    values = [rng.choice([-1, 0, rng.randint(0, 9), rng.randint(0, most)]) for _ in range(n)]
    return RangeInfo(column, column, kind, np.array(values, np.int64))


def _text(rng: random.Random, most: int) -> str:
    return rng.choice([" ", ", ", "-"]).join(rng.choices(WORDS, k=rng.randint(0, most)))


def _facet(rng: random.Random, n: int, column: str) -> TermColumn:
    n_terms = rng.randint(1, 12)
    terms = []
    for i in range(n_terms):
        above = range(i + 1, n_terms)
        parents = rng.sample(above, min(len(above), rng.choice([0, 0, 1, 1, 2])))
        synonyms = tuple(_text(rng, 3) for _ in range(rng.randint(0, 2)))
        id_ = rng.choice([None, f"X:{rng.randint(0, 99):07}", f"cl:{i}"])
        terms.append(TermInfo(_text(rng, 2), id_, synonyms, tuple(parents), rng.random() < 0.8))
    own = [rng.sample(range(n_terms), rng.randint(1, min(3, n_terms))) for _ in range(n)]
    return TermColumn(
        column,
        column,
        "term",
        terms,
        np.concatenate(([0], np.cumsum([len(o) for o in own]))),
        np.array([code for o in own for code in o], np.int32),
    )


# --- random queries


def random_query(rng: random.Random, oracle: Oracle) -> dict[str, Any]:
    query: dict[str, Any] = {"sort": rng.choice(SORTS)}
    if rng.random() < 0.7:
        query["q"] = _words(rng, oracle)
    if rng.random() < 0.4:
        shown = {f.column: sum(t.shown for t in f.terms) for f in oracle.facets}
        query["terms"] = {
            column: rng.sample(range(shown[column]), rng.randint(1, min(3, shown[column])))
            for column in rng.sample(list(shown), rng.randint(1, 3))
        }
    if rng.random() < 0.3:
        column, _, most = rng.choice(_RANGES)
        known = [v for v in oracle.values[column] if v >= 0] or [0]
        low, high = sorted((rng.choice(known), rng.choice([*known, rng.randint(0, most)])))
        query["ranges"] = {column: rng.choice([[low, high], [low, None], [None, high]])}
    if rng.random() < 0.2:
        query["page"], query["size"] = rng.randint(1, 4), rng.choice([1, 7])
    return _in_order(query, oracle)


def _in_order(query: dict[str, Any], oracle: Oracle) -> dict[str, Any]:
    """Columns as the index has them, which is the order in which filters are told."""
    if "terms" in query:
        columns = [f.column for f in oracle.facets if f.column in query["terms"]]
        query["terms"] = {c: query["terms"][c] for c in columns}
    return query


def _words(rng: random.Random, oracle: Oracle) -> str:
    kind = rng.random()
    if kind < 0.25:
        term = rng.choice(rng.choice(list(oracle.facets)).terms)
        return rng.choice([term.label, *term.synonyms, term.id or term.label])
    words = rng.choices([*WORDS, *GENES], k=rng.choice([1, 1, 1, 2, 3]))
    if kind < 0.55:
        words[-1] = words[-1][: rng.randint(1, len(words[-1]))]
    elif kind < 0.8:
        at = rng.randrange(len(words))
        words[at] = _slip(rng, words[at])
    return " ".join(words) + rng.choice(["", "", " ", "!"])


def _slip(rng: random.Random, word: str) -> str:
    """The word with a letter or two wrong."""
    for _ in range(rng.choice([1, 1, 2])):
        at = rng.randrange(len(word) + 1)
        changed = [
            word[:at] + word[at + 1 :],
            word[:at] + rng.choice("aeioux") + word[at:],
            word[:at] + word[at + 1 : at + 2] + word[at : at + 1] + word[at + 2 :],
        ]
        word = rng.choice(changed) or word
    return word

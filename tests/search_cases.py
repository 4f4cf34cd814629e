"""The catalog and the queries of `search_cases.json`, for Python and for the browser's tests.

`python -m tests.search_cases` writes the index of that catalog into the front end's fixtures.
"""

from __future__ import annotations

import gzip
import json
import shutil
from collections.abc import Sequence
from functools import cache
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from portal.search import FIELDS, Documents, RangeInfo, TermColumn, TermInfo, write_index
from portal.search_container import unpack
from tests.search_oracle import Oracle

HERE = Path(__file__).parent
FIXTURE = HERE.parent / "frontend" / "test" / "fixtures" / "search"
TABLE: dict[str, Any] = json.loads((HERE / "search_cases.json").read_text("utf-8"))
CASES: list[dict[str, Any]] = TABLE["cases"]
SMALL = {"shard_bytes": 40, "chunk": 8}
"""So that a small catalog has many shards, terms for prefixes, and several files of cards."""


def documents() -> Documents:
    """The catalog of the table."""
    rows = TABLE["rows"]
    lists = [r.get("genes", -1) for r in rows]
    texts = {
        name: pa.array(
            [f"{r['id']} {r.get(name, '')}" if name == "names" else r.get(name, "") for r in rows],
            pa.string(),
        )
        for name in FIELDS
    }
    return Documents(
        ids=pa.array([r["id"] for r in rows]),
        facets=[_facet(f, rows) for f in TABLE["facets"]],
        ranges=[
            RangeInfo(
                r["column"],
                r["label"],
                r["kind"],
                np.array([row.get("ranges", {}).get(r["column"], -1) for row in rows]),
            )
            for r in TABLE["ranges"]
        ],
        texts=texts,
        cards=lambda a, b: [f'<li id="{r["id"]}">{escape(r["title"])}</li>' for r in rows[a:b]],
        gene_lists=TABLE["gene_lists"],
        gene_list=np.array(lists, np.int32),
    )


def place(terms: list[TermInfo], named: str) -> int:
    """The term with an id, else with a label."""
    by_id = [i for i, t in enumerate(terms) if t.id == named]
    return by_id[0] if by_id else next(i for i, t in enumerate(terms) if t.label == named)


def asked(facets: Sequence[TermColumn], query: dict[str, Any]) -> dict[str, Any]:
    """The query of a case with its terms by number."""
    by_column = {f.column: list(f.terms) for f in facets}
    terms = {
        column: [place(by_column[column], named) for named in chosen]
        for column, chosen in query.get("terms", {}).items()
    }
    return {**query, "terms": terms}


def write_fixture(out: Path) -> str:
    """Write the index of the table's catalog anew, and the score of each row in each case."""
    shutil.rmtree(out, ignore_errors=True)
    name = write_index(documents(), out, **SMALL)
    (out / "index.json").write_text(json.dumps({"facets": name}) + "\n", encoding="utf-8")
    lines = ",\n".join(f" {json.dumps(c['name'])}: {json.dumps(scores(c))}" for c in CASES)
    (out / "scores.json").write_text(f"{{\n{lines}\n}}\n", encoding="utf-8")
    return name


def scores(case: dict[str, Any]) -> dict[str, float]:
    """The score of each row that a case finds, best first; empty where no text is asked for."""
    oracle = _oracle()
    answer = oracle.search(asked(oracle.facets, case["query"] | {"sort": "relevance"}))
    ids = oracle.documents.ids.to_pylist()
    return {ids[row]: round(answer.scores[row], 6) for row in answer.rows if answer.scores}


@cache
def _oracle() -> Oracle:
    return Oracle(documents())


def contents(folder: Path) -> dict[str, Any]:
    """What the files say, without what depends on the version of zlib: sizes and names."""
    found: dict[str, Any] = {}
    for path in sorted(p for p in folder.rglob("*-*.*") if p.is_file()):
        name = path.relative_to(folder).as_posix()
        key = name.rpartition("-")[0]
        assert key not in found, f"{name} is there twice"
        data = path.read_bytes()
        if key != "facets":
            found[key] = gzip.decompress(data) if path.suffix == ".bin" else data
            continue
        header, arrays = unpack(gzip.decompress(data))
        header.pop("files")
        kept = {n: a.tolist() for n, a in arrays.items() if not n.endswith(".hash")}
        found[key] = header, kept
    scored = json.loads((folder / "scores.json").read_text("utf-8"))
    return {**found, "scores": scored}


def _facet(facet: dict[str, Any], rows: list[dict[str, Any]]) -> TermColumn:
    labels = [t["label"] for t in facet["terms"]]
    terms = [
        TermInfo(
            t["label"],
            t.get("id"),
            tuple(t.get("synonyms", ())),
            tuple(labels.index(p) for p in t.get("parents", ())),
            t.get("shown", True),
        )
        for t in facet["terms"]
    ]
    own = [
        [place(terms, named) for named in r.get("facets", {}).get(facet["column"], ["unknown"])]
        for r in rows
    ]
    return TermColumn(
        facet["column"],
        facet["label"],
        facet["kind"],
        terms,
        np.concatenate(([0], np.cumsum([len(o) for o in own]))),
        np.array([code for o in own for code in o], np.int32),
    )


if __name__ == "__main__":
    print(FIXTURE / write_fixture(FIXTURE))

"""The cases of the search by the brute-force oracle, and the fixture that the browser's tests read."""

from __future__ import annotations

from typing import Any

import pytest

from tests.search_cases import CASES, FIXTURE, asked, contents, documents, place, write_fixture
from tests.search_oracle import Oracle


@pytest.fixture(scope="module")
def oracle() -> Oracle:
    return Oracle(documents())


@pytest.mark.parametrize("case", CASES, ids=[c["name"] for c in CASES])
def test_the_oracle_agrees_with_the_table(oracle: Oracle, case: dict[str, Any]) -> None:
    answer = oracle.search(asked(oracle.facets, case["query"]))
    ids = [oracle.documents.ids[row].as_py() for row in answer.rows]
    assert (ids if case["ordered"] else sorted(ids)) == case["ids"]
    for column, counts in case.get("counts", {}).items():
        terms = list(next(f.terms for f in oracle.facets if f.column == column))
        assert {t: answer.counts[column][place(terms, t)] for t in counts} == counts
    for column, values in case.get("histograms", {}).items():
        assert answer.histograms[column] == values
    if "corrected" in case or answer.corrected:
        assert [{"from": a, "to": b} for a, b in answer.corrected] == case["corrected"]
    if "suggestions" in case:
        assert answer.suggestions == case["suggestions"]
    if "drop" in case:
        assert answer.drop == case["drop"]


def test_names_of_cases_are_unique() -> None:
    names = [c["name"] for c in CASES]
    assert len(set(names)) == len(names)


def test_the_fixture_is_fresh(tmp_path) -> None:
    write_fixture(tmp_path)
    assert contents(tmp_path) == contents(FIXTURE), "run python -m tests.search_cases"

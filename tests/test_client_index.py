"""The index read in Python against the rules spelled out, as the browser's engine is."""

from __future__ import annotations

import gzip
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from portal.client.index import Index, IndexDamaged, newest_first, passing
from portal.client.text import TextSearch
from portal.search import Documents, write_index
from portal.search_container import pack, squeeze, unpack
from tests.search_cases import CASES, SMALL, asked, documents
from tests.search_oracle import Oracle
from tests.test_search_engine import _compare_order, numbered, random_catalog, random_query

QUERIES = 60


def opened(folder: Path, catalog: Documents, **sizes: int) -> tuple[Index, list[str]]:
    """An index written and read again, and the list of the files that are read from now on."""
    name = write_index(catalog, folder, **sizes)
    seen: list[str] = []

    def read(file: str) -> bytes:
        seen.append(file)
        return (folder / file).read_bytes()

    return Index(read, name), seen


def check(index: Index, text: TextSearch, oracle: Oracle, query: dict[str, Any]) -> None:
    """What the browser's engine puts together of a query, put together here."""
    expected = oracle.search(query)
    found = text.find(query.get("q", ""))
    parts: dict[tuple[str, str], np.ndarray] = {}
    if found is not None:
        parts["text", ""] = found.rows
    for column in index.columns:
        if terms := query.get("terms", {}).get(column.column):
            parts["terms", column.column] = column.having(terms)
    for numbers in index.ranges:
        low, high = query.get("ranges", {}).get(numbers.column, (None, None))
        if (low, high) != (None, None):
            parts["ranges", numbers.column] = numbers.within(low, high)

    def but(key: tuple[str, str] | None) -> np.ndarray:
        return passing((rows for other, rows in parts.items() if other != key), index.n)

    keys = {r.column: r.codes.astype(np.int64) for r in index.ranges}
    keys |= {"title": -index.title_ranks} | ({"relevance": found.keys} if found else {})
    sort = query.get("sort", "relevance")
    rows = newest_first(np.flatnonzero(but(None)), keys.get(sort)).tolist()
    _compare_order(query, expected, rows)
    for column in index.columns:
        counts = column.count(but(("terms", column.column))).tolist()
        assert counts == expected.counts[column.column][: len(counts)], (query, column.column)
    for numbers in index.ranges:
        among = np.flatnonzero(but(("ranges", numbers.column)))
        assert sorted(numbers.numbers(among)) == expected.histograms[numbers.column], query
    assert list(found.corrected.items() if found else ()) == distinct(expected.corrected), query
    suggested = text.suggestions(found) if found and not rows else []
    assert suggested == expected.suggestions, query
    for told in expected.drop:
        key = told["kind"], told.get("column", "")
        assert np.count_nonzero(but(key)) == told["total"], query


def distinct(pairs: list[Any]) -> list[Any]:
    """A word that is typed twice is told once."""
    return [pair for i, pair in enumerate(pairs) if pair not in pairs[:i]]


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> tuple[Index, TextSearch, Oracle]:
    catalog = numbered(documents())
    index, _ = opened(tmp_path_factory.mktemp("table"), catalog, **SMALL)
    return index, TextSearch(index), Oracle(catalog)


@pytest.mark.parametrize("case", CASES, ids=[c["name"] for c in CASES])
def test_the_table(table: tuple[Index, TextSearch, Oracle], case: dict[str, Any]) -> None:
    index, text, oracle = table
    check(index, text, oracle, asked(oracle.facets, case["query"]))


@pytest.mark.parametrize("seed", range(12))
def test_it_agrees_with_the_oracle(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    catalog = numbered(random_catalog(rng, rng.choice([1, 2, 12, 40, 90])))
    shard_bytes = rng.choice([80, 300, 65_536])
    index, _ = opened(tmp_path, catalog, shard_bytes=shard_bytes, chunk=8)
    text, oracle = TextSearch(index), Oracle(catalog)
    for _ in range(QUERIES):
        check(index, text, oracle, random_query(rng, oracle))


def test_only_what_is_asked_for_is_read(tmp_path: Path) -> None:
    index, seen = opened(tmp_path, documents(), **SMALL)
    assert [name.partition("-")[0] for name in seen] == ["facets"]
    index.columns[0].having([0])
    assert len(seen) == 1
    text = TextSearch(index)
    text.find("sagittal ")
    assert [name.partition("-")[0] for name in seen[1:2]] == ["names"]
    assert len([name for name in seen if name.startswith("text/")]) == 1
    before = len(seen)
    text.find("sagittal ")
    assert len(seen) == before


def test_a_file_that_the_host_unpacked_is_read(tmp_path: Path) -> None:
    name = write_index(documents(), tmp_path)
    index = Index(lambda file: gzip.decompress((tmp_path / file).read_bytes()), name)
    found = TextSearch(index).find("sagittal")
    assert found is not None
    assert found.rows.any()


def _header(change: Callable[[dict[str, Any]], object]) -> Callable[[bytes], bytes]:
    def changed(data: bytes) -> bytes:
        header, arrays = unpack(gzip.decompress(data))
        change(header)
        return squeeze(pack(header, arrays))

    return changed


def _array(name: str, value: int) -> Callable[[bytes], bytes]:
    def changed(data: bytes) -> bytes:
        header, arrays = unpack(gzip.decompress(data))
        arrays[name] = np.full_like(arrays[name], value)
        return squeeze(pack(header, arrays))

    return changed


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: data[:-40],
        lambda data: b"<html>",
        lambda data: b"",
        _header(lambda header: header.update(format=2)),
        _header(lambda header: header.update(n=7)),
        _header(lambda header: header["files"].update(words="../../etc/passwd")),
        _header(lambda header: header["facets"][0]["labels"].pop()),
        _header(lambda header: header["facets"][0]["parents"].__setitem__(0, [99])),
        _header(lambda header: header["facets"][0]["parents"].__setitem__(0, [-1])),
        _header(lambda header: header["text"]["first"].pop()),
        _array("tissue.codes", 99),
        _array("tissue.set", 99),
        _array("n_obs.codes", 200),
        _array(":genes", 99),
    ],
    ids=[
        *("cut", "a page", "empty", "format", "rows", "path", "labels", "parent", "below zero"),
        *("shards", "codes", "set", "range", "genes"),
    ],
)
def test_a_damaged_file_is_told(tmp_path: Path, damage: Callable[[bytes], bytes]) -> None:
    name = write_index(documents(), tmp_path)
    data = damage((tmp_path / name).read_bytes())
    with pytest.raises(IndexDamaged, match=name):
        Index(lambda file: data, name)


@pytest.mark.parametrize("stem", ["names", "words", "text/0", "title", "rows"])
def test_damage_of_a_later_file_is_told(tmp_path: Path, stem: str) -> None:
    name = write_index(documents(), tmp_path)
    (file,) = tmp_path.glob(f"{stem}-*")
    file.write_bytes(squeeze(b"\xff[1, 2]"))
    index = Index(lambda file: (tmp_path / file).read_bytes(), name)
    use: dict[str, Callable[[], object]] = {
        "title": lambda: index.title_ranks,
        "rows": lambda: index.catalog_rows,
    }
    with pytest.raises(IndexDamaged, match=stem):
        use.get(stem, lambda: TextSearch(index).find("xenuim"))()


def test_parents_in_a_circle_do_no_harm(tmp_path: Path) -> None:
    name = write_index(documents(), tmp_path)

    def circle(header: dict[str, Any]) -> None:
        for facet in header["facets"]:
            n = len(facet["labels"])
            facet["parents"] = [[(i + 1) % n] for i in range(n)]

    data = _header(circle)((tmp_path / name).read_bytes())
    column = Index(lambda file: data, name).columns[0]
    assert column.having([0]).all()
    assert set(column.counts.tolist()) == {len(documents())}

"""The index as files: what is written is what the documents say, whatever they say."""

from __future__ import annotations

import sys
import unicodedata
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from portal import search_text
from portal.search import FIELDS, Documents, RangeInfo, TermColumn, TermInfo, write_index
from portal.search_container import narrow, pack, squeeze, unpack
from portal.search_facets import facet_arrays, facet_header, rounded, shown_first
from portal.search_fold import SMALL_WORDS, content_words, fold, tokens_of, words
from portal.search_text import index_text, shards, spelling
from tests import search_oracle
from tests.search_cases import documents
from tests.search_decoder import Decoded, container, read, shard, whole_numbers
from tests.search_oracle import Oracle, three_figures

quick = settings(max_examples=60, suppress_health_check=list(HealthCheck), deadline=None)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]))


def made(texts: list[str], *, genes: list[list[str]] | None = None) -> Documents:
    """Documents with these descriptions and nothing else."""
    n = len(texts)
    lists = genes or []
    return Documents(
        ids=pa.array([f"id{i}" for i in range(n)], pa.string()),
        facets=[],
        ranges=[],
        texts={f: pa.array(texts if f == "description" else [""] * n, pa.string()) for f in FIELDS},
        cards=lambda a, b: [f"<li>{i}</li>" for i in range(a, b)],
        gene_lists=lists,
        gene_list=np.array([i % len(lists) if lists else -1 for i in range(n)], np.int32),
    )


class TestFold:
    def test_every_character_alone(self) -> None:
        for code in range(sys.maxunicode + 1):
            if 0xD800 <= code < 0xE000:
                continue
            c = chr(code)
            assert words(c) == [w for w in search_oracle.words(c) if w], hex(code)

    def test_every_character_in_a_column(self) -> None:
        codes = [c for c in range(sys.maxunicode + 1) if not 0xD800 <= c < 0xE000]
        texts = [f"a{chr(c)}B" for c in codes]
        tokens, of = tokens_of(pa.array(texts))
        found: list[list[str]] = [[] for _ in texts]
        for token, row in zip(tokens.to_pylist(), of.tolist(), strict=True):
            found[row].append(token)
        assert found == [words(t) for t in texts]

    @quick
    @given(TEXTS)
    def test_as_it_is_defined(self, text: str) -> None:
        assert fold(text) == search_oracle.fold(text)
        assert words(text) == [w for w in search_oracle.words(text) if w]
        assert content_words(text) == search_oracle.content(text)

    @quick
    @given(st.lists(st.one_of(TEXTS, st.text("ab \n-ßΣς𐐔é", max_size=9))), st.integers(0, 3))
    def test_a_column_is_split_as_one_string_is(self, texts: list[str], begin: int) -> None:
        array = pa.array(texts, pa.string()).slice(min(begin, len(texts)))
        tokens, of = tokens_of(array)
        found: list[list[str]] = [[] for _ in range(len(array))]
        for token, row in zip(tokens.to_pylist(), of.tolist(), strict=True):
            found[row].append(token)
        assert found == [words(t) for t in array.to_pylist()]

    def test_what_is_not_there_has_no_words(self) -> None:
        tokens, of = tokens_of(pa.array([None, "", "a b"]))
        assert tokens.to_pylist() == ["a", "b"]
        assert of.tolist() == [2, 2]

    def test_no_small_word_is_changed_by_folding(self) -> None:
        assert {fold(w) for w in SMALL_WORDS} == SMALL_WORDS == search_oracle.SMALL


class TestContainer:
    @quick
    @given(st.lists(st.lists(st.integers(0, 2**50)), max_size=5), TEXTS)
    def test_comes_back(self, columns: list[list[int]], text: str) -> None:
        arrays = {f"c{i}.codes": narrow(np.array(c, np.int64)) for i, c in enumerate(columns)}
        data = pack({"about": text}, arrays)
        for header, found in (container(data), unpack(data)):
            assert header["about"] == text
            assert [list(map(int, a)) for a in found.values()] == columns

    def test_the_narrowest_type(self) -> None:
        for value, name in ((255, "u8"), (256, "u16"), (65_536, "u32"), (2**32, "f64")):
            header, _ = unpack(pack({}, {"x": narrow(np.array([0, value]))}))
            assert header["arrays"] == [["x", name, 2]]

    def test_has_no_time_in_it(self) -> None:
        assert squeeze(b"abc")[4:8] == bytes(4)


class TestFacets:
    @quick
    @given(st.lists(st.lists(st.integers(0, 9), max_size=6), max_size=30))
    def test_sets_come_back_in_order_of_frequency(self, rows: list[list[int]]) -> None:
        offsets = np.concatenate(([0], np.cumsum([len(r) for r in rows], dtype=np.int64)))
        codes = np.array([c for r in rows for c in r], np.int32)
        column = TermColumn("c", "C", "term", [TermInfo(str(i)) for i in range(10)], offsets, codes)
        arrays = {name: a.tolist() for name, a in facet_arrays(column).items()}
        flat = iter(arrays["c.set"])
        sets = [tuple(next(flat) for _ in range(n)) for n in arrays["c.setlen"]]
        assert [sets[code] for code in arrays["c.codes"]] == [tuple(sorted(set(r))) for r in rows]
        assert len(set(sets)) == len(sets)
        counts = np.bincount(arrays["c.codes"]).tolist() if rows else []
        assert counts == sorted(counts, reverse=True)

    def test_parents_are_the_nearest_shown(self) -> None:
        terms = [
            TermInfo("hidden", parents=(1,), shown=False),
            TermInfo("top"),
            TermInfo("leaf", parents=(0, 1, 3)),
            TermInfo("between", parents=(1,)),
            TermInfo("never named, but shown", parents=(0,)),
        ]
        column = TermColumn("c", "C", "term", terms, np.array([0, 1]), np.array([2], np.int32))
        header = facet_header(shown_first(column))
        assert header["labels"] == ["top", "leaf", "between", "never named, but shown"]
        assert header["parents"] == [[], [2], [0], [0]]

    @quick
    @given(st.lists(st.integers(-1, 2**53)))
    def test_sizes_have_three_figures(self, values: list[int]) -> None:
        column = RangeInfo("b", "B", "bytes", np.array(values, np.int64))
        assert rounded(column).tolist() == [three_figures(v) for v in values]
        plain = RangeInfo("b", "B", "count", np.array(values, np.int64))
        assert rounded(plain).tolist() == values


WORDS = st.text("abcdeé𐐔0", min_size=1, max_size=4)


class TestText:
    @quick
    @given(
        st.lists(st.lists(WORDS, max_size=8), min_size=1, max_size=25),
        st.lists(st.lists(WORDS, min_size=1), max_size=3),
        st.sampled_from([16, 60, 400, 65_536]),
    )
    def test_postings_are_those_of_the_documents(
        self, rows: list[list[str]], genes: list[list[str]], size: int
    ) -> None:
        given_ = made([" ".join(r) for r in rows], genes=genes)
        cut = list(shards(index_text(given_), size))
        found = [shard(data) for _, data in cut]
        assert [first for first, _ in cut] == [next(iter(part)) for part in found]
        terms = [t for part in found for t in part]
        assert terms == sorted(terms)
        assert len(set(terms)) == len(terms)
        self.check_words(given_, found)
        self.check_stars(len(rows), found)

    @staticmethod
    def check_words(given_: Documents, found: list[dict[str, list[tuple[int, int]]]]) -> None:
        oracle, n = Oracle(given_), len(given_)
        said = {
            t: {d: q for d, q in postings if d < n}
            for part in found
            for t, postings in part.items()
            if not t.endswith("*")
        }
        assert {t: p for t, p in said.items() if p} == oracle.impact
        lists = {
            (t, d - n, q)
            for part in found
            for t, postings in part.items()
            for d, q in postings
            if d >= n
        }
        assert lists == {
            (word, i, 1)
            for i, genes in enumerate(given_.gene_lists)
            for gene in genes
            for word in content_words(gene)
        }

    @staticmethod
    def check_stars(n: int, found: list[dict[str, list[tuple[int, int]]]]) -> None:
        """A prefix has a term of its own where its words lie in more than three shards."""
        shards_of: dict[str, set[int]] = {}
        best: dict[str, dict[int, int]] = {}
        for k, part in enumerate(found):
            for term, postings in part.items():
                for length in range(2, len(term.rstrip("*")) + 1):
                    prefix = term[:length]
                    shards_of.setdefault(prefix, set()).add(k)
                    for d, q in postings if d_is_word(term) else ():
                        if d < n:
                            rows = best.setdefault(prefix, {})
                            rows[d] = max(rows.get(d, 0), q)
        stars = {t[:-1]: dict(p) for part in found for t, p in part.items() if t.endswith("*")}
        assert {p for p, at in shards_of.items() if len(at) > 3} <= set(stars)
        assert stars == {p: best.get(p, {}) for p in stars}

    def test_the_pieces_of_the_work_leave_no_trace(self, monkeypatch: pytest.MonkeyPatch) -> None:
        texts = [f"w{i % 7} x{i} é{i % 3} same same" for i in range(40)]
        given_ = made(texts, genes=[[f"g{i}", "same"] for i in range(9)])
        whole = list(shards(index_text(given_), 64))
        monkeypatch.setattr(search_text, "_ROWS", 7)
        monkeypatch.setattr(search_text, "_STRINGS", 5)
        assert list(shards(index_text(given_), 64)) == whole

    def test_a_frequent_prefix_has_a_term(self) -> None:
        texts = [f"ab{i:03} abc{i:03}" for i in range(200)]
        terms = [t for _, data in shards(index_text(made(texts)), 256) for t in shard(data)]
        assert {"ab*", "abc*", "ab0*", "abc1*"} <= set(terms)
        assert "a*" not in terms
        assert "ab00*" not in terms

    def test_the_dictionary_has_words_without_numbers_most_frequent_first(self) -> None:
        texts = ["brain brain abc b4rain", "brain liver", "liver ångström", "liver from"]
        lines = spelling(index_text(made(texts, genes=[["GENE", "liver"]]))).decode()
        assert lines == "liver\t3\nbrain\t2\nangstrom\t1\n"

    def test_no_text_at_all(self) -> None:
        assert list(shards(index_text(made(["", "-"])))) == []

    def test_numbers_of_any_length(self) -> None:
        assert whole_numbers(bytes([0, 127, 128, 1, 255, 255, 3])) == [0, 127, 128, 65_535]


def d_is_word(term: str) -> bool:
    return not term.endswith("*")


class TestIndex:
    @pytest.fixture(scope="class")
    def found(self, tmp_path_factory: pytest.TempPathFactory) -> Decoded:
        folder = tmp_path_factory.mktemp("search")
        return read(folder, write_index(documents(), folder))

    def test_facets_come_back(self, found: Decoded) -> None:
        facets = [shown_first(f) for f in documents().facets]
        for facet, header, names in zip(facets, found.header["facets"], found.names, strict=True):
            shown = sum(t.shown for t in facet.terms)
            assert not any(t.shown for t in facet.terms[shown:])
            assert len(header["labels"]) == shown
            assert header["labels"] + names["labels"] == [t.label for t in facet.terms]
            assert header["ids"] + names["ids"] == [t.id or "" for t in facet.terms]
            assert names["synonyms"] == [list(t.synonyms) for t in facet.terms]
            assert names["parents"] == [list(t.parents) for t in facet.terms]
            bounds = zip(facet.offsets, facet.offsets[1:], strict=False)
            own = [sorted(facet.codes[a:b].tolist()) for a, b in bounds]
            assert found.own[facet.column] == own

    def test_ranges_come_back(self, found: Decoded) -> None:
        for column in documents().ranges:
            values = [None if v < 0 else v for v in rounded(column).tolist()]
            assert found.values[column.column] == values

    def test_text_comes_back(self, found: Decoded) -> None:
        n = len(documents())
        rows = {t: {d: q for d, q in postings if d < n} for t, postings in found.postings.items()}
        oracle = Oracle(documents())
        assert {t: p for t, p in rows.items() if p} == oracle.impact
        assert found.header["text"]["first"] == [next(iter(s)) for s in found.shards]
        assert found.header["text"]["avg"] == sum(oracle.length) / n
        assert dict(found.words) == oracle.dictionary
        assert found.gene_list == documents().gene_list.tolist()

    def test_cards_come_back(self, found: Decoded) -> None:
        assert found.cards == documents().cards(0, len(documents()))

    def test_titles_are_ranked(self, found: Decoded) -> None:
        order = Oracle(documents()).in_order(range(len(documents())), "title", {})
        assert [found.title[row] for row in order] == list(range(len(documents())))

    def test_rows_of_the_catalog_are_by_id(self, found: Decoded) -> None:
        ids = documents().ids.to_pylist()
        assert sorted(ids) == [ids[found.rows.index(i)] for i in range(len(ids))]

    def test_nothing_at_all(self, tmp_path: Path) -> None:
        found = read(tmp_path, write_index(made([]), tmp_path))
        assert (found.header["n"], found.shards, found.cards) == (0, [], [])

    def test_a_facet_beside_the_rail_is_marked(self, tmp_path: Path) -> None:
        one = TermColumn(
            "c", "C", "value", [TermInfo("x")], np.array([0, 1]), np.array([0]), in_rail=False
        )
        found = read(tmp_path, write_index(replace(made(["a"]), facets=[one]), tmp_path))
        assert found.header["facets"][0]["rail"] is False

    def test_same_documents_same_bytes(self, tmp_path: Path) -> None:
        for name in ("a", "b"):
            write_index(documents(), tmp_path / name)
        a, b = (
            {p.relative_to(tmp_path / n): p.read_bytes() for p in (tmp_path / n).rglob("*.*")}
            for n in ("a", "b")
        )
        assert a == b

    def test_names_are_made_from_the_content(self, tmp_path: Path) -> None:
        from portal.search_container import hash8

        write_index(documents(), tmp_path)
        for path in tmp_path.rglob("*.*"):
            assert path.stem.rpartition("-")[2] == hash8(path.read_bytes())


def test_a_letter_is_a_letter_to_python_and_to_unicode() -> None:
    """`portal.search_fold` leans on it."""
    for code in range(sys.maxunicode + 1):
        c = chr(code)
        assert c.isalnum() == (unicodedata.category(c)[0] in "LN"), hex(code)

"""Records → documents → the search of a site."""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from portal.catalog import write_catalog
from portal.csp import inline_hashes, policy
from portal.entry import Collection
from portal.facets import facets_of
from portal.facts import ElementFacts, StoreFacts
from portal.ontology import load_ontology
from portal.record import CitationText, Record, Value
from portal.resources import docs_dir
from portal.search import Documents, write_index
from portal.search_container import unpack
from portal.search_documents import documents_of
from portal.search_prose import write_prose
from tests.search_decoder import Decoded, read
from tests.search_oracle import Oracle
from tests.sitekit import COLLECTIONS, SCHEMA, bare_shell, build, config, plain_record, record


def documents(newest_first: Sequence[Record]) -> Documents:
    facets = facets_of(newest_first, config(), SCHEMA, COLLECTIONS, load_ontology())
    oldest_first = newest_first[::-1]

    def cards(a: int, b: int) -> list[str]:
        return [f"<li>{r.id}</li>" for r in oldest_first[a:b]]

    return documents_of(facets, oldest_first, COLLECTIONS, cards)


def found_by(newest_first: Sequence[Record], q: str) -> list[str]:
    oracle = Oracle(documents(newest_first))
    return sorted(oracle.documents.ids[row].as_py() for row in oracle.search({"q": q}).rows)


def table(*genes: str, symbols: Sequence[str] = (), name: str = "table") -> StoreFacts:
    element = ElementFacts(
        kind="tables",
        name=name,
        path=f"tables/{name}",
        n_rows=1,
        n_vars=len(genes),
        feature_ids=genes,
        feature_names=tuple(symbols),
    )
    return StoreFacts(kind="spatialdata", elements=(element,))


class TestDocuments:
    def test_everything_that_a_record_says_is_found(self) -> None:
        both = [record(aliases=("old-name",)), plain_record("other")]
        for q in (
            *("brain-1", "old-name", "brains of mice", "sagittal", "not bold", "fresh frozen"),
            *("doe 2019", "10.1234/brain", "https://doi.org/10.1234/brain", "spots", "3355"),
            *("mouse", "Mus musculus", "visium", "brain", "UBERON:0000955"),
        ):
            assert found_by(both, q) == ["brain-1"], q

    def test_an_ancestor_of_a_term_is_found_too(self) -> None:
        cerebellum = (Value(label="cerebellum", id="UBERON:0002037"),)
        both = [plain_record("a", values={"tissue": cerebellum}), plain_record("b")]
        assert found_by(both, "brain") == ["a"]
        assert found_by(both, "central nervous system") == ["a"]

    def test_what_was_written_in_place_of_a_label_is_found(self) -> None:
        written = (Value(label="Visium", written="VisiumV1-ish"),)
        assert found_by([plain_record("a", values={"technology": written})], "visiumv1") == ["a"]

    def test_answers_to_a_question_are_no_words(self) -> None:
        values = {"hne_image": (Value(label="yes"),), "replicate": (Value(label="unknown"),)}
        names = documents([plain_record("a", values=values)]).texts["names"].to_pylist()
        assert names == ["a"]

    def test_markdown_is_read_as_it_is_shown(self) -> None:
        description = "A *sag*ittal [section](https://example.org/hidden) &amp; more\n\n- `code`"
        text = documents([plain_record("a", description=description)]).texts["description"]
        assert text.to_pylist()[0].split() == ["A", "sagittal", "section", "&", "more", "code"]

    def test_rows_are_oldest_first_in_every_column(self) -> None:
        newest_first = [
            plain_record("new", n_obs=5, values={"tissue": (Value(label="lung"),)}),
            plain_record("old", n_obs=3, values={"tissue": (Value(label="liver"),)}),
        ]
        made = documents(newest_first)
        assert made.ids.to_pylist() == ["old", "new"]
        tissue = next(f for f in made.facets if f.column == "tissue")
        assert tissue.offsets.tolist() == [0, 1, 2]
        assert [tissue.terms[c].label for c in tissue.codes] == ["liver", "lung"]
        n_obs = next(r for r in made.ranges if r.column == "n_obs")
        assert n_obs.values.tolist() == [3, 5]

    def test_artifacts_with_the_same_genes_share_a_list(self) -> None:
        panel = table("ENSG1", "ENSG2", symbols=("EPCAM", "CD3E"))
        records = [
            plain_record("c", facts=panel, default_table="table"),
            plain_record("b", facts=panel),
            plain_record("a", facts=panel, default_table="table"),
        ]
        made = documents(records)
        assert made.gene_lists == [["ENSG1", "ENSG2", "EPCAM", "CD3E"]]
        assert made.gene_list.tolist() == [0, -1, 0]
        assert found_by(records, "epcam") == ["a", "c"]

    def test_a_citation_of_any_shape(self) -> None:
        for csl in (
            {},
            {"author": "Doe", "issued": None},
            {"author": [None, {"family": None, "literal": 7}], "issued": {"date-parts": [[]]}},
        ):
            cited = CitationText(text="", bibtex="", csl=csl, pmid="123")
            assert found_by([plain_record("a", citation=cited)], "pmid 123") == ["a"]

    def test_half_a_character_does_no_harm(self, tmp_path: Path) -> None:
        half = "half \ud800 done"
        of_it = plain_record("a", title=half, values={"tissue": (Value(label=half),)})
        write_index(documents([of_it]), tmp_path / "search")
        assert "half" in site_index(tmp_path).postings


def site_index(out: Path) -> Decoded:
    folder = out / "search"
    return read(folder, next(folder.glob("facets-*.bin")).name)


class TestSite:
    def test_only_what_is_listed_is_searched(self, tmp_path: Path) -> None:
        build(
            tmp_path,
            [
                plain_record("b", "2020-01-02"),
                plain_record("gone", status="withdrawn", reason="Why."),
                plain_record("a", "2020-01-02"),
                plain_record("z", "2019-01-01"),
            ],
        )
        found = site_index(tmp_path)
        assert [re.findall(r'datasets/(\w+)/"', card)[0] for card in found.cards] == ["z", "a", "b"]

    def test_rows_lead_to_the_catalog(self, tmp_path: Path) -> None:
        records = [
            plain_record("b", "2020-01-02"),
            plain_record("ago", status="withdrawn", reason="Why."),
            plain_record("a", "2020-01-03"),
        ]
        build(tmp_path, records)
        write_catalog(records, {}, tmp_path / "catalog")
        uids = pq.read_table(tmp_path / "catalog" / "catalog.parquet")["uid"].to_pylist()
        assert [uids[row] for row in site_index(tmp_path).rows] == ["b", "a"]

    def test_a_card_is_the_one_of_browse(self, tmp_path: Path) -> None:
        build(tmp_path, [record(), plain_record("x", title="<b>&")])
        page = (tmp_path / "browse" / "index.html").read_text("utf-8")
        for card in site_index(tmp_path).cards:
            assert card.strip() in page

    def test_nothing_to_search_is_no_fault(self, tmp_path: Path) -> None:
        build(tmp_path, [])
        assert not (tmp_path / "search").exists()

    def test_hostile_names_stay_names(self, tmp_path: Path) -> None:
        label = "</script><script>alert(1)</script>\0\u202e"
        build(
            tmp_path,
            [plain_record("a", values={"tissue": (Value(label=label),)}, collections=("x",))],
            collections={"x": Collection(name='"><img src=x>')},
        )
        labels = {f["column"]: f["labels"] for f in site_index(tmp_path).header["facets"]}
        assert labels["tissue"] == ["</script><script>alert(1)</script>"]

    def test_any_page_may_start_a_worker_of_the_site(self) -> None:
        assert "worker-src &#x27;self&#x27;;" in policy(inline_hashes(""), viewer=False)

    def test_same_records_same_bytes(self, tmp_path: Path) -> None:
        records = [record(), plain_record("x", facts=table("g"), default_table="table")]
        for name in ("a", "b"):
            build(tmp_path / name, records if name == "a" else records[::-1], shell=bare_shell())
        a, b = (
            {
                p.relative_to(tmp_path / name): p.read_bytes()
                for p in (tmp_path / name / "search").rglob("*.*")
            }
            for name in ("a", "b")
        )
        assert a == b


class TestProse:
    def page(self, site: Path, name: str, body: str) -> None:
        path = site / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"<html><body><header>Menu</header>{body}</body></html>", "utf-8")

    def test_the_article_of_each_page_as_text(self, tmp_path: Path) -> None:
        self.page(
            tmp_path,
            "docs/using/index.html",
            '<article><h1 id="u">Using <code>it</code><a class="headerlink" href="#u">¶</a></h1>'
            "<p>One <em>wo</em>rd &amp; two</p><p>next</p><style>p{}</style>"
            "<script>alert(1)</script><svg><title>no</title></svg></article><footer>End</footer>",
        )
        self.page(tmp_path, "about/index.html", "<article><p>About &lt;us&gt;</p></article>")
        for name in ("index.html", "404.html", "browse/index.html", "datasets/a/index.html"):
            self.page(tmp_path, name, "<article>not prose</article>")
        self.page(tmp_path, "empty/index.html", "<article></article>")
        name = write_prose(tmp_path, tmp_path / "search")
        assert name is not None
        pages = json.loads((tmp_path / "search" / name).read_text("utf-8"))
        assert pages == [
            {"title": "about/", "address": "about/", "text": "About <us>"},
            {"title": "Using it", "address": "docs/using/", "text": "One word & two next"},
        ]

    def test_no_prose_no_file(self, tmp_path: Path) -> None:
        assert write_prose(tmp_path, tmp_path / "search") is None


def test_the_documented_reader_reads_the_files(tmp_path: Path) -> None:
    text = (docs_dir() / "docs" / "search-index.md").read_text("utf-8")
    code = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    scope: dict = {}
    exec(textwrap.dedent("".join(code)), scope)
    build(tmp_path, [record(), plain_record("x")])
    import gzip

    for path in (tmp_path / "search").glob("*.bin"):
        if path.name.startswith(("words", "names")):
            continue
        header, arrays = scope["read"](path)
        expected_header, expected = unpack(gzip.decompress(path.read_bytes()))
        assert header == expected_header
        assert all(np.array_equal(arrays[k], a) for k, a in expected.items())

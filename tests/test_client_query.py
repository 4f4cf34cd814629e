"""Selections of a portal: conditions, combinations, order, search, tables."""

from __future__ import annotations

import sys
from datetime import date, timedelta
from pathlib import Path
from subprocess import run
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from portal.catalog import write_catalog
from portal.client import open_portal
from portal.client.columns import UNKNOWN
from portal.client.query import Hits
from portal.client.site import Portal
from portal.entry import Collection
from portal.errors import PortalError, UsageError
from portal.record import UNKNOWN as OF_RECORD
from portal.record import Record, Value
from tests.clientkit import site, table_site
from tests.search_cases import CASES
from tests.sitekit import plain_record, record, store_facts

LUNG = Value(label="lung", id="UBERON:0002048")
LOBE = Value(label="upper lobe of lung", id="UBERON:0008948")
CORTEX = Value(label="cerebral cortex", id="UBERON:0000956")
BRAIN = Value(label="brain", id="UBERON:0000955")
HUMAN = Value(label="Homo sapiens", id="NCBITaxon:9606")
COLLECTIONS = {
    "atlas": Collection(name="Atlas of lungs"),
    "brains": Collection(name="Brains of mice"),
    "empty": Collection(name="Nothing yet"),
}


def made() -> list[Record]:
    """Eight artifacts, two of which no list has."""
    facts = store_facts()
    table = facts.elements[-1].model_copy(
        update={
            "feature_ids": ("ENSG00000119888.15", "ENSG00000141510"),
            "feature_names": ("EPCAM", "TP53"),
        }
    )
    points = table.model_copy(
        update={"kind": "points", "name": "transcripts", "feature_ids": (), "feature_names": ()}
    )
    with_genes = facts.model_copy(update={"elements": (*facts.elements[:-1], table, points)})

    def a(id_: str, day: str, tissue: tuple[Value, ...] = (), **more: Any) -> Record:
        values = {"organism": (HUMAN,), **({"tissue": tissue} if tissue else {})}
        return plain_record(id_, day, **{"values": values, "collections": ("atlas",), **more})

    return [
        record("mouse", published="2019-12-02", aliases=("old-mouse",)),
        a("lung-1", "2020-01-01", (LUNG,), n_obs=500, title="Section 10"),
        a("lung-2", "2021-05-20", (LOBE,), n_obs=1500, title="Section 2"),
        a(
            "both",
            "2021-05",
            (LUNG, BRAIN),
            n_obs=7,
            title="section 1",
            facts=with_genes,
            default_table="table",
        ),
        a("cortex", "2022", (CORTEX,), status="announced"),
        a("nothing", "2022-02-02", collections=(), values={}),
        a("gone", "2023-01-01", (LUNG,), status="withdrawn"),
        a("former", "2023-01-02", (LUNG,), status="superseded", superseded_by="lung-2"),
    ]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return site(tmp_path_factory.mktemp("site"), made(), collections=COLLECTIONS)


@pytest.fixture(scope="module")
def db(folder: Path) -> Portal:
    return open_portal(folder)


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Portal:
    """The catalog without a site around it."""
    out = tmp_path_factory.mktemp("alone")
    write_catalog(made(), COLLECTIONS, out)
    return open_portal(out / "catalog.parquet")


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Portal:
    return open_portal(table_site(tmp_path_factory.mktemp("table")))


# --- the same answers as the browser


def asked(portal: Portal, query: dict[str, Any]) -> Hits:
    """A query of the table in the words of the client."""
    conditions: dict[str, Any] = dict(query.get("terms", {}))
    for column, ends in query.get("ranges", {}).items():
        for op, end in zip(("gte", "lte"), ends, strict=True):
            if end is not None and column == "published_at":
                end = date(1970, 1, 1) + timedelta(end)
            if end is not None:
                conditions[f"{column}__{op}"] = end
    hits = portal.filter(**conditions)
    if "q" in query:
        hits = hits.search(query["q"])
    orders = {"newest": (), "title": ("title",)}
    if (sort := query.get("sort", "relevance")) != "relevance":
        hits = hits.order_by(*orders.get(sort, (f"-{sort}",)))
    return hits


def by_size(query: dict[str, Any]) -> bool:
    """Sizes are exact in the client; browse has three figures of them."""
    return "size_bytes" in query.get("ranges", {}) or query.get("sort") == "size_bytes"


@pytest.mark.parametrize(
    "case", [c for c in CASES if not by_size(c["query"])], ids=lambda case: case["name"]
)
def test_the_table(table: Portal, case: dict[str, Any]) -> None:
    hits = asked(table, case["query"])
    assert len(hits) == len(case["ids"])
    assert (hits.ids if case["ordered"] else sorted(hits.ids)) == case["ids"]
    for column, counts in case.get("counts", {}).items():
        found = hits.facets(column)[column]
        assert {label: found.get(label, 0) for label in counts} == counts
    corrected = [{"from": word, "to": to} for word, to in hits.corrected.items()]
    assert corrected == case.get("corrected", [])
    if "suggestions" in case:
        assert hits.suggestions == case["suggestions"]


# --- terms


@pytest.mark.parametrize(
    "said",
    [
        *("lung", "Lung", " LUNG ", "lungs", "UBERON:0002048", "uberon:0002048", "UBERON_0002048"),
        *("pulmo", ["lung"], ["lung", "lung"]),
    ],
    ids=str,
)
def test_a_term_by_any_name_with_what_lies_below(db: Portal, alone: Portal, said: Any) -> None:
    for portal in (db, alone):
        assert portal.filter(tissue=said).ids == ["lung-2", "both", "lung-1"]


def test_terms_above_those_of_the_site(db: Portal, alone: Portal) -> None:
    for portal in (db, alone):
        assert portal.filter(tissue="organ").ids == ["cortex", "lung-2", "both", "lung-1", "mouse"]
        assert portal.filter(tissue="central nervous system").ids == ["cortex", "both", "mouse"]
        assert portal.filter(tissue="kidney").ids == []  # a term, and nothing here has it


def test_several_values_are_either_several_columns_both(db: Portal) -> None:
    assert db.filter(tissue=["lung", "cortex of cerebral hemisphere"]).ids == [
        "cortex",
        "lung-2",
        "both",
        "lung-1",
    ]
    assert db.filter(tissue="brain", organism="human").ids == ["cortex", "both"]
    assert db.filter(tissue="brain").filter(tissue="lung").ids == ["both"]
    assert db.filter(tissue=[]).ids == []


def test_unknown_is_a_value(db: Portal, alone: Portal) -> None:
    for portal in (db, alone):
        assert portal.filter(tissue="unknown").ids == ["nothing"]
        assert portal.filter(tissue=None).ids == ["nothing"]
        assert portal.filter(tissue__isnull=True).ids == ["nothing"]
        assert portal.filter(n_obs="unknown").ids == portal.filter(n_obs__isnull=True).ids
    assert UNKNOWN == OF_RECORD


def test_values_that_the_site_calls_otherwise(db: Portal) -> None:
    assert db.filter(validation_status="warn").ids == ["mouse"]
    assert db.filter(validation_status="warnings").ids == ["mouse"]
    assert db.filter(year=2022).ids == db.filter(year="2022").ids == ["nothing", "cortex"]


@pytest.mark.parametrize(
    ("conditions", "told"),
    [
        ({"tisue": "lung"}, "No column is called `tisue`. Did you mean 'tissue'"),
        ({"tisue__in": ["lung"]}, "No column is called `tisue`. Did you mean 'tissue'"),
        ({"tissue": "lugn"}, "Nothing in `tissue` is called 'lugn' here. Did you mean 'lung'?"),
        ({"organism": "humen"}, "Did you mean 'human'"),
        ({"tissue": "Homo sapiens"}, "Nothing in `tissue` is called 'Homo sapiens' here"),
        ({"n_obs__gtt": 5}, "Did you mean 'gt'"),
        ({"n_obs__gt": "many"}, "n_obs holds numbers: 'many' is none"),
        ({"n_obs__contains": "1"}, "of which `contains` can't be asked"),
        ({"n_obs__in": 5}, "n_obs__in takes a list"),
        ({"title__in": "Section 2"}, "title__in takes a list"),
        ({"published_at__gt": "soon"}, "holds dates"),
        ({"title__isnull": "yes"}, "True or False"),
        ({"license_unknown": 3}, "holds True and False"),
        ({"element_kinds__gt": "a"}, "holds lists of texts"),
        ({"elements": "transcript"}, "Did you mean 'transcripts'"),
        ({"elements__in": ["points"]}, "has no operators"),
        ({"genes": "EPCAMM"}, "Did you mean 'EPCAM'"),
        ({"collection": "atlass"}, "Did you mean 'atlas'"),
    ],
    ids=lambda value: str(value) if isinstance(value, dict) else "",
)
def test_what_is_wrong_is_told_with_the_nearest(
    db: Portal, conditions: dict[str, Any], told: str
) -> None:
    with pytest.raises(UsageError) as caught:
        db.filter(**conditions)
    assert told in str(caught.value)


# --- columns


@pytest.mark.parametrize(
    ("conditions", "ids"),
    [
        ({"n_obs__gt": 500}, ["lung-2", "mouse"]),
        ({"n_obs__gte": 500}, ["lung-2", "lung-1", "mouse"]),
        ({"n_obs__lt": 500}, ["both"]),
        ({"n_obs__lte": 500.0}, ["both", "lung-1"]),
        ({"n_obs__gte": 7, "n_obs__lt": 1500}, ["both", "lung-1"]),
        ({"n_obs": 7}, ["both"]),
        ({"n_obs__ne": 7}, ["nothing", "cortex", "lung-2", "lung-1", "mouse"]),
        ({"n_obs__in": [7, 500, 3]}, ["both", "lung-1"]),
        ({"n_obs__in": [7, None]}, ["nothing", "cortex", "both"]),
        ({"n_obs__in": []}, []),
        ({"published_at__in": ["2019", "2022-02"]}, ["nothing", "mouse"]),
        ({"title__contains": "ection 1"}, ["both", "lung-1", "mouse"]),
        ({"title__contains": "Section 1"}, ["lung-1"]),
        ({"title__icontains": "SECTION 1"}, ["both", "lung-1", "mouse"]),
        ({"title__startswith": "Sec"}, ["lung-2", "lung-1"]),
        ({"title__istartswith": "sec"}, ["lung-2", "both", "lung-1"]),
        ({"title__endswith": "10"}, ["lung-1"]),
        ({"title": "Section 2"}, ["lung-2"]),
        ({"title": "section 2"}, []),
        ({"published_at__gte": "2021"}, ["nothing", "cortex", "lung-2", "both"]),
        ({"published_at__gt": "2021"}, ["nothing", "cortex"]),
        ({"published_at__lte": "2021-05"}, ["lung-2", "both", "lung-1", "mouse"]),
        ({"published_at__lt": date(2021, 5, 20)}, ["both", "lung-1", "mouse"]),
        ({"published": "2021"}, ["lung-2", "both"]),
        ({"tissue__in": ["lung"]}, ["both", "lung-1"]),  # exact: nothing below it
        ({"tissue__in": ["UBERON:0002048"]}, ["both", "lung-1"]),
        ({"tissue__ne": "lung"}, ["nothing", "cortex", "lung-2", "mouse"]),
        ({"tissue__contains": "lobe"}, ["lung-2"]),
        ({"tissue__isnull": False}, ["cortex", "lung-2", "both", "lung-1", "mouse"]),
        ({"cell_type__isnull": True}, ["nothing", "cortex", "lung-2", "both", "lung-1", "mouse"]),
        ({"collection": "brains"}, ["mouse"]),
        (
            {"collection": ["brains", "Atlas of lungs"]},
            ["cortex", "lung-2", "both", "lung-1", "mouse"],
        ),
        ({"collection": "empty"}, []),
        ({"elements": "points"}, ["both"]),
        ({"elements": "point"}, ["both"]),
        ({"elements": "transcripts"}, ["both"]),
        ({"elements": ["he", "points"]}, ["both", "mouse"]),
        ({"genes": "EPCAM"}, ["both"]),
        ({"genes": ["epcam", "ENSG00000141510"]}, ["both"]),
        ({"genes": "ENSG00000119888"}, ["both"]),
        ({"genes": "ENSG00000119888.3"}, ["both"]),
        ({"genes": ["EPCAM", "GFAP"]}, []),  # a gene, and nothing here measures it
        ({"license_unknown": True}, ["nothing", "cortex", "lung-2", "both", "lung-1"]),
        ({"uid__in": ["both", "gone"]}, ["both"]),
        ({"id": "both"}, ["both"]),
        ({}, ["nothing", "cortex", "lung-2", "both", "lung-1", "mouse"]),
    ],
    ids=lambda value: str(value) if isinstance(value, dict) else "",
)
def test_conditions(db: Portal, alone: Portal, conditions: dict[str, Any], ids: list[str]) -> None:
    assert db.filter(**conditions).ids == ids
    if conditions.get("collection") != ["brains", "Atlas of lungs"]:  # names are of the site
        assert alone.filter(**conditions).ids == ids


# --- combinations


def test_sets(db: Portal) -> None:
    lung, brain = db.filter(tissue="lung"), db.filter(tissue="brain")
    assert (lung | brain).ids == ["cortex", "lung-2", "both", "lung-1", "mouse"]
    assert (lung & brain).ids == ["both"]
    assert (~lung).ids == ["nothing", "cortex", "mouse"]
    assert db.exclude(tissue="lung").ids == (~lung).ids
    assert db.exclude(tissue="lung", n_obs__gt=1000).ids == [i for i in db.ids if i != "lung-2"]
    assert lung.ids == ["lung-2", "both", "lung-1"]  # none of it changed


@settings(max_examples=40, deadline=None)
@given(st.lists(st.sampled_from(["lung", "brain", "kidney", "unknown"]), max_size=5), st.data())
def test_sets_are_those_of_ids(db: Portal, words: list[str], data: st.DataObject) -> None:
    hits, ids = db.filter(), set(db.ids)
    for word in words:
        other = db.filter(tissue=word)
        op = data.draw(st.sampled_from("&|~"))
        if op == "&":
            hits, ids = hits & other, ids & set(other.ids)
        elif op == "|":
            hits, ids = hits | other, ids | set(other.ids)
        else:
            hits, ids = ~hits, set(db.ids) - ids
        assert set(hits.ids) == ids
        assert len(hits) == len(ids)


def test_selections_of_two_portals_do_not_mix(db: Portal, alone: Portal) -> None:
    with pytest.raises(UsageError, match="two portals"):
        _ = db.filter() | alone.filter()


def test_order(db: Portal) -> None:
    assert db.order_by("title").ids[-4:] == ["mouse", "both", "lung-2", "lung-1"]
    assert db.order_by("-title").ids[:3] == ["lung-1", "lung-2", "both"]
    known = ["both", "lung-1", "lung-2", "mouse"]
    assert db.order_by("n_obs").ids == [*known, "nothing", "cortex"]
    assert db.order_by("-n_obs").ids == [*known[::-1], "nothing", "cortex"]
    assert db.order_by("published").ids == [
        "mouse",
        "lung-1",
        "both",
        "lung-2",
        "cortex",
        "nothing",
    ]
    assert db.order_by("status", "-n_obs").ids == ["cortex", *known[::-1], "nothing"]
    assert db.order_by("n_obs").filter(tissue="lung").ids == ["both", "lung-1", "lung-2"]
    assert db.order_by("n_obs").order_by().ids == db.ids
    with pytest.raises(UsageError, match="Did you mean 'n_obs'"):
        db.order_by("-n_ob")


def test_one_of_them(db: Portal) -> None:
    assert db.filter(n_obs=7).one().id == "both"
    first = db.first()
    assert first is not None
    assert first.id == "nothing"
    empty = db.filter(tissue="kidney")
    assert empty.first() is None
    assert empty.one_or_none() is None
    with pytest.raises(UsageError, match="no such artifact"):
        empty.one()
    with pytest.raises(UsageError, match="There are 3 artifacts, not one: lung-2"):
        db.filter(tissue="lung").one_or_none()


def test_it_is_a_sequence(db: Portal) -> None:
    assert [a.id for a in db] == db.ids
    assert db[0].id == "nothing"
    assert db[-1].id == "mouse"
    assert db[1:3].ids == ["cortex", "lung-2"]
    assert db[::-1].ids == db.ids[::-1]
    assert db[1:3].filter(tissue="lung").ids == ["lung-2"]
    assert db[0].n_obs is None
    assert db[3].tissue == "lung; brain"
    with pytest.raises(IndexError):
        db[6]
    assert "both" in db
    assert db[2] in db.filter(tissue="lung")
    assert "gone" not in db
    assert "no such" not in db
    assert db.select(["lung-1", "both", "lung-1"]).ids == ["lung-1", "both"]
    with pytest.raises(UsageError, match="lung-1"):
        db.select(["lung-3"])


# --- search, facets, lookup


def test_search(db: Portal, alone: Portal) -> None:
    assert set(db.search("lung").ids) == {"both", "lung-1", "lung-2"}
    assert db.filter(tissue="brain").search("lung ").ids == ["both"]
    assert db.search("lung").filter(n_obs__gt=100).order_by("n_obs").ids == ["lung-1", "lung-2"]
    typo = db.search("sectoin")
    assert typo.corrected == {"sectoin": ["section"]}
    assert set(typo.ids) == {"mouse", "lung-1", "lung-2", "both"}
    nothing = db.search("sectiono 77")
    assert (len(nothing), nothing.suggestions) == (0, [])
    assert db.search(" — ").ids == db.ids
    assert db.search("EPCAM").ids == ["both"]
    with pytest.raises(UsageError, match="Open the site"):
        alone.search("lung")


def test_counts_answer_all_but_their_own_facet(db: Portal, alone: Portal) -> None:
    for portal in (db, alone):
        chosen = portal.filter(tissue="lung", organism="Homo sapiens")
        tissue = chosen.facets("tissue")["tissue"]
        assert {k: tissue[k] for k in ("lung", "brain", "upper lobe of lung")} == {
            "lung": 3,
            "brain": 2,
            "upper lobe of lung": 1,
        }
        assert chosen.facets("organism")["organism"] == {"Homo sapiens": 3}
        assert list(portal.facets()["tissue"])[-1] == "unknown"
    narrowed = db.filter(tissue="lung", n_obs__gt=100).facets("tissue")["tissue"]
    assert narrowed["brain"] == 1  # the mouse: a range counts for every facet
    assert "organism" in repr(db.facets())
    with pytest.raises(UsageError, match="Did you mean 'tissue'"):
        db.facets("tisue")


def test_lookup(db: Portal) -> None:
    found = db.lookup()
    assert found.tissue.upper_lobe_of_lung == "upper lobe of lung"
    assert "upper_lobe_of_lung" in dir(found.tissue)
    assert {"tissue", "organism"} <= set(dir(found))
    assert db.filter(organism=found.organism.homo_sapiens).ids[0] == "cortex"
    with pytest.raises(AttributeError, match="Did you mean 'tissue'"):
        _ = found.tisue


def test_a_site_that_lists_nothing(tmp_path: Path) -> None:
    nothing = open_portal(site(tmp_path, made()[:0]))
    assert len(nothing.search("lung")) == 0
    assert not nothing.search("lung").corrected
    assert nothing.facets("tissue") == {"tissue": {}}


# --- tables


def test_columns_in_the_order_that_is_asked_for(folder: Path) -> None:
    found = open_portal(folder).filter(n_obs=7).to_arrow(["title", "n_obs", "tissue", "title"])
    expected = {"uid": ["both"], "title": ["section 1"], "n_obs": [7], "tissue": ["lung; brain"]}
    assert found.to_pydict() == expected
    assert found.column_names == list(expected)


@pytest.mark.parametrize("few", [0, 1000])
def test_tables(folder: Path, few: int, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("pandas")
    monkeypatch.setattr("portal.client.tables._FEW", few)
    db = open_portal(folder)
    hits = db.filter(tissue="lung").order_by("n_obs")
    few = hits.to_dataframe(["n_obs", "title"])
    assert list(few.index) == hits.ids
    assert list(few.columns) == ["n_obs", "title"]
    assert few["n_obs"].tolist() == [7, 500, 1500]
    for _ in range(3):  # made anew, then from what is kept
        whole = hits.to_dataframe()
        assert list(whole.index) == hits.ids
        assert len(whole.columns) > 80
        assert whole["n_obs"].tolist() == [7, 500, 1500]
        assert whole.loc["both", "tissue_terms"].tolist() == ["lung", "brain"]
    assert list(db.to_dataframe().index) == db.ids
    assert hits.to_arrow(["n_obs"]).to_pydict() == {"uid": hits.ids, "n_obs": [7, 500, 1500]}
    with pytest.raises(UsageError, match="Did you mean 'n_obs'"):
        hits.to_dataframe(["n_ob"])


def test_sql(db: Portal, alone: Portal) -> None:
    pytest.importorskip("duckdb")
    assert db.sql("select count(*) from catalog")["count_star()"].tolist() == [len(db)]
    joined = "select distinct uid from elements join catalog using (uid) order by 1"
    assert db.sql(joined)["uid"].tolist() == ["both", "mouse"]
    assert db.sql("select slug from collections")["slug"].tolist() == ["atlas", "brains", "empty"]
    assert alone.sql("select count(*) n from genes")["n"].tolist() == [1]
    with pytest.raises(UsageError, match="asks for nothing"):
        db.sql("")
    for query in (
        "select * from read_text('/etc/hostname')",
        "select * from '/etc/hostname'",
        "copy catalog to '/tmp/stolen.csv'",
        "attach '/tmp/other.db'",
        "install httpfs",
        "set enable_external_access = true",
        "select * from db",
        "select",
    ):
        with pytest.raises(UsageError, match="DuckDB says"):
            db.sql(query)


# --- the portal itself


def test_what_no_list_has_is_reached_by_its_id(db: Portal) -> None:
    assert db.get("gone").status == "withdrawn"
    assert db.get("former").id == "former"
    assert db.get("old-mouse").id == "mouse"
    assert db.get("mouse").record.aliases == ("old-mouse",)
    for wrong in ("lung-3", "../mouse", "", "nothing/"):
        with pytest.raises(UsageError, match="No artifact is called"):
            db.get(wrong)


def test_it_shows_itself(db: Portal) -> None:
    text = repr(db.filter(tissue="lung"))
    assert "3 artifacts · 2,007 observations" in text
    assert "tissue: lung 2, " in text
    assert "lung-2  Section 2" in text
    assert "0 artifacts" in repr(db.filter(tissue="kidney"))
    assert "Did you mean 'section'" in repr(db.search("setion1").search("sctoin"))


def test_html_is_escaped(tmp_path: Path) -> None:
    evil = plain_record(
        "evil",
        title='<script>alert("x")</script>',
        values={"tissue": (Value(label="<img src=x onerror=y>"),)},
    )
    portal = open_portal(site(tmp_path, [evil]))
    for text in (portal._repr_html_(), portal.facets()._repr_html_()):
        assert "<script>" not in text
        assert "<img src=x" not in text
        assert "&lt;img src=x onerror=y&gt;" in text


def test_a_site_published_anew_is_told(tmp_path: Path) -> None:
    out = site(tmp_path, made(), collections=COLLECTIONS)
    early = open_portal(out)
    write_catalog(made()[:3], COLLECTIONS, out / "catalog", generated_at="2027-01-01")
    with pytest.raises(PortalError, match="published anew"):
        early.filter(tissue__in=["lung"])
    for shard in (out / "search").glob("text/*"):
        shard.unlink()
    with pytest.raises(PortalError, match="Open it again"):
        early.search("lung")


def test_pandas_waits_until_it_is_asked_for(folder: Path) -> None:
    code = f"""
import sys
from portal.client import open_portal
db = open_portal({str(folder)!r})
hits = db.filter(tissue='lung', n_obs__gt=100, collection='atlas').search('section')
assert len(hits) == 2 and hits.ids and hits.order_by('-n_obs').first().title == 'Section 2'
repr(hits), hits.facets(), hits._repr_html_(), db.filter(elements='points').ids
assert hits.to_arrow().num_rows == 2
heavy = [m for m in ('pandas', 'zarr', 'spatialdata', 'anndata') if m in sys.modules]
assert not heavy, heavy
"""
    done = run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, check=False)
    assert not done.returncode, done.stderr.decode()

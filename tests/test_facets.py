"""Facets: values and the terms above them, their tree, their addresses, ranges."""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from portal.columns import COLUMNS
from portal.config import SiteConfig
from portal.entry import Collection
from portal.facets import FacetColumn, FacetValue, facets_of
from portal.facetvalues import days, range_kind
from portal.ontology import load_ontology
from portal.record import License, Record, Value
from portal.schema import Schema, SchemaField
from tests.sitekit import COLLECTIONS, SCHEMA, Page, build, config, plain_record, record
from tests.vocabularies import vocabulary

EMPTY = Schema(fields={})


def facets(records, *columns, ontology=None, schema=SCHEMA, collections=None):
    """Facets of the columns only: names, or settings of a facet."""
    asked = [{"column": c} if isinstance(c, str) else c for c in columns]
    return facets_of(records, config(facets=asked), schema, collections or {}, ontology)


def column(records, asked, **more) -> FacetColumn:
    name = asked if isinstance(asked, str) else asked["column"]
    return next(c for c in facets(records, asked, **more).columns if c.column == name)


def named(*sets, field="tissue") -> list[Record]:
    """A record for each set of ids, the first the newest. A label is the id."""
    return [
        plain_record(f"r{i:03}", values={field: tuple(Value(label=x, id=x) for x in sorted(ids))})
        for i, ids in enumerate(sets)
    ]


def lines(found: FacetColumn) -> list[tuple[str, int]]:
    return [(v.label, len(v.records)) for v in found.values]


# -- values --------------------------------------------------------------------------------------


def test_values_are_most_frequent_first_then_by_label_and_unknown_last():
    records = [
        plain_record("a", values={"product": (Value(label="beta"), Value(label="Alpha"))}),
        plain_record("b", values={"product": (Value(label="gamma"),)}),
        plain_record("c", values={"product": (Value(label="gamma"),)}),
        *(plain_record(f"x{i}") for i in range(3)),
    ]
    assert lines(column(records, "product")) == [
        ("gamma", 2),
        ("Alpha", 1),
        ("beta", 1),
        ("unknown", 3),
    ]


def test_every_record_has_a_value_in_every_column():
    found = facets_of([record(), plain_record("bare")], config(), SCHEMA, COLLECTIONS)
    for each in found.columns:
        assert {r.id for v in each.values for r in v.own} == {"brain-1", "bare"}


def test_case_and_white_space_make_no_new_value():
    records = [
        plain_record(f"r{i}", values={"product": (Value(label=text),)})
        for i, text in enumerate(["Fresh  frozen", "fresh frozen", "UNKNOWN", " ", "Unknown"])
    ]
    assert lines(column(records, "product")) == [("Fresh frozen", 2), ("unknown", 3)]


def test_a_value_is_told_by_its_id_and_joins_what_has_only_its_label():
    records = [
        plain_record("a", values={"tissue": (Value(label="lung", id="TEST:1"),)}),
        plain_record("b", values={"tissue": (Value(label="Lung"),)}),
        plain_record("c", values={"tissue": (Value(label="pulmo", id="TEST:1"),)}),
    ]
    found = column(records, "tissue", ontology=vocabulary({"TEST:1": ()}))
    [value] = found.values
    assert (value.label, value.id, len(value.own)) == ("TEST 1", "TEST:1", 3)
    assert set(value.synonyms) == {"lung", "pulmo"}
    addresses = facets(records, "tissue", ontology=vocabulary({"TEST:1": ()}))
    assert addresses.address("tissue", "PULMO", "TEST:1") == "by/tissue/test-1/"


def test_two_terms_of_one_name_stay_two_with_an_address_each():
    ids = ("HsapDv:0000258", "MmusDv:0000110")
    records = [
        plain_record(f"r{i}", values={"stage": (Value(label="adult", id=ids[i % 2]),)})
        for i in range(5)
    ]
    found = facets(records, "stage")
    assert [(v.id, len(v.own), v.slug) for v in found.columns[0].values] == [
        (ids[0], 3, "adult"),
        (ids[1], 2, "adult-mmusdv-0000110"),
    ]
    assert found.address("stage", "adult", ids[1]) == "by/stage/adult-mmusdv-0000110/"
    assert found.address("stage", "Adult") == "by/stage/adult/"
    assert found.address("stage", "old") is None


def test_the_label_is_the_records_own_and_the_ontology_adds_names():
    records = named({"UBERON:0002048"})
    found = column(records, "tissue", ontology=load_ontology())
    lung = next(v for v in found.values if v.own)
    assert lung.label == "UBERON:0002048"
    assert {"lung", "pulmonary"} <= set(lung.synonyms)


# -- any column of the catalog ------------------------------------------------------------------


def test_any_column_of_the_catalog_can_be_a_facet():
    names = [c.name for c in COLUMNS if c.name not in ("view",)]
    found = facets([record(), plain_record("b")], *names, collections=COLLECTIONS)
    assert [c.column for c in found.columns] == names
    assert all(c.values for c in found.columns)


@pytest.mark.parametrize(
    ("name", "labels"),
    [
        ("element_kinds", ["images", "shapes", "tables", "unknown"]),
        ("license_unknown", ["no", "yes"]),
        ("license_noncommercial", ["no", "unknown"]),
        ("license", ["CC-BY-4.0", "unknown"]),
        ("collections", ["Brains of mice", "unknown"]),
        ("validation_status", ["not scanned", "warnings"]),
        ("year", ["2019", "2020"]),
        ("n_obs", ["3355", "unknown"]),
        ("n_spots", ["3355", "unknown"]),
    ],
)
def test_lists_booleans_and_numbers_become_values(name, labels):
    cc_by = License(label="CC BY 4.0", spdx="CC-BY-4.0", noncommercial=False)
    found = column([record(license=cc_by), plain_record("b")], name, collections=COLLECTIONS)
    assert sorted(v.label for v in found.values) == labels
    assert found.kind == "value"


def test_the_default_facets_are_columns_or_fields_that_exist():
    names = {c.name for c in COLUMNS} | {"cell_type"}
    assert [f.column for f in SiteConfig(title="-").facets if f.column not in names] == []
    for facet in SiteConfig(title="-").facets:
        assert (facet.kind == "range") == (range_kind(facet.column, EMPTY) is not None) or (
            facet.column == "year"
        )


def test_fields_with_ids_get_pages_even_where_they_are_no_facet():
    found = facets([record()], "technology")
    assert [(c.column, c.in_rail) for c in found.columns] == [
        ("technology", True),
        ("organism", False),
        ("tissue", False),
    ]


def test_a_kind_left_out_follows_from_the_values():
    terms = vocabulary({"TEST:1": ("TEST:2",), "TEST:2": (), "TEST:3": ("TEST:2",)})
    records = named({"TEST:1"}, {"TEST:3"})
    assert column(records, "tissue", ontology=terms).kind == "term"
    assert column(records, "product", ontology=terms).kind == "value"
    flat = column(records, {"column": "tissue", "kind": "value"}, ontology=terms)
    assert (flat.kind, len(flat.values)) == ("value", 2)


# -- ranges --------------------------------------------------------------------------------------


def test_ranges_hold_a_whole_number_for_each_record():
    asked = [
        {"column": c, "kind": "range"}
        for c in ("n_obs", "size_bytes", "published_at", "year", "n_spots", "when", "title")
    ]
    schema = Schema(
        fields={
            "n_spots": SchemaField(type="integer"),
            "when": SchemaField(type="date", label="When"),
        }
    )
    dated = plain_record("b", "1970-02", values={"when": (Value(label="1969-01-01"),)})
    found = facets([record(), dated], *asked, schema=schema)
    assert not any(c.in_rail for c in found.columns)
    assert [(r.column, r.kind, r.values) for r in found.ranges] == [
        ("n_obs", "count", [3355, None]),
        ("size_bytes", "bytes", [49_900_000, None]),
        ("published_at", "date", [days("2019-12-02"), 31]),
        ("year", "count", [2019, 1970]),
        ("n_spots", "count", [3355, None]),
        ("when", "date", [None, None]),
    ]
    assert found.ranges[5].label == "When"


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("1970-01-01", 0),
        ("1970-01-02T10:00:00Z", 1),
        ("1971", 365),
        ("2024-03", 19783),
        ("2024-02-30", None),
        ("about 2020", None),
        ("", None),
        (None, None),
    ],
)
def test_dates_are_days(text, number):
    assert days(text) == number


# -- the terms above -----------------------------------------------------------------------------

IDS = [f"T:{i}" for i in range(10)]
GRAPHS = st.fixed_dictionaries({i: st.sets(st.sampled_from(IDS), max_size=3) for i in IDS})
NAMED = st.lists(st.sets(st.sampled_from(IDS), max_size=3), min_size=1, max_size=8)


def without_circles(graph):
    """Only steps to a lower number, so that nothing leads in a circle."""
    return {i: {p for p in above if p < i} for i, above in graph.items()}


def ancestors(graph, id_):
    found = set()
    for parent in graph[id_]:
        found |= {parent} | ancestors(graph, parent)
    return found


def expected(graph, sets):
    """By id: the records with those below, whether shown, the nearest shown above. Brute force."""
    all_named = {i for ids in sets for i in ids}
    up = {i: ancestors(graph, i) for i in IDS}
    present = all_named | {a for i in all_named for a in up[i]}
    down = {i: {j for j in present if i in up[j]} for i in present}
    shown = set(all_named)
    joined = set()
    for i in sorted(present, key=lambda i: (len(up[i]), i), reverse=True):
        below = down[i] & shown
        nearest = frozenset(b for b in below if not any(b in down[c] for c in below))
        if i not in shown and len(nearest) > 1 and nearest not in joined:
            joined.add(nearest)
            shown.add(i)
    result = {}
    for i in present:
        records = {n for n, ids in enumerate(sets) if ids & ({i} | down[i])}
        over = up[i] & shown
        nearest = {a for a in over if not any(a in up[b] for b in over)}
        result[i] = records, i in shown, nearest if i in shown else None
    return result


@settings(deadline=None)
@given(GRAPHS, NAMED)
def test_closures_and_the_tree_agree_with_brute_force(graph, sets):
    graph = without_circles(graph)
    found = column(named(*sets), "tissue", ontology=vocabulary(graph))
    oracle = expected(graph, sets)
    values = {v.id: (i, v) for i, v in enumerate(found.values) if v.id}
    assert set(values) == set(oracle)
    for id_, (records, shown, nearest) in oracle.items():
        place, value = values[id_]
        assert {int(r.id[1:]) for r in value.records} == records
        assert [r.id for r in value.records] == sorted(r.id for r in value.records)
        assert [r.id for r in value.own] == [f"r{n:03}" for n, ids in enumerate(sets) if id_ in ids]
        assert value.shown == shown
        assert {found.values[p].id for p in value.parents} == graph[id_]
        if shown:
            assert {found.values[p].id for p in found.parents(place)} == nearest
            above = found.ancestors(place)
            shown_above = {i for i in ancestors(graph, id_) if oracle[i][1]}
            assert len(above) == len(set(above))
            assert {found.values[a].id for a in above} == shown_above


@settings(deadline=None)
@given(GRAPHS, NAMED)
def test_the_tree_stands_whatever_circles_the_ontology_has(graph, sets):
    found = facets(named(*sets), "tissue", ontology=vocabulary(graph))
    tree = found.columns[0]
    shown = {i for i, v in enumerate(tree.values) if v.shown}

    def walk(place, path=()):
        assert place not in path
        reached.add(place)
        for child in tree.children(place):
            assert place in tree.ancestors(child)
            mine = {r.id for r in tree.values[place].records}
            assert mine.issuperset(r.id for r in tree.values[child].records)
            walk(child, (*path, place))

    reached: set[int] = set()
    for root in tree.roots():
        assert tree.ancestors(root) == []
        walk(root)
    assert reached == shown
    assert all(tree.values[i].own or len(tree.children(i)) > 1 for i in shown)
    for value in tree.values:  # what is not shown leads to the page that lists the same
        page = [v for v in tree.values if v.shown and v.address == value.address]
        assert len(page) == 1
        assert page[0].records == value.records


def test_ancestors_are_nearest_first_even_by_several_ways():
    graph = {"T:1": (), "T:2": ("T:1",), "T:3": ("T:2", "T:1"), "T:4": ("T:3", "T:1")}
    tree = column(named(*({i} for i in graph)), "tissue", ontology=vocabulary(graph))
    place = {v.id: i for i, v in enumerate(tree.values)}
    assert [tree.values[i].id for i in tree.ancestors(place["T:4"])] == ["T:3", "T:2", "T:1"]
    assert tree.roots() == [place["T:1"]]
    assert tree.parents(place["T:4"]) == (place["T:3"],)


def test_a_hand_made_circle_does_no_harm():
    values = [FacetValue("a", parents=(1,)), FacetValue("b", parents=(0, 1))]
    tree = FacetColumn("x", "X", "term", True, values)
    assert len(tree.roots()) == 1
    assert len(tree.children(tree.roots()[0])) == 1


def test_lung_finds_a_lobe_and_the_broadest_terms_are_nobodys():
    records = named({"UBERON:0002048"}, {"UBERON:0008952"}, {"UBERON:0000948"})  # a lobe, heart
    tree = column(records, "tissue", ontology=load_ontology())
    by_id = {v.id: v for v in tree.values}
    assert len(by_id["UBERON:0002048"].records) == 2
    assert "UBERON:0000061" not in by_id
    assert not by_id["UBERON:0001004"].shown  # respiratory system: brings nothing together
    assert by_id["UBERON:0001004"].address == by_id["UBERON:0002048"].address


def test_cost_grows_with_the_records():
    """Ten times as many records take no hundred times as long."""
    graph = {f"T:{i}": [f"T:{i // 2}"] if i else [] for i in range(500)}
    terms = vocabulary(graph)

    def seconds(n):
        records = named(*({f"T:{i * 7 % 500}", f"T:{i * 11 % 500}"} for i in range(n)))
        start = time.process_time()
        column(records, "tissue", ontology=terms)
        return time.process_time() - start

    seconds(10)
    assert seconds(5000) < 30 * max(seconds(500), 0.01)


# -- addresses -----------------------------------------------------------------------------------


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(st.text(max_size=12), st.sampled_from([None, "A:1", "A-1", "B:2", "../x"])),
        min_size=1,
        max_size=12,
    )
)
def test_each_value_has_one_address_of_plain_letters(said):
    records = [
        plain_record(f"r{i}", values={"product": (Value(label=label, id=id_),)})
        for i, (label, id_) in enumerate(said)
    ]
    found = facets(records, "product")
    addresses = [v.address for v in found.columns[0].values]
    if not found.columns[0].known:  # a page of nothing but unknown helps nobody
        assert addresses == [""]
        return
    assert len(set(addresses)) == len(addresses)
    for address in addresses:
        assert re.fullmatch(r"by/product/[a-z0-9]+(-[a-z0-9]+)*/", address)
    for r in records:
        [value] = r.values["product"]
        label = " ".join(value.label.split())
        at = found.address("product", label, value.id)
        assert at is None or at in addresses


@settings(deadline=None)
@given(st.permutations(["A b", "a-b", "a  B", "Ä b", "c", "unknown"]), st.randoms())
def test_an_address_does_not_depend_on_order_or_counts(labels, random):
    def addresses(chosen):
        records = [
            plain_record(
                f"r{i}", values={"product": (Value(label=text, id=f"T:{text.encode().hex()}"),)}
            )
            for i, text in enumerate(chosen)
        ]
        return {v.id: v.address for v in facets(records, "product").columns[0].values}

    assert addresses(labels) == addresses([*labels, *random.choices(labels, k=5)])


def test_a_collection_leads_to_its_own_page():
    found = facets([record(), plain_record("b")], "collections", collections=COLLECTIONS)
    assert found.address("collections", "brains of mice") == "collections/brains/"
    assert found.address("collections", "unknown") == "by/collections/unknown/"


# -- pages ---------------------------------------------------------------------------------------


def read(out: Path, address: str) -> str:
    return (out / address / "index.html").read_text("utf-8")


def tissue(id_, label, n, **more) -> list[Record]:
    return [
        plain_record(f"{label}-{i:03}", values={"tissue": (Value(label=label, id=id_),)}, **more)
        for i in range(n)
    ]


@pytest.fixture(scope="module")
def out(tmp_path_factory) -> Path:
    """A site of two tissues below one that three artifacts name, and 60 of a fourth."""
    folder = tmp_path_factory.mktemp("facets")
    records = [
        *tissue("UBERON:0002048", "lung", 3),
        *tissue("UBERON:0008952", "upper lobe of left lung", 2),
        *tissue("UBERON:0000948", "heart", 1),
        *tissue("UBERON:0000955", "brain", 2),
        *tissue("UBERON:0002037", "cerebellum", 60),
        *tissue("UBERON:0001898", "hypothalamus", 1),
    ]
    build(folder, records, settings=config(base_url="https://example.org/"))
    return folder


def test_a_landing_page_says_who_names_it_and_leads_up_and_down(out):
    html = read(out, "by/tissue/lung")
    page = Page(html)
    assert not page.faults
    assert "5 artifacts" in page.text
    assert "3 name it, 2 name something that it includes" in page.text
    assert "Includes upper lobe of left lung 2 artifacts" in page.text
    assert "Belongs to" not in page.text
    assert len(page.all("h3")) == 5
    assert 'href="../../../browse/?tissue=lung"' in html
    above = Page(read(out, "by/tissue/upper-lobe-of-left-lung")).text
    assert "Belongs to lung" in above
    assert "2 artifacts" in above
    assert "name it" not in above


def test_every_shown_value_has_a_page_that_search_engines_know(out):
    sitemap = (out / "sitemap.xml").read_text("utf-8")
    pages = {p.parent.name for p in (out / "by/tissue").glob("*/index.html")}
    assert {"lung", "heart", "brain", "cerebellum", "nervous-system"} & pages == {
        *("lung", "heart", "brain", "cerebellum")
    }
    for name in pages:
        assert f"https://example.org/by/tissue/{name}/" in sitemap


def test_values_stand_as_an_outline_where_some_include_others(out):
    page = Page(read(out, "by/tissue"))
    assert not page.faults
    assert "brain 63 artifacts cerebellum 60 artifacts hypothalamus 1 artifact" in page.text
    flat = read(out, "by/year")
    assert "p-outline" not in flat
    assert 'class="p-values"' in flat


def test_numbered_pages_spell_out_what_names_a_value_only(out):
    cerebellum = read(out, "by/tissue/cerebellum")
    assert 'href="page/1/"' in cerebellum
    brain = read(out, "by/tissue/brain")
    assert "The newest 48 of 63" in Page(brain).text
    assert 'href="page/1/"' in brain  # the two that name it are not among the newest
    assert Page(read(out, "by/tissue/brain/page/1")).text.count("brain-00") >= 2
    assert not (out / "by/tissue/brain/page/2").exists()


def test_what_an_artifact_names_leads_to_its_landing_page(tmp_path):
    records = [
        record(),
        record("other", values={"tissue": (Value(label="Brain", id="UBERON:0000955"),)}),
        record("own", values={"tissue": (Value(label="odd", id="portal:odd"),)}),
    ]
    build(tmp_path, records, collections={"brains": Collection(name="Brains")})
    for id_ in ("brain-1", "other"):
        assert 'href="../../by/tissue/brain/"' in read(tmp_path, f"datasets/{id_}")
    assert "bioregistry.io/UBERON:0000955" in read(tmp_path, "by/tissue/brain")
    assert "bioregistry.io" not in read(tmp_path, "by/tissue/odd")


def test_facets_of_the_config_stand_in_the_rail_in_its_order(tmp_path):
    settings = config(
        facets=[
            {"column": "tissue"},
            {"column": "collections", "label": "Series"},
            {"column": "n_obs", "kind": "range"},
        ]
    )
    build(tmp_path, [record(), plain_record("a")], settings=settings)
    rail = read(tmp_path, "browse").partition('id="results"')[0]
    labels = re.findall(r"<summary>([^<]+)<svg", rail)
    assert labels == ["Tissue", "Series"]
    assert 'href="../collections/brains/"' in rail
    assert 'href="../by/collections/unknown/"' in rail

"""What a curator looks up: words in the ontologies, attributes of stores."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from portal.errors import UsageError
from portal.facts import StoreFacts
from portal.looking import AttributeRow, Found, attribute_table, look_up
from portal.scan import scan_store
from tests.stores import Maker

LUNG, BRAIN = "UBERON:0002048", "UBERON:0000955"
SCHEMA = """\
fields:
  organism: {type: term, ontology: NCBITaxon, many: true, found_in: [bio.organism, sample.organism]}
  tissue: {type: term, ontology: UBERON, many: true, found_in: bio.tissue}
  disease: {type: term, ontology: MONDO, found_in: bio.disease}
  development_stage: {type: term, ontology: [HsapDv, MmusDv], found_in: bio.stage}
  n_cells: {type: integer, found_in: "metadata general.Number of Cells"}
  title: {found_in: a.b}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "schema.yaml").write_text(SCHEMA)
    return tmp_path


def saying(**attributes: Any) -> StoreFacts:
    return StoreFacts(kind="spatialdata", attributes=attributes)


def shown(found: Found) -> str:
    console = Console(file=io.StringIO(), width=200, color_system=None)
    console.print(found.tree())
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert isinstance(text, str)
    return text


# words


@pytest.mark.parametrize("word", ["lung", "Lung", "  LUNG ", "UBERON:0002048", "lung\u200b"])
def test_a_word_is_looked_up_as_a_value_is(word: str):
    assert [t.id for t in look_up(word).terms] == [LUNG]


def test_a_plural_and_an_age_are_looked_up_too(folder: Path):
    assert LUNG not in [t.id for t in look_up("brains", "tissue", folder).terms]
    assert [t.label for t in look_up("brains", "tissue", folder).terms] == ["brain"]
    stages = look_up("8 weeks", "development_stage", folder).terms
    assert [(t.label, t.deprecated) for t in stages] == [
        ("8-week-old stage", False),
        ("8 weeks", True),
    ]


def test_a_term_is_shown_with_its_tree_and_the_fields_that_take_it(folder: Path):
    text = shown(look_up("lung", folder=folder))
    assert f"lung {LUNG}" in text
    assert "fields that take it: tissue" in text
    assert "also called: " in text
    tree = text[text.index("── tree") :].splitlines()
    steps = [line.strip("│├└─ ") for line in tree]
    at = next(i for i, step in enumerate(steps) if step == f"lung {LUNG}")
    assert 0 < at < len(steps) - 1  # something is above and something below


def test_a_field_narrows_a_word_to_what_it_takes(folder: Path):
    assert [t.id for t in look_up("lung", "tissue", folder).terms] == [LUNG]
    none = look_up("lung", "disease", folder)
    assert none.terms == ()
    assert {t.ontology for t in none.nearest} <= {"MONDO"}
    assert look_up("TP53", "tissue", folder).genes == ()


def test_a_misspelt_word_leads_to_the_nearest_terms(folder: Path):
    found = look_up("lungg", folder=folder)
    assert found.terms == ()
    assert LUNG in [t.id for t in found.nearest]
    assert found.fields[LUNG] == ("tissue",)
    assert "No term is called so. The nearest:" in shown(found)


def test_an_obsolete_term_is_shown_as_such(folder: Path):
    found = look_up("obsolete Alzheimer disease 5", "disease", folder)
    (term,) = found.terms
    assert term.deprecated
    assert "obsolete, replaced by " in shown(found)


def test_a_gene_is_found_by_symbol_and_id():
    for word in ("TP53", "tp53", "ENSG00000141510.18"):
        (human,) = [g for g in look_up(word).genes if g.organism == "NCBITaxon:9606"]
        assert (human.id, human.symbol) == ("ENSG00000141510", "TP53")
    assert "gene TP53 ENSG00000141510, Homo sapiens" in shown(look_up("TP53"))


def test_a_field_that_takes_no_terms_is_refused(folder: Path):
    with pytest.raises(UsageError, match="'tissue'"):
        look_up("lung", "tisue", folder)
    with pytest.raises(UsageError, match="takes terms"):
        look_up("lung", "n_cells", folder)


def test_without_a_schema_of_its_own_a_portal_has_the_shipped_one(tmp_path: Path):
    assert "tissue" in look_up("lung", folder=tmp_path).fields[LUNG]
    assert look_up("lung").fields == look_up("lung", folder=tmp_path).fields


def test_what_is_found_is_json_with_all_that_is_shown(folder: Path):
    said = json.loads(json.dumps(look_up("lung", folder=folder).as_dict()))
    (lung,) = said["terms"]
    assert (lung["id"], lung["label"], lung["ontology"]) == (LUNG, "lung", "UBERON")
    assert lung["ontology_version"]
    assert lung["fields"] == ["tissue"]
    assert lung["parents"]
    assert lung["children"]
    assert not lung["deprecated"]


@pytest.mark.parametrize(
    "word", ["", " ", "\n", "[red]x[/red]", "[/]", "a" * 10_000, "\ud800", "脳 🧠", "a\x1b[2Jb"]
)
def test_any_word_has_an_answer(word: str):
    found = look_up(word)
    assert found.terms == ()
    assert found.genes == ()
    assert "No term is called so." in shown(found)


# attributes


def rows_of(facts: StoreFacts, folder: Path | None = None, **options: Any) -> dict[str, Any]:
    return {r.name: r.value for r in attribute_table(facts, folder, **options)}


def test_each_attribute_is_shown_with_its_field_and_how_it_is_read(folder: Path):
    attributes = {
        "bio": {"organism": ["Mouse"], "tissue": ["Lung", "brian"], "stage": "8 weeks", "x": None},
        "metadata general": {"Number of Cells": "6,518"},
    }
    found = {r.name: r for r in attribute_table(saying(**attributes), folder)}
    assert list(found) == [
        "bio_organism",
        "bio_tissue",
        "bio_stage",
        "bio_x",
        "metadata general_Number of Cells",
    ]
    assert found["bio_tissue"].field == "tissue"
    assert found["bio_tissue"].read_as.startswith(f"lung ({LUNG}); brian; term-unknown: ")
    assert f"({BRAIN})" in found["bio_tissue"].read_as
    assert found["bio_stage"].read_as.startswith("8-week-old stage (MmusDv:")
    assert found["metadata general_Number of Cells"].read_as == "6518"
    assert found["bio_x"].as_dict() == {
        "attribute": "bio_x",
        "value": None,
        "field": None,
        "read_as": None,
    }


def test_a_key_with_a_dot_is_no_way_down(folder: Path):
    (row,) = attribute_table(saying(**{"a.b": "x"}), folder)
    assert row.field == ""
    (row,) = attribute_table(saying(a={"b": "x"}), folder)
    assert row.field == "title"


def test_one_key_is_shown_without_its_name_before_the_rest(folder: Path):
    facts = saying(bio={"tissue": "lung", "deep": {"a": 1}}, number=7)
    assert rows_of(facts, folder, key="bio") == {"tissue": "lung", "deep_a": 1}
    assert rows_of(facts, folder, key="bio", sep="/") == {"tissue": "lung", "deep/a": 1}
    assert rows_of(facts, folder, key="number") == {"number": 7}
    assert attribute_table(facts, folder, key="bio")[0].field == "tissue"
    with pytest.raises(UsageError, match="'bio'"):
        attribute_table(facts, folder, key="bi")


def test_a_value_is_one_line_that_steers_no_terminal():
    def text(value: Any) -> str:
        return AttributeRow("a", value).text

    assert text("a\nb\t c") == "a b c"
    assert text(["a", 1, None, True]) == "a, 1, , True"
    assert text("\x1b[2Jred\u202e\x07") == "[2Jred"
    assert text(None) == ""


KEYS = st.text(st.sampled_from("ab_."), max_size=3)
LEAVES = st.none() | st.booleans() | st.integers() | st.text(max_size=3) | st.lists(st.integers())
NESTED = st.dictionaries(
    KEYS,
    st.recursive(LEAVES, lambda inner: st.dictionaries(KEYS, inner, max_size=3), max_leaves=8),
    max_size=4,
)


@settings(deadline=None, max_examples=200)
@given(NESTED, st.sampled_from(["_", ".", "/", "", " :: "]))
def test_attributes_are_flattened_as_spatialdata_does(attrs: dict[str, Any], sep: str):
    spatialdata = pytest.importorskip("spatialdata", reason="needs the extra `build`")
    sdata = spatialdata.SpatialData(attrs=attrs)
    facts = saying(**attrs)
    for key, value in attrs.items():
        theirs = sdata.get_attrs(key, sep=sep)
        mine = rows_of(facts, key=key, sep=sep)
        if isinstance(value, dict):
            assert list(mine.items()) == list(theirs.items())
        else:
            assert mine == {key: theirs}
    # All at once is one mapping of all, flattened.
    whole = spatialdata.SpatialData(attrs={"all": attrs}).get_attrs("all", sep=sep)
    assert rows_of(facts, sep=sep) == whole


def test_attributes_read_from_a_store_are_those_that_spatialdata_reads(tmp_path: Path):
    spatialdata = pytest.importorskip("spatialdata", reason="needs the extra `build`")
    attrs = {"bio": {"tissue": ["Lung"], "deep": {"a": {"b": 1.5}, "none": {}}}, "n": 3}
    spatialdata.SpatialData(attrs=attrs).write(tmp_path / "s.zarr")
    facts = scan_store(tmp_path / "s.zarr")
    read = spatialdata.read_zarr(tmp_path / "s.zarr")
    assert (
        rows_of(facts, key="bio") == read.get_attrs("bio") == {"tissue": ["Lung"], "deep_a_b": 1.5}
    )


def test_a_curated_store_shows_what_the_portal_keeps(tmp_path: Path):
    kept = {"values": {"tissue": [{"id": LUNG, "label": "lung"}]}}
    maker = Maker(tmp_path / "s.zarr", attributes={"spatialdata_attrs": {}, "curation": kept})
    (row,) = attribute_table(scan_store(maker.root))
    assert row.name == "curation_values_tissue"
    assert LUNG in row.text


def test_attributes_of_every_real_store_are_shown(test_data: Path):
    stores = sorted(p for p in (test_data / "stores").glob("*/*") if p.is_dir())
    assert stores
    for store in stores:
        facts = scan_store(store)
        rows = attribute_table(facts)
        assert bool(rows) == bool(facts.attributes), store
        assert all("\n" not in r.text for r in rows)
        json.dumps([r.as_dict() for r in rows], allow_nan=False)

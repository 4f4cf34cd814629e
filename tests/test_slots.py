"""What the schema's slots ask of an object: of stores written by hand, of objects, of real stores."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from portal.curation_codes import CODES
from portal.errors import Problem
from portal.facts import StoreFacts
from portal.genes import HUMAN, MOUSE
from portal.scan import scan_store
from portal.schema import Schema
from portal.slots import slot_faults
from portal.values import default_resolver
from tests.stores import Maker, identity, sound

RAT = "NCBITaxon:10116"
HUMAN_GENES = ["TP53", "EGFR", "BRCA1", "GAPDH", "ACTB", "CD3E"]
GENE_IDS = ["ENSG00000141510", "ENSG00000146648", "ENSG00000111640", "ENSG00000075624"]
MOUSE_GENES = ["Trp53", "Egfr", "Brca1", "Gapdh", "Actb", "Cd3e"]


def faults(facts: StoreFacts, slots: dict[str, Any], **known: frozenset[str]) -> list[Problem]:
    schema = Schema.model_validate({"slots": slots})
    return slot_faults(facts, schema, default_resolver(), "s", **known)


def told(problems: list[Problem]) -> list[tuple[str, str]]:
    return [(p.code, p.where) for p in problems]


def saying(**attributes: Any) -> StoreFacts:
    """A store with nothing but attributes."""
    return StoreFacts(kind="spatialdata", attributes=attributes)


@pytest.fixture
def maker(tmp_path: Path) -> Maker:
    return sound(tmp_path / "s.zarr")


# attributes


TISSUE = {"type": "term", "ontology": "UBERON", "required": True}


def test_a_slot_of_attributes_that_is_missing_is_told_with_the_nearest_key():
    (problem,) = faults(saying(bi0=1), {"attrs:bio": {"fields": {"tissue": TISSUE}}})
    assert (problem.code, problem.where, problem.severity) == (
        "slot-missing",
        "s/attrs/bio",
        "error",
    )
    assert "'bi0'" in problem.remedy


def test_the_nearest_key_is_sought_where_the_way_ends():
    slots = {"attrs:bio:sample": {"required": True}}
    (problem,) = faults(saying(bio={"sampel": {}}, sample={}), slots)
    assert problem.where == "s/attrs/bio.sample"
    assert problem.remedy == "Did you mean 'sampel'?"
    (alone,) = faults(saying(), slots)
    assert alone.remedy == ""


@pytest.mark.parametrize("key", ["attrs:bio", "tables:cells:obs", "images", "images:he"])
def test_a_part_that_need_not_be_there_is_no_fault_when_it_is_not(key: str):
    optional = {"tissue": {**TISSUE, "required": False}}
    assert faults(saying(), {key: {"fields": optional}}) == []
    (problem,) = faults(saying(), {key: {"fields": optional, "required": True}})
    assert problem.severity == "error"


def test_a_key_that_is_required_may_be_missing_empty_or_misspelt():
    slots = {"attrs:bio": {"fields": {"tissue": TISSUE}}}
    for absent in ({}, {"tissue": None}, {"tissue": " "}, {"tissue": []}, {"tissue": [None, ""]}):
        (problem,) = faults(saying(bio=absent), slots)
        assert (problem.code, problem.where) == ("required-missing", "s/attrs/bio.tissue")
        assert "`unknown`" in problem.remedy
    (problem,) = faults(saying(bio={"tisue": "lung"}), slots)
    assert problem.remedy == "Did you mean 'tisue'?"
    assert faults(saying(bio={"tissue": "unknown"}), slots) == []


def test_a_key_is_required_of_the_technologies_that_the_schema_names():
    slots = {"attrs:tech": {"fields": {"slide": {"required": ["Visium"]}}}}
    assert faults(saying(tech={}), slots, technologies=frozenset(["xenium"])) == []
    (problem,) = faults(saying(tech={}), slots, technologies=frozenset(["visium"]))
    assert problem.code == "required-missing"


def test_all_faults_of_attributes_are_told_at_once():
    slots = {
        "attrs:bio": {
            "fields": {
                "tissue": {**TISSUE, "many": True},
                "donors": {"type": "integer"},
                "sex": {"type": "enum", "values": ["female", "male"]},
                "born": {"type": "date"},
                "nested": {},
            }
        }
    }
    bio = {
        "tissue": ["lungg", "lung", None],
        "donors": [1, 2],
        "sex": "f",
        "born": "10/05/2023",
        "nested": {"a": [1]},
    }
    found = faults(saying(bio=bio), slots)
    assert told(found) == [
        ("term-unknown", "s/attrs/bio.tissue"),
        ("list-not-allowed", "s/attrs/bio.donors"),
        ("value-not-allowed", "s/attrs/bio.sex"),
        ("date-invalid", "s/attrs/bio.born"),
        ("value-nested", "s/attrs/bio.nested"),
    ]
    assert "`lung`" in found[0].remedy
    assert all(p.severity == "error" and p.remedy for p in found if p.code != "list-not-allowed")


def test_lists_in_lists_are_no_values():
    slots = {"attrs:bio": {"fields": {"donors": {"type": "integer", "many": True}}}}
    (problem,) = faults(saying(bio={"donors": [[1, 2], 3]}), slots)
    assert problem.code == "value-nested"
    assert "a list in a list" in problem.what


def test_an_attribute_that_is_no_mapping_has_no_keys():
    assert told(faults(saying(bio="lung"), {"attrs:bio": {"required": True}})) == [
        ("slot-shape", "s/attrs/bio")
    ]


def test_a_closed_slot_names_each_key_too_many_but_not_where_terms_are_kept():
    slots = {"attrs": {"fields": {"tissue": TISSUE}, "closed": True}}
    found = faults(saying(tissue="lung", extra=1, curation={"values": {}}), slots)
    assert told(found) == [("key-unknown", "s/attrs")]
    assert "`extra`" in found[0].what


# tables


def test_a_column_that_is_required_is_told_with_the_one_that_may_be_meant(maker: Maker):
    maker.categorical("tables/table/obs", "celltype", ["B cell"], [0, 0, 0])
    cell_type = {"type": "term", "ontology": "CL", "required": True}
    (problem,) = faults(
        scan_store(maker.root), {"tables:table:obs": {"fields": {"cell_type": cell_type}}}
    )
    assert (problem.code, problem.where) == ("column-missing", "s/tables/table/obs")
    assert problem.remedy == "Did you mean 'celltype'?"


def test_a_table_that_is_required_is_told_with_the_one_that_may_be_meant(maker: Maker):
    slots = {"tables:tabel:obs": {"fields": {"x": {"required": True}}}}
    (problem,) = faults(scan_store(maker.root), slots)
    assert (problem.code, problem.where) == ("slot-missing", "s/tables/tabel")
    assert problem.remedy == "Did you mean 'table'?"


@pytest.mark.parametrize(
    ("of", "fits"),
    [
        ("integer", {"int8", "uint32", "int64"}),
        ("number", {"int8", "uint32", "int64", "float32"}),
        ("boolean", {"bool"}),
        ("text", {"text"}),
        ("date", {"text"}),
    ],
)
def test_a_column_has_the_type_that_the_schema_says(maker: Maker, of: str, fits: set[str]):
    columns: dict[str, Any] = {
        **{t: np.zeros(3, t) for t in ("int8", "uint32", "int64", "float32", "bool")},
        "text": ["a", "b", "c"],
    }
    for name, values in columns.items():
        maker.column("tables/table/obs", name, values)
    slots = {"tables:table:obs": {"fields": {n: {"type": of} for n in columns}}}
    found = faults(scan_store(maker.root), slots)
    assert {p.where.rpartition("/")[2] for p in found} == set(columns) - fits
    assert {p.code for p in found} == {"column-type"}


def test_categories_with_one_fault_are_one_problem(maker: Maker):
    cells = ["B cell", "T cells", "t cell", *(f"blurb {i}" for i in range(8)), "unknown"]
    maker.categorical("tables/table/obs", "cell_type", cells, [0, 1, 2])
    cell_type = {"type": "term", "ontology": "CL"}
    slots = {"tables:*:obs": {"fields": {"cell_type": cell_type}}}
    found = {p.code: p for p in faults(scan_store(maker.root), slots)}
    assert set(found) == {"term-unknown", "term-synonym", "term-case"}
    unknown = found["term-unknown"].what
    assert unknown.startswith("8 of 12 categories of `cell_type`: `blurb 0` is the name of no term")
    assert unknown.endswith(" And 3 more.")
    assert "`T cells` is `T cell` (CL:0000084). Write `T cell`." in found["term-synonym"].what
    assert {p.where for p in found.values()} == {"s/tables/table/obs/cell_type"}


def test_what_of_a_column_was_not_read_is_told(maker: Maker):
    many = [str(i) for i in range(600)]
    maker.categorical("tables/table/obs", "many", many, [0, 1, 2])
    maker.column("tables/table/obs", "plain", ["a", "b", "c"])
    of = {"type": "enum", "values": many}
    found = faults(
        scan_store(maker.root),
        {"tables:table:obs": {"fields": dict.fromkeys(("many", "plain"), of)}},
    )
    assert [(p.code, p.severity) for p in found] == [("column-unchecked", "info")] * 2
    assert "first 512" in found[0].what
    assert found[1].remedy == "Make the column categorical."


def test_a_pattern_judges_every_table_that_it_fits(maker: Maker):
    for name in ("cells_a", "cells_b"):
        maker.table(name)
    slots = {"tables:cells_*:obs": {"fields": {"x": {"required": True}}}}
    assert told(faults(scan_store(maker.root), slots)) == [
        ("column-missing", "s/tables/cells_a/obs"),
        ("column-missing", "s/tables/cells_b/obs"),
    ]


def test_a_closed_table_names_each_column_too_many(maker: Maker):
    slots = {"tables:table:obs": {"fields": {"region": {}}, "closed": True}}
    (problem,) = faults(scan_store(maker.root), slots)
    assert problem.code == "key-unknown"
    assert "`instance_id`" in problem.what


def test_of_many_columns_too_many_a_few_are_named(maker: Maker):
    for i in range(14):
        maker.column("tables/table/obs", f"c{i:02d}", np.zeros(3))
    slots = {"tables:table:obs": {"fields": {"instance_id": {}, "region": {}}, "closed": True}}
    found = [p for p in faults(scan_store(maker.root), slots) if p.code == "key-unknown"]
    assert [p.what.split("`")[1] for p in found[:5]] == [f"c{i:02d}" for i in range(5)]
    assert found[5].what == (
        "9 more are not in the schema: `c05`, `c06`, `c07`, `c08`, `c09` and 4 others."
    )


# genes


def genes(
    tmp_path: Path, names: list[str], slots: dict[str, Any], *organisms: str
) -> list[Problem]:
    maker = Maker(tmp_path / "g.zarr")
    maker.table(genes=names)
    return faults(scan_store(maker.root), slots, organisms=frozenset(organisms))


ASKED = {"tables:*:var": {"index": {"type": "gene"}}}


def test_genes_that_are_asked_for_must_be_genes(tmp_path: Path):
    (problem,) = genes(tmp_path, ["one", "two", "three"], ASKED)
    assert (problem.code, problem.severity, problem.where) == (
        "genes-unlike",
        "error",
        "s/tables/table/var",
    )


def test_what_is_no_gene_is_nothing_to_a_schema_that_asks_for_none(tmp_path: Path):
    assert genes(tmp_path, ["one", "two", "three"], {}) == []


@pytest.mark.parametrize(("slots", "severity"), [({}, "warning"), (ASKED, "error")])
def test_genes_of_another_organism_are_told_once(tmp_path: Path, slots: Any, severity: str):
    (problem,) = genes(tmp_path, HUMAN_GENES, slots, MOUSE)
    assert (problem.code, problem.severity) == ("genes-organism", severity)
    assert "genes are of human, the organism is mouse" in problem.what
    assert genes(tmp_path / "2", MOUSE_GENES, slots, MOUSE) == []


@pytest.mark.parametrize(("slots", "severity"), [({}, "info"), (ASKED, "error")])
def test_genes_that_no_release_has_are_named_once(tmp_path: Path, slots: Any, severity: str):
    (problem,) = genes(tmp_path, [*HUMAN_GENES, "NOSUCHGENE1"], slots)
    assert (problem.code, problem.severity) == ("genes-unknown", severity)
    assert "1 of 7 genes" in problem.what
    assert "`NOSUCHGENE1`" in problem.what


def test_genes_of_other_organisms_are_not_judged(tmp_path: Path):
    assert genes(tmp_path, MOUSE_GENES, {}, RAT) == []
    (problem,) = genes(tmp_path / "2", ["ENSRNOG00000000001"] * 3, ASKED, RAT)
    assert (problem.code, problem.severity) == ("column-unchecked", "info")


def test_a_graft_has_genes_of_both_organisms(tmp_path: Path):
    assert genes(tmp_path, MOUSE_GENES, ASKED, HUMAN, MOUSE) == []
    assert genes(tmp_path / "2", HUMAN_GENES, ASKED, HUMAN, MOUSE) == []
    (problem,) = genes(tmp_path / "3", [*MOUSE_GENES, "NOSUCHGENE1"], ASKED, HUMAN, MOUSE)
    assert "1 of 7 genes are not in GENCODE M" in problem.what


# elements


def test_elements_that_are_required_are_told_with_those_that_may_be_meant(maker: Maker):
    slots = {
        "images:imag": {"required": True},
        "shapes": {"elements": ["shapes", "shape"]},
        "points": {"required": True},
    }
    found = faults(scan_store(maker.root), slots)
    assert told(found) == [("element-missing", "s/images"), ("element-missing", "s/shapes")]
    assert [p.remedy for p in found] == ["Did you mean 'image'?", "Did you mean 'shapes'?"]


def test_axes_channels_and_systems_of_an_image(maker: Maker):
    maker.image(
        "stained",
        ((2, 3, 40, 60),),
        axes="czyx",
        omero={"channels": [{"label": "DAPI"}, {"label": "CD3"}]},
        transformations=[identity("czyx", "micron")],
    )
    facts = scan_store(maker.root)
    asked = {"axes": "cyx", "channels": ["DAPI", "CD33"], "coordinate_systems": ["microns"]}
    found = faults(facts, {"images:stained": asked})
    assert told(found) == [
        (code, "s/images/stained")
        for code in ("axes-wrong", "channel-missing", "coordinate-system-missing")
    ]
    assert "`czyx`, not `cyx`" in found[0].what
    assert [p.remedy for p in found[1:]] == ["Did you mean 'CD3'?", "Did you mean 'micron'?"]
    right = {"axes": "czyx", "channels": ["CD3"], "coordinate_systems": ["micron"]}
    assert faults(facts, {"images:stained": right}) == []


def test_the_unit_is_that_of_the_axes_of_space(maker: Maker):
    placed = identity("yx")
    for axis in placed["output"]["axes"]:
        axis["unit"] = "micrometer"
    maker.labels("measured", transformations=[placed])
    facts = scan_store(maker.root)
    found = faults(facts, {"labels": {"unit": "micrometer"}})
    assert told(found) == [("unit-wrong", "s/labels/labels")]
    assert "not stated; it must be micrometer" in found[0].what
    assert told(faults(facts, {"labels:measured": {"unit": "pixel"}})) == [
        ("unit-wrong", "s/labels/measured")
    ]


def test_points_and_shapes_have_columns_too(maker: Maker):
    slots = {
        "points": {"fields": {"gene": {"type": "enum", "values": ["a"]}, "qv": {"required": True}}},
        "shapes:shapes": {"fields": {"area": {"type": "integer"}}, "closed": True},
    }
    found = faults(scan_store(maker.root), slots)
    assert told(found) == [
        ("column-unchecked", "s/points/points/gene"),
        ("column-missing", "s/points/points"),
        ("column-type", "s/shapes/shapes/area"),
    ]
    assert found[0].remedy == ""  # its values are never read, whatever its type


# anything


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=12,
)
EVERY = {
    t: {"type": t, "required": True, **more}
    for t, more in {
        "term": {"ontology": ["UBERON", "HsapDv", "MmusDv"], "many": True},
        "enum": {"values": ["a", "b"]},
        "text": {},
        "integer": {"minimum": 1, "unit": "µm"},
        "number": {},
        "date": {},
        "address": {},
        "boolean": {},
        "gene": {},
    }.items()
}


@settings(deadline=None, max_examples=150)
@given(st.dictionaries(st.sampled_from([*EVERY, "else"]), JSON), JSON)
def test_attributes_of_any_shape_are_judged_with_codes_that_are_explained(bio: Any, tech: Any):
    slots = {
        "attrs:bio": {"fields": EVERY, "closed": True},
        "attrs:tech:kit": {"fields": EVERY},
        "attrs": {"fields": EVERY},
    }
    found = faults(saying(bio=bio, tech=tech), slots)
    assert found  # the root lacks all that is required
    assert all(p.code in CODES and p.what.endswith((".", "?", "!")) for p in found)
    assert all(p.where.startswith("s/attrs") for p in found)


# one object in memory and on disk


def an_object() -> Any:
    """Elements of each kind with much to find fault with."""
    import pandas as pd
    from spatialdata import SpatialData

    from tests import view_stores

    table = view_stores.table(24, "spots")
    table.var["gene_ids"] = [*GENE_IDS * 5, *(f"ENSG{i:011d}" for i in range(4))]
    table.obs["kind"] = pd.Categorical([f"kind {i}" for i in range(24)])
    table.obs["flag"] = [i % 2 == 0 for i in range(24)]
    table.obs["small"] = pd.array([1] * 24, dtype="Int16")
    shapes = view_stores.circles(24)
    shapes.index = pd.Index([f"spot{i}" for i in range(24)], name="barcode")
    shapes["ring"] = pd.Categorical(["a", "b"] * 12)
    shapes["note"] = "x"
    shapes["seen"] = True
    table.obs["instance"] = shapes.index.to_numpy()
    return SpatialData.init_from_elements(
        {
            **view_stores.fluorescence(),
            **view_stores.stack(),
            "spots": shapes,
            "reads": view_stores.points(50),
            "table": table,
        },
        attrs={"bio": {"tissue": ["Lung", "brian"], "n": 3.5, "deep": {"a": [None, 1]}}},
    )


EVERYTHING = {
    "attrs:bio": {"fields": {"tissue": TISSUE, "n": {"type": "integer"}, "deep": {}, "no": {"required": True}}, "closed": True},
    "attrs:tech": {"required": True},
    "tables:table:obs": {
        "fields": {
            "kind": {"type": "term", "ontology": "CL"},
            "cell_type": {"type": "enum", "values": ["type A", "type B"]},
            "flag": {"type": "integer"},
            "small": {"type": "boolean"},
            "absent": {"required": True},
        },
        "closed": True,
    },
    "tables:*:var": {"index": {"type": "gene"}, "fields": {"gene_ids": {"type": "number"}}},
    "images": {"axes": "cyx", "channels": ["CD8"], "elements": ["stains", "he"]},
    "labels": {"required": True},
    "points": {
        "axes": "yx",
        "coordinate_systems": ["global", "aligned"],
        "fields": {"gene": {"type": "term", "ontology": "CL"}, "x": {"type": "text"}},
        "closed": True,
    },
    "shapes:spots": {
        "unit": "micrometer",
        "fields": {
            "ring": {"type": "enum", "values": ["a"]},
            "seen": {"type": "boolean"},
            "note": {"type": "integer"},
            "barcode": {"type": "integer"},
        },
        "closed": True,
    },
}  # fmt: skip


def test_an_object_is_judged_alike_in_memory_and_on_disk(tmp_path: Path):
    pytest.importorskip("spatialdata", reason="needs the extra `build`")
    from portal.objectfacts import facts_of

    sdata = an_object()
    sdata.write(tmp_path / "s.zarr")
    in_memory = faults(facts_of(sdata), EVERYTHING)
    on_disk = faults(scan_store(tmp_path / "s.zarr"), EVERYTHING)
    assert sorted(map(str, in_memory)) == sorted(map(str, on_disk))
    assert {p.code for p in on_disk} >= {
        "slot-missing", "required-missing", "term-unknown", "list-not-allowed", "number-invalid",
        "value-nested", "column-type", "column-missing", "key-unknown", "value-not-allowed",
        "genes-unknown", "axes-wrong", "channel-missing", "element-missing", "unit-wrong",
        "coordinate-system-missing", "column-unchecked",
    }  # fmt: skip


def test_a_text_column_is_judged_in_memory_and_told_not_to_be_on_disk(tmp_path: Path):
    pytest.importorskip("spatialdata", reason="needs the extra `build`")
    from portal.objectfacts import facts_of

    sdata = an_object()
    sdata.tables["table"].obs["plain"] = [f"no cell {i}" for i in range(24)]
    sdata.write(tmp_path / "s.zarr")
    slots = {"tables:table:obs": {"fields": {"plain": {"type": "term", "ontology": "CL"}}}}
    in_memory = told(faults(facts_of(sdata), slots))
    on_disk = told(faults(scan_store(tmp_path / "s.zarr"), slots))
    where = "s/tables/table/obs/plain"
    assert ("column-unchecked", where) in on_disk
    assert set(in_memory) == {*on_disk, ("term-unknown", where)}


# real stores


def test_slots_of_every_kind_are_judged_in_every_real_store(test_data: Path):
    stores = sorted(p for p in (test_data / "stores").glob("*/*") if p.is_dir())
    assert stores
    for store in stores:
        facts = scan_store(store, name="s")
        found = faults(facts, EVERYTHING)
        assert {p.code for p in found} <= set(CODES), store
        assert ("slot-missing", "s/attrs/tech") in told(found), store

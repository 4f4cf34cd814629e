"""`portal.Curator`: what it tells of an object, and what it writes and what it leaves alone."""

from __future__ import annotations

import copy
import json
import time
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("spatialdata", reason="needs the extra `build`")

import pandas as pd
from anndata import AnnData
from spatialdata import SpatialData, read_zarr

import portal
from portal.check import check
from portal.config import SiteConfig, load_config
from portal.errors import ProblemsError, UsageError
from portal.manifest import read_manifest
from portal.schema import Schema
from tests import view_stores

BIO = {
    "organism": "human",
    "tissue": ["Lung", "brain"],
    "disease": "healthy",
    "development_stage": "adult",
    "sex": "Female",
}
TECH = {"technology": "visium", "assay": "Visium", "modality": "transcriptome"}
GENERAL = {
    "Technology": "Xenium",
    "Assay": "Xenium Spatial Gene Expression",
    "Product": "In Situ Gene Expression",
    "Modality": "RNA",
    "Chemistry Version": "v1",
    "Organism": "Mouse",
    "Tissue": "Brain",
    "Disease": "normal",
    "Development Stage": "8 weeks",
    "Biomaterial Type": "Specimen from Organism",
    "Number of Target Genes": "5,006",
    "Publication Date": "10 May 2024",
    "Dataset Url": "https://example.org/data",
    "License": "CC BY 4.0",
}
XENIUM = {
    "Panel Type": "Pre-designed",
    "Panel": "Mouse brain",
    "Number of Cells": 12,
    "Region Area": "81.5 um2",
}
LAYOUTS: dict[str, tuple[str, dict[str, Any]]] = {
    "metadata_general": (
        "spatialdata-db",
        {"metadata_general": GENERAL, "metadata_xenium": XENIUM},
    ),
    "bio+tech": ("minimal", {"bio": BIO, "tech": TECH}),
    "sample": (
        "minimal",
        {"sample": {"organism": "Mus musculus", "tissue": "UBERON:0000955", "id": "M 1"}},
    ),
}


def spots(**attrs: Any) -> SpatialData:
    """Twelve spots with a table."""
    table = view_stores.table(12, "spots")
    named = {"type A": "B cell", "type B": "T cell", "type C": "neuron"}
    table.obs["cell_type"] = table.obs["cell_type"].cat.rename_categories(named)
    elements = {"spots": view_stores.circles(12), "table": table}
    return SpatialData.init_from_elements(elements, attrs=copy.deepcopy(attrs))


def ids(report: portal.Report) -> dict[str, list[tuple[str, str | None, str | None]]]:
    return {n: [(v.label, v.id, v.written) for v in vs] for n, vs in report.values.items()}


def files_below(store: Path) -> dict[str, bytes]:
    """All but the metadata of the root, where the attributes are."""
    files = {p.relative_to(store).as_posix(): p for p in store.rglob("*") if p.is_file()}
    return {name: p.read_bytes() for name, p in files.items() if name != "zarr.json"}


def told(report: portal.Report) -> list[tuple[str, str, str]]:
    return [(p.code, p.severity, p.where) for p in report.problems]


@pytest.fixture
def site(tmp_path: Path) -> SiteConfig:
    (tmp_path / "site_config.yaml").write_text("title: T\n")
    (tmp_path / "data_manifest").mkdir()
    return load_config(tmp_path / "site_config.yaml")


# what it tells


def test_every_problem_is_told_at_once_with_its_place_and_a_remedy():
    sdata = spots(
        bio={"organism": "Homo sapiens", "tissue": ["lungg", "mouse brain"], "disease": {"a": 1}},
        tech={"assay": "lung", "technology": float("nan")},
        when=date(2024, 1, 1),
        what={"deep": [b"bytes"]},
        spatialdata_attrs={"version": "mine"},
    )
    report = portal.Curator(sdata, metadata={"n_cells": "many", "tisue": "lung"}).validate()
    assert sorted(told(report)) == [
        ("attribute-converted", "warning", "object/attrs/when"),
        ("attribute-reserved", "error", "object/attrs/spatialdata_attrs"),
        ("attribute-unwritable", "error", "object/attrs/what.deep"),
        ("field-unknown", "warning", "object/metadata/tisue"),
        ("json-nan", "warning", "object/attrs/tech.technology"),
        ("number-invalid", "error", "object"),
        ("term-unknown", "error", "object/attrs/bio.tissue"),
        ("term-wrong-ontology", "error", "object/attrs/tech.assay"),
        ("value-composite", "error", "object/attrs/bio.tissue"),
        ("value-nested", "error", "object/attrs/bio.disease"),
    ]
    assert all(p.remedy for p in report.problems)
    assert not report
    assert len(report.errors) == 7


def test_a_fault_that_a_field_and_a_slot_find_is_told_once():
    tissue = {"type": "term", "ontology": "UBERON", "label": "Tissue", "found_in": "bio.tissue"}
    slot = {"fields": {"tissue": {"type": "term", "ontology": "UBERON"}}}
    schema = Schema.model_validate({"fields": {"tissue": tissue}, "slots": {"attrs:bio": slot}})
    report = portal.Curator(spots(bio={"tissue": "lungg"}), schema).validate()
    assert told(report) == [("term-unknown", "error", "object/attrs/bio.tissue")]
    assert report.problems[0].what.startswith("Tissue: ")


def test_looking_changes_nothing():
    sdata = spots(bio=BIO, when=date(2024, 1, 1), odd=float("nan"))
    attrs, before = sdata.attrs, copy.deepcopy(sdata.attrs)
    obs = sdata.tables["table"].obs.copy()
    portal.Curator(sdata).validate()
    assert sdata.attrs is attrs
    assert repr(attrs) == repr(before)
    pd.testing.assert_frame_equal(sdata.tables["table"].obs, obs)


def test_a_report_is_read_in_a_terminal_and_in_a_notebook():
    report = portal.Curator(spots(bio={"tissue": "<b>lungg</b>"})).validate()
    assert str(report).startswith("not valid, 1 problem\nobject/attrs/bio.tissue: error [term-")
    assert "<b>lungg</b>" not in report._repr_html_()
    assert "&lt;b&gt;lungg&lt;/b&gt;" in report._repr_html_()
    assert str(portal.Curator(spots()).validate()) == "valid, 0 problems"


def test_a_schema_is_a_name_a_file_or_itself(tmp_path: Path):
    schema = tmp_path / "mine.yaml"
    schema.write_text("fields: {donor: {required: true}}\n")
    for given in (schema, str(schema), Schema.model_validate({"fields": {"donor": {"required": True}}})):  # fmt: skip
        assert [p.code for p in portal.Curator(spots(), given).validate().problems] == [
            "required-missing"
        ]
    with pytest.raises(ProblemsError, match="minimal"):
        portal.Curator(spots(), "minimum")
    schema.write_text("fields: {donor: {type: term}}\n")
    with pytest.raises(ProblemsError, match="ontology"):
        portal.Curator(spots(), schema)


def test_a_title_must_fit_into_an_entry():
    with pytest.raises(UsageError, match="300"):
        portal.Curator(spots(), title="x" * 301)


@pytest.mark.parametrize(
    ("value", "code"),
    [
        ([["lung"]], "invalid-value"),
        ({"label": "lung", "colour": "red"}, "invalid-value"),
        ({}, "invalid-value"),
        ("x" * 5001, "invalid-value"),
        (b"lung", "attribute-unwritable"),
    ],
)
def test_a_value_that_no_entry_can_say_is_told(value: Any, code: str):
    report = portal.Curator(spots(), metadata={"tissue": value, "sex": "female"}).validate()
    (error,) = report.errors
    assert (error.code, error.where) == (code, "object/metadata/tissue")
    assert report.values["sex"][0].label == "female"


def test_values_may_be_dates_numbers_terms_and_lists():
    metadata = {
        "publication_date": date(2024, 5, 1),
        "n_cells": np.int64(12),
        "tissue": ["Lung", {"id": "UBERON:0000955", "label": "brain"}],
        "disease": None,
    }
    report = portal.Curator(spots(), metadata=metadata).validate()
    assert report.ok
    assert report.record.labels("publication_date") == ["2024-05-01"]
    assert report.record.labels("n_cells") == ["12"]
    assert [v.id for v in report.values["tissue"]] == ["UBERON:0002048", "UBERON:0000955"]


def test_five_hundred_columns_are_judged_in_a_moment():
    n = 20_000
    kinds = pd.Categorical.from_codes(np.arange(n) % 4, ["B cell", "T cell", "t cell", "neuron"])
    obs = pd.DataFrame({f"c{i}": kinds for i in range(500)}, index=np.arange(n).astype(str))
    sdata = SpatialData(tables={"table": AnnData(obs=obs, var=pd.DataFrame(index=["g"]))})
    cell_type = {"type": "term", "ontology": "CL"}
    slot = {"fields": {f"c{i}": cell_type for i in range(500)}}
    schema = Schema.model_validate({"slots": {"tables:table:obs": slot}})
    portal.Curator(spots()).validate()  # the vocabularies are read
    start = time.process_time()
    report = portal.Curator(sdata, schema).validate()
    assert time.process_time() - start < 5
    assert [p.code for p in report.problems] == ["term-case"] * 500


# what it writes


@pytest.mark.parametrize("layout", LAYOUTS)
def test_what_is_written_is_valid_and_says_the_same(layout: str, site: SiteConfig):
    name, attrs = LAYOUTS[layout]
    (site.manifest_dir / "schema.yaml").write_text(f"extends: {name}\n")
    sdata = spots(**attrs)
    curator = portal.Curator(sdata, name, title="Spots: a title")
    report = curator.validate()
    assert report.ok, str(report)
    store, entry = site.root / "stores" / "spots.zarr", site.manifest_dir / "spots.yaml"
    assert curator.write(store, entry) == entry
    assert entry.read_text().startswith("title: 'Spots: a title'\n")

    manifest = read_manifest(site)
    assert manifest.problems == ()
    assert manifest.entries[0].title == "Spots: a title"
    assert (entry.parent / manifest.entries[0].source).resolve() == store.resolve()

    checked = check(site)
    (record,) = checked.records
    assert all(
        [v.id for v in record.values[n]] == [v.id for v in vs] for n, vs in report.values.items()
    )
    before = {(p.code, p.what) for p in report.problems}
    assert {p for p in checked.problems if (p.code, p.what) not in before} == set()

    again = portal.Curator(read_zarr(store), name).validate()
    assert ids(again) == ids(report)
    assert {(p.code, p.what) for p in again.problems} <= before
    found = {n: vs for n, vs in again.values.items() if vs[0].source.startswith("store attr")}
    assert found
    assert all(vs[0].source == f"store attribute curation.values.{n}" for n, vs in found.items())


def test_attributes_get_the_labels_of_their_terms(tmp_path: Path):
    sdata = spots(bio=BIO, tech=TECH)
    portal.Curator(sdata).write(tmp_path / "s.zarr")
    written = read_zarr(tmp_path / "s.zarr").attrs
    assert written == sdata.attrs
    assert written["bio"] == {
        "organism": "Homo sapiens",
        "tissue": ["lung", "brain"],
        "disease": "normal",
        "development_stage": "adult stage",
        "sex": "female",
    }
    assert written["curation"]["schema"] == {"name": "minimal", "version": "1"}
    lung = written["curation"]["values"]["tissue"][0]
    assert {k: lung[k] for k in ("id", "label", "written")} == {
        "id": "UBERON:0002048",
        "label": "lung",
        "written": "Lung",
    }


def test_nothing_that_the_object_held_is_lost(tmp_path: Path):
    mine = {"lab": {"notes": ["a\nb", {"c": [1, [2.5, None]]}], "": True}, "number": 7}
    bio = {"tissue": "lung", "donor_id": "D 1.\nsecond line", "colour": "blue"}
    elements = {
        **view_stores.fluorescence(),
        "spots": view_stores.circles(12),
        "reads": view_stores.points(40),
        "table": view_stores.table(12, "spots"),
    }
    sdata = SpatialData.init_from_elements(elements, attrs={"bio": bio, **mine})
    sdata.write(tmp_path / "plain.zarr")
    portal.Curator(sdata).write(tmp_path / "curated.zarr")
    assert files_below(tmp_path / "plain.zarr") == files_below(tmp_path / "curated.zarr")
    curated = read_zarr(tmp_path / "curated.zarr")
    assert sorted(name for _, name, _ in curated.gen_elements()) == sorted(elements)
    assert {k: v for k, v in curated.attrs.items() if k != "curation"} == {"bio": bio, **mine}


def test_numbers_stay_numbers_and_blanks_in_a_list_stay_where_they_are(tmp_path: Path):
    field = {"type": "integer", "many": True, "found_in": "sample.donors"}
    tissue = {"type": "term", "ontology": "UBERON", "many": True, "found_in": "sample.tissue"}
    schema = Schema.model_validate({"fields": {"donors": field, "tissue": tissue}})
    sdata = spots(sample={"donors": [3, 4], "tissue": ["Lung", None]})
    portal.Curator(sdata, schema).write(tmp_path / "s.zarr")
    assert sdata.attrs["sample"] == {"donors": [3, 4], "tissue": ["Lung", None]}
    kept = sdata.attrs["curation"]["values"]
    assert [v["label"] for v in kept["donors"]] == ["3", "4"]
    assert kept["tissue"][0]["id"] == "UBERON:0002048"


def test_attributes_that_only_slots_speak_of_get_labels_and_keep_what_they_were(tmp_path: Path):
    schema = Schema.model_validate(
        {
            "extends": "minimal",
            "fields": {
                "organism": {"type": "term", "ontology": "NCBITaxon", "found_in": "bio.organism"}
            },
            "slots": {
                "attrs:bio": {
                    "fields": {
                        "site": {"type": "term", "ontology": "UBERON", "many": True},
                        "age": {"type": "term", "ontology": ["HsapDv", "MmusDv"]},
                        "note": {},
                    }
                }
            },
        }
    )
    bio = {"organism": "mouse", "site": ["Lung", "Brain"], "age": "adult", "note": "as\nit is."}
    sdata = spots(bio=bio)
    portal.Curator(sdata, schema).write(tmp_path / "s.zarr")
    attrs = read_zarr(tmp_path / "s.zarr").attrs
    assert attrs["bio"] == {
        "organism": "Mus musculus",
        "site": ["lung", "brain"],
        "age": "mature stage",
        "note": "as\nit is.",
    }
    kept = attrs["curation"]["slots"]["attrs:bio"]
    assert [(v["id"], v["written"]) for v in kept["site"]] == [
        ("UBERON:0002048", "Lung"),
        ("UBERON:0000955", "Brain"),
    ]
    assert kept["age"][0]["id"].startswith("MmusDv:")


def test_a_closed_schema_is_not_closed_to_what_the_portal_keeps(tmp_path: Path):
    tissue = {"type": "term", "ontology": "UBERON"}
    schema = Schema.model_validate(
        {"slots": {"attrs": {"fields": {"tissue": tissue}, "closed": True}}}
    )
    portal.Curator(spots(tissue="lung"), schema).write(tmp_path / "s.zarr")
    assert portal.Curator(read_zarr(tmp_path / "s.zarr"), schema).validate().problems == ()


def test_what_somebody_else_keeps_under_the_same_key_stays_or_is_told(tmp_path: Path):
    sdata = spots(curation={"by": "Anna", "values": {"colour": [{"label": "red"}]}}, bio=BIO)
    portal.Curator(sdata).write(tmp_path / "s.zarr")
    kept = read_zarr(tmp_path / "s.zarr").attrs["curation"]
    assert kept["by"] == "Anna"
    assert kept["values"]["colour"] == [{"label": "red"}]
    for own in ("by hand", ["a"], {"values": "mine"}, {"schema": "mine"}):
        report = portal.Curator(spots(curation=own)).validate()
        assert told(report) == [("attribute-reserved", "error", "object/attrs/curation")]


def test_an_attribute_that_is_corrected_after_it_was_written_counts(tmp_path: Path):
    sdata = spots(bio={"tissue": "lung"})
    portal.Curator(sdata).write(tmp_path / "s.zarr")
    sdata.attrs["bio"]["tissue"] = "brain"
    assert portal.Curator(sdata).validate().record.labels("tissue") == ["brain"]


def test_values_that_the_object_does_not_hold_are_in_entry_and_store(site: SiteConfig):
    metadata = {"tissue": "Lung", "n_spots": "12", "colour: x\n- y": "#red", "sex": "unknown"}
    curator = portal.Curator(spots(), metadata=metadata)
    entry = curator.write(site.root / "s.zarr", site.manifest_dir / "s.yaml")
    assert entry.read_text().startswith("title: s  # TODO a title that people understand\n")
    (read,) = read_manifest(site).entries
    assert read.path == entry
    assert read.metadata["n_spots"] == 12
    assert read.metadata["sex"] == "unknown"
    assert read.metadata["colour: x\n- y"] == "#red"
    tissue: Any = read.metadata["tissue"]
    assert (tissue.id, tissue.label, tissue.written) == ("UBERON:0002048", "lung", "Lung")
    again = portal.Curator(read_zarr(site.root / "s.zarr")).validate()
    assert [v.id for v in again.values["tissue"]] == ["UBERON:0002048"]


def test_dates_and_what_is_no_number_are_written_as_was_told(tmp_path: Path):
    sdata = spots(when=date(2024, 1, 1), odd=[1.5, float("nan")])
    report = portal.Curator(sdata).validate()
    assert [p.code for p in report.problems] == ["attribute-converted", "json-nan"]
    portal.Curator(sdata).write(tmp_path / "s.zarr")
    text = (tmp_path / "s.zarr" / "zarr.json").read_text()
    attributes = json.loads(text, parse_constant=pytest.fail)["attributes"]
    assert (attributes["when"], attributes["odd"]) == ("2024-01-01", [1.5, None])


# where it writes


@pytest.mark.parametrize(
    ("store", "entry"),
    [
        ("brain_1.zarr", "brain_1.yaml"),
        ("v1.2", "v1.2.yaml"),
        ("My Brain (1).zarr", "my-brain-1.yaml"),
        ("脳.zarr", "store.yaml"),
    ],
)
def test_the_entry_beside_a_store_has_a_name_that_can_be_an_id(
    store: str, entry: str, site: SiteConfig
):
    assert portal.Curator(spots()).write(site.manifest_dir / store).name == entry
    manifest = read_manifest(site)
    assert manifest.problems == ()
    assert manifest.entries[0].source == store
    assert read_zarr(site.manifest_dir / store).tables["table"].n_obs == 12


@pytest.mark.parametrize(
    "name", ["Brain.yaml", "brain.yml.txt", "brain", "-brain.yaml", "a b.yaml", "schema.yaml"]
)
def test_an_entry_with_a_name_that_is_no_id_is_refused_before_anything_is_written(
    name: str, tmp_path: Path
):
    with pytest.raises(UsageError, match="id"):
        portal.Curator(spots()).write(tmp_path / "s.zarr", tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_what_is_not_valid_is_not_written(tmp_path: Path):
    sdata = spots(bio={"tissue": "lungg"})
    with pytest.raises(ProblemsError, match="term-unknown"):
        portal.Curator(sdata).write(tmp_path / "s.zarr")
    assert list(tmp_path.iterdir()) == []
    assert sdata.attrs == {"bio": {"tissue": "lungg"}}


@pytest.mark.parametrize("name", ["s.zarr", "s.yaml"])
def test_nothing_is_overwritten(name: str, tmp_path: Path):
    (tmp_path / name).write_text("mine")
    sdata = spots(bio={"tissue": "Lung"})
    with pytest.raises(FileExistsError, match="nothing was written"):
        portal.Curator(sdata).write(tmp_path / "s.zarr")
    assert [(p.name, p.read_text()) for p in tmp_path.iterdir()] == [(name, "mine")]
    assert sdata.attrs == {"bio": {"tissue": "Lung"}}


def test_a_store_that_cannot_be_written_leaves_nothing_behind(tmp_path: Path):
    sdata = spots(bio={"tissue": "Lung"})
    sdata.tables["table"].uns["thing"] = object()
    attrs = sdata.attrs
    assert portal.Curator(sdata).validate().ok
    with pytest.raises(Exception, match="object"):
        portal.Curator(sdata).write(tmp_path / "s.zarr")
    assert list(tmp_path.iterdir()) == []
    assert sdata.attrs is attrs
    assert sdata.attrs == {"bio": {"tissue": "Lung"}}
    assert sdata.path is None
    del sdata.tables["table"].uns["thing"]
    portal.Curator(sdata).write(tmp_path / "s.zarr")
    assert sdata.path == tmp_path / "s.zarr"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["s.yaml", "s.zarr"]


def test_the_store_that_an_object_was_read_from_is_left_alone(tmp_path: Path):
    spots(bio={"tissue": "Lung"}).write(tmp_path / "old.zarr", consolidate_metadata=False)
    files = {p: p.read_bytes() for p in (tmp_path / "old.zarr").rglob("*") if p.is_file()}
    sdata = read_zarr(tmp_path / "old.zarr")
    with pytest.raises(OSError, match="old"):
        portal.Curator(sdata).write(tmp_path / "new.zarr", tmp_path / "old.zarr/zarr.json/e.yaml")
    assert sdata.path == tmp_path / "old.zarr"
    portal.Curator(sdata).write(tmp_path / "new.zarr")
    assert sdata.path == tmp_path / "new.zarr"
    assert {p: p.read_bytes() for p in files} == files
    assert sorted(p.name for p in tmp_path.iterdir()) == ["new.yaml", "new.zarr", "old.zarr"]


def test_an_entry_that_cannot_be_written_leaves_no_store(tmp_path: Path):
    (tmp_path / "file").write_text("mine")
    sdata = spots(bio={"tissue": "Lung"})
    with pytest.raises(OSError, match="file"):
        portal.Curator(sdata).write(tmp_path / "s.zarr", tmp_path / "file" / "s.yaml")
    assert [p.name for p in tmp_path.iterdir()] == ["file"]
    assert sdata.attrs == {"bio": {"tissue": "Lung"}}


HOSTILE = [
    "a: b",
    "# no comment",
    "two\nlines\n- x: 1",
    "'single' \"double\"",
    "!!python/object:os.system x",
    "*alias &anchor",
    "{a: [b",
    "null",
    "yes",
    "1e5",
    "2024-01-01",
    "\u202eright to left\u2028\x85\x07",
    "脳 🧠 ﷽",
    "%TAG",
    "---",
    "  spaces  ",
    "x" * 4999,
]


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_words_stay_words_in_entry_and_store(text: str, site: SiteConfig):
    fields = {
        "note": {"found_in": "lab.note"},
        "colour": {"type": "enum", "values": ["a"], "open": True, "found_in": "lab.colour"},
    }
    schema = Schema.model_validate({"fields": fields})
    sdata = SpatialData(attrs={"lab": {"note": text, "colour": text}})
    portal.Curator(sdata, schema, title=f"T {text}"[:300]).write(
        site.root / "s.zarr", site.manifest_dir / "s.yaml"
    )
    (entry,) = read_manifest(site).entries
    assert entry.title == f"T {text}"[:300]
    assert entry.source == "../s.zarr"
    report = portal.Curator(read_zarr(site.root / "s.zarr"), schema).validate()
    labels = {n: report.record.labels(n)[0] for n in fields}
    assert entry.metadata == labels
    assert labels["note"] in (text, text.strip(), "unknown")
    assert read_zarr(site.root / "s.zarr").attrs["lab"]["note"] == text

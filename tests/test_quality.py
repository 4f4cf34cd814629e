"""The collection as a whole: the same store twice, and what is unknown where."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from portal.check import check
from portal.config import load_config
from portal.curate import curate
from portal.entry import Entry
from portal.facts import ElementFacts, StoreFacts
from portal.quality import report, with_duplicates
from portal.record import Record
from portal.schema import Schema
from tests.stores import sound, zipped

SCHEMA = Schema.model_validate(
    {
        "fields": {
            "technology": {"type": "enum", "open": True, "values": ["Visium", "Xenium"]},
            "tissue": {
                "label": "Tissue",
                "type": "term",
                "ontology": "UBERON",
                "many": True,
                "required": True,
                "found_in": "bio.tissue",
            },
            "panel": {"only": ["Xenium"], "required": True},
            "note": {},
        }
    }
)


def record(
    id_: str,
    metadata: dict[str, Any] | None = None,
    facts: StoreFacts | None = None,
    **values: Any,
) -> Record:
    entry = Entry.model_validate({"title": id_, "metadata": metadata or {}, **values})
    entry = entry.model_copy(update={"id": id_, "shown_as": f"{id_}.yaml"})
    return curate(entry, facts, SCHEMA)


def store(fingerprint: str, **attributes: Any) -> StoreFacts:
    element = ElementFacts(kind="labels", name="cells", path="labels/cells")
    return StoreFacts(
        kind="spatialdata", elements=(element,), fingerprint=fingerprint, attributes=attributes
    )


# the same store


def test_entries_with_one_store_name_each_other():
    records = [record("b", facts=store("f")), record("a", facts=store("f")), record("c", facts=store("g"))]  # fmt: skip
    b, a, c = with_duplicates(records)
    assert (a.quality.duplicates, b.quality.duplicates, c.quality.duplicates) == (
        ("b",),
        ("a",),
        (),
    )
    (problem,) = [p for p in a.problems if p.code == "duplicate-store"]
    assert (problem.severity, problem.where) == ("warning", "a")
    assert "that of b." in problem.what
    assert problem.remedy
    assert c is records[2]


def test_where_no_scan_has_reached_the_address_counts():
    here, there = "https://example.org/1.zarr", "https://example.org/2.zarr"
    a, b, c, d = with_duplicates(
        [record("a", url=here), record("b", url=here), record("c", url=there), record("d")]
    )
    assert (a.quality.duplicates, b.quality.duplicates) == (("b",), ("a",))
    assert c.quality.duplicates == d.quality.duplicates == ()


def test_stores_with_nothing_in_them_are_not_the_same():
    empty = StoreFacts(kind="unreadable", fingerprint="e3b0")
    assert all(not r.quality.duplicates for r in with_duplicates([record("a", facts=empty), record("b", facts=empty)]))  # fmt: skip


def test_of_many_a_few_are_named():
    many = with_duplicates([record(f"r{i}", facts=store("f")) for i in range(9)])
    (problem,) = [p for p in many[0].problems if p.code == "duplicate-store"]
    assert problem.what == "The same store is also that of r1, r2, r3, r4, r5 and 3 more."
    assert len(many[0].quality.duplicates) == 8


@pytest.mark.parametrize(
    ("metadata", "facts", "before", "after"),
    [
        ({"tissue": "lung"}, store("f"), "pass", "warn"),
        ({}, store("f"), "fail", "fail"),
        ({"tissue": "lung"}, None, "declared", "declared"),
    ],
)
def test_the_same_store_twice_is_a_warning(
    metadata: dict[str, Any], facts: StoreFacts | None, before: str, after: str
):
    given = record("a", metadata, facts, url="https://example.org/1.zarr")
    assert given.validation_status == before
    assert (
        with_duplicates([given, given.model_copy(update={"id": "b"})])[0].validation_status == after
    )


def test_a_copy_and_its_zip_are_the_same_store_to_a_check(tmp_path: Path):
    maker = sound(tmp_path / "a.zarr")
    zipped(maker.root, tmp_path / "b.zarr.zip")
    (tmp_path / "site_config.yaml").write_text("title: T\n")
    (tmp_path / "data_manifest").mkdir()
    for name in ("a.zarr", "b.zarr.zip"):
        entry = tmp_path / "data_manifest" / f"{name[0]}.yaml"
        entry.write_text(f"title: T\nsource: ../{name}\n")
    a, b = check(load_config(tmp_path / "site_config.yaml")).records
    assert (a.quality.duplicates, b.quality.duplicates) == (("b",), ("a",))


# what is unknown where


def test_a_field_is_counted_over_the_artifacts_that_have_it():
    records = [
        record("a", {"technology": "Xenium", "tissue": ["lung", "blorb"], "panel": "P"}),
        record("b", {"technology": "Xenium", "tissue": "unknown"}),
        record("c", {"technology": "Visium", "tissue": "lung"}),
        record("d", {"tissue": "blorb", "panel": "odd"}),
        record("e"),
    ]
    fields = {f.name: f for f in report(records, SCHEMA).fields}
    assert list(fields) == list(SCHEMA.fields)
    tissue = fields["tissue"]
    assert (tissue.applies, tissue.required) == (5, 5)
    assert (tissue.given, tissue.said_unknown, tissue.absent) == (3, 1, 1)
    assert tissue.words == (("blorb", 2),)
    panel = fields["panel"]
    # Of Xenium, and where somebody gave it all the same.
    assert (panel.applies, panel.required, panel.given, panel.absent) == (3, 2, 2, 1)
    assert panel.words == ()
    assert (fields["note"].applies, fields["note"].required, fields["note"].given) == (5, 0, 0)


def test_nothing_at_all_is_nobodys_fault():
    empty = report([], SCHEMA)
    assert [f.applies for f in empty.fields] == [0, 0, 0, 0]
    assert (empty.mean, empty.incomplete, empty.duplicates, empty.codes) == (None, (), (), ())


def test_the_least_complete_come_first():
    full = record("full", {"technology": "Xenium", "tissue": "lung", "panel": "P"})
    half = record("half", {"technology": "Xenium", "tissue": "lung"})
    none = record("none", {"technology": "Xenium"})
    also = record("also", {"technology": "Xenium", "tissue": "unknown"})
    found = report([full, half, none, also], SCHEMA)
    assert [r.id for r in found.incomplete] == ["also", "none", "half"]
    assert found.mean == round((100 + 50 + 0 + 0) / 4)


def test_entries_that_contradict_their_store_are_listed_with_what_they_say():
    agrees = record("a", {"tissue": "Lung"}, store("f", bio={"tissue": "lung"}))
    differs = record("b", {"tissue": "brain"}, store("g", bio={"tissue": "lung"}))
    ((found, problems),) = report([agrees, differs], SCHEMA).differs
    assert found.id == "b"
    assert [p.code for p in problems] == ["metadata-differs"]


def test_codes_are_counted_by_artifact_the_gravest_first():
    records = with_duplicates(
        [
            record("a", {"tissue": ["lungg", "brian"]}, store("f")),
            record("b", {"tissue": "lungg"}, store("f")),
            record("c", {"tissue": "lung"}),
        ]
    )
    found = report(records, SCHEMA)
    assert found.codes[:2] == (("term-unknown", "error", 2), ("duplicate-store", "warning", 2))
    assert ("term-without-id", "info", 1) in found.codes
    assert found.statuses == {"fail": 2, "declared": 1}
    assert [[r.id for r in group] for group in found.duplicates] == [["a", "b"]]

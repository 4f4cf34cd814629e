"""`describe`: an artifact as a tree."""

from __future__ import annotations

import io

from rich.console import Console

from portal.curate import curate
from portal.describing import describe
from portal.entry import Entry
from portal.errors import Problem
from portal.facts import Column, ElementFacts, MatrixFacts, StoreFacts
from portal.record import Record, Value
from portal.schema import Schema
from tests.sitekit import record

SCHEMA = Schema.model_validate({"fields": {"tissue": {"group": "Sample", "obs": ["cell_type"]}}})


def drawn(what: Record) -> str:
    console = Console(width=200, record=True, file=io.StringIO())
    console.print(describe(what))
    return console.export_text()


def text(entry: Entry, facts: StoreFacts | None = None) -> str:
    return drawn(curate(entry.model_copy(update={"id": "a"}), facts, SCHEMA))


def branch(told: str, name: str) -> str:
    """What stands below a branch at the top of the tree, up to the next."""
    lines = told.splitlines()
    first = next(i for i, line in enumerate(lines) if line[:4] in ("├── ", "└── ") and name in line)
    rest = [i for i in range(first + 1, len(lines)) if lines[i][:4] in ("├── ", "└── ")]
    return "\n".join(lines[first : rest[0] if rest else None])


def test_it_tells_elements_columns_problems_and_versions():
    column = Column(name="group", dtype="categorical", categories=tuple("abcdefgh"), n_categories=8)
    table = ElementFacts(
        kind="tables", name="t", path="tables/t", n_rows=5, n_vars=2, obs=(column,), regions=("r",)
    )
    problem = Problem(code="some-code", severity="warning", where="s/t", what="Odd.", remedy="Fix.")
    facts = StoreFacts(
        kind="spatialdata", elements=(table,), bytes=1_500, files=3, problems=(problem,)
    )
    told = text(Entry(title="T", versions=[{"version": "1.0", "note": "first"}]), facts)
    for part in (
        "5 × 2, annotates r",
        "group: categorical, 8 categories: a, b, c, d, e, f, …",
        "some-code",
        "Fix.",
        "1.0 · first",
        "1.5 kB in 3 files",
    ):
        assert part in told, told


def test_general_has_key_size_files_and_when_it_was_created():
    told = branch(drawn(record()), "General")
    for line in ("key: brain-1", "size: 49.9 MB in 327 files", "created: 2019-12-02", "CC BY 4.0"):
        assert line in told, told


def test_features_of_the_data_set_stand_by_slot_with_counts_and_types():
    table = ElementFacts(
        kind="tables",
        name="t",
        path="tables/t",
        n_rows=5,
        n_vars=1,
        obs=(Column(name="area", dtype="float64"),),
        var=(Column(name="symbol", dtype="string"),),
        obsm=(MatrixFacts(name="spatial", encoding="array", shape=(5, 2), dtype="float32"),),
    )
    points = ElementFacts(
        kind="points",
        name="p",
        path="points/p",
        n_rows=9,
        columns=(Column(name="x", dtype="int64"),),
    )
    facts = StoreFacts(kind="spatialdata", elements=(table, points))
    told = branch(drawn(record(facts=facts)), "Data set features")
    for line in (
        "tables/t:obs (1 column, 5 rows)",
        "area: float64",
        "tables/t:var (1 column, 1 row)",
        "symbol: string",
        "spatial: float32 5 × 2",
        "points/p:columns (1 column, 9 rows)",
        "n_spots: 3355 (store attribute metadata_visium.Spots)",
    ):
        assert line in told, told


def test_external_features_are_those_that_only_a_curator_says():
    told = branch(drawn(record()), "External features")
    assert "(3)" in told
    assert "organism: Mus musculus" in told
    assert "n_spots" not in told


def test_labels_stand_by_ontology_with_the_fields_that_have_them():
    brain = Value(label="brain", id="UBERON:0000955")
    told = drawn(record(values={"tissue": (brain,), "tissue_before": (brain,)}))
    assert "UBERON (1)" in branch(told, "Labels")
    assert "brain UBERON:0000955 (tissue, tissue_before)" in branch(told, "Labels")


def test_markup_in_what_curators_write_is_only_text():
    told = text(Entry(title="[red]x[/red] [/]", metadata={"tissue": "[bold]brain"}))
    assert "[red]x[/red] [/]" in told
    assert "[bold]brain" in told


def test_markup_in_what_stores_say_is_only_text():
    column = Column(name="[red]c", dtype="categorical", categories=("[/]",), n_categories=1)
    table = ElementFacts(kind="tables", name="[b]t", path="tables/[b]t", n_rows=1, obs=(column,))
    told = drawn(record(facts=StoreFacts(kind="spatialdata", elements=(table,))))
    assert "tables/[b]t:obs" in told
    assert "[red]c: categorical, 1 category: [/]" in told

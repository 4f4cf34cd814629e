"""`describe`: an artifact as a tree."""

from __future__ import annotations

import io

from rich.console import Console

from portal.curate import curate
from portal.describing import describe
from portal.entry import Entry
from portal.errors import Problem
from portal.facts import Column, ElementFacts, StoreFacts
from portal.schema import Schema

SCHEMA = Schema.model_validate({"fields": {"tissue": {"group": "Sample", "obs": ["cell_type"]}}})


def text(entry: Entry, facts: StoreFacts | None = None) -> str:
    console = Console(width=200, record=True, file=io.StringIO())
    console.print(describe(curate(entry.model_copy(update={"id": "a"}), facts, SCHEMA), SCHEMA))
    return console.export_text()


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


def test_markup_in_what_curators_write_is_only_text():
    told = text(Entry(title="[red]x[/red] [/]", metadata={"tissue": "[bold]brain"}))
    assert "[red]x[/red] [/]" in told
    assert "[bold]brain" in told

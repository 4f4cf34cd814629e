"""Entry + StoreFacts → Record."""

from __future__ import annotations

from portal.curate import curate
from portal.entry import Entry
from portal.errors import Problem
from portal.facts import Column, ElementFacts, StoreFacts
from portal.schema import Schema

SCHEMA = Schema.model_validate(
    {
        "fields": {
            "organism": {
                "type": "term",
                "ontology": "NCBITaxon",
                "found_in": ["metadata_general.Organism", "sample.organism"],
            },
            "tissue": {"type": "term", "ontology": "UBERON", "found_in": "bio.tissue"},
            "cell_type": {"type": "term", "ontology": "CL", "obs": ["cell_type"]},
            "n_spots": {"type": "integer"},
            "n_cells": {"type": "integer"},
            "panel_size": {"type": "integer"},
            "publication_date": {"type": "date"},
            "dataset_url": {"type": "address"},
        }
    }
)


def entry(**values) -> Entry:
    return Entry(title="T", **values).model_copy(update={"id": "a", "shown_as": "a.yaml"})


def store(*elements, **values) -> StoreFacts:
    return StoreFacts(kind="spatialdata", elements=elements, **values)


def table(name="table", n=10, m=5, **values) -> ElementFacts:
    return ElementFacts(
        kind="tables", name=name, path=f"tables/{name}", n_rows=n, n_vars=m, **values
    )


def test_a_declared_value_keeps_what_was_written():
    record = curate(
        entry(
            metadata={
                "organism": {"id": "NCBITaxon:9606", "label": "Homo sapiens", "written": "Human"}
            }
        ),
        None,
        SCHEMA,
    )
    value = record.first("organism")
    assert (value.label, value.id, value.written, value.source, value.ontology) == (
        "Homo sapiens",
        "NCBITaxon:9606",
        "Human",
        "declared",
        "NCBITaxon",
    )


def test_an_id_alone_is_known_for_an_id_only_in_its_own_ontology():
    record = curate(
        entry(metadata={"organism": "NCBITaxon_9606", "tissue": "Block:7"}), None, SCHEMA
    )
    assert record.first("organism").id == "NCBITaxon:9606"
    assert record.first("tissue").id is None


def test_attributes_of_the_store_fill_what_the_entry_leaves_open():
    facts = store(attributes={"sample": {"organism": "Mouse"}, "bio": {"tissue": ["a", None, "b"]}})
    record = curate(entry(), facts, SCHEMA)
    assert record.first("organism").source == "store attribute sample.organism"
    assert record.labels("tissue") == ["a", "b"]


def test_the_entry_wins_and_the_difference_is_told():
    facts = store(attributes={"metadata_general": {"Organism": "Mouse"}})
    record = curate(entry(metadata={"organism": "Human"}), facts, SCHEMA)
    assert record.labels("organism") == ["Homo sapiens"]
    assert record.first("organism").written == "Human"
    assert "metadata-differs" in [p.code for p in record.problems]
    assert record.quality.differs == ("organism",)


def test_what_was_written_counts_as_agreement():
    facts = store(attributes={"metadata_general": {"Organism": "mouse"}})
    term = {"id": "NCBITaxon:10090", "label": "Mus musculus", "written": "Mouse"}
    assert curate(entry(metadata={"organism": term}), facts, SCHEMA).problems == ()


def test_cell_types_come_from_obs():
    column = Column(
        name="cell_type", dtype="categorical", categories=("B cell", "T cell"), n_categories=2
    )
    record = curate(entry(), store(table(obs=(column,))), SCHEMA)
    assert record.labels("cell_type") == ["B cell", "T cell"]
    assert record.first("cell_type").source == "store obs table/cell_type"


def test_unknown_stays_unknown_and_blank_stays_absent():
    record = curate(entry(metadata={"organism": "Unknown", "tissue": "  "}), None, SCHEMA)
    assert record.labels("organism") == ["unknown"]
    assert "tissue" not in record.values


def test_counts_are_scanned_where_there_is_a_table_else_declared():
    declared = {"n_cells": 7, "panel_size": "480"}
    without = curate(entry(metadata=declared), None, SCHEMA)
    assert (without.n_obs, without.n_features, without.n_obs_source, without.obs_noun) == (
        7,
        480,
        "declared",
        "cells",
    )
    with_table = curate(entry(metadata=declared), store(table()), SCHEMA)
    assert (with_table.n_obs, with_table.n_features, with_table.n_obs_source) == (10, 5, "scanned")


def test_a_declared_count_that_the_store_contradicts_is_a_warning():
    record = curate(entry(metadata={"n_spots": 4000}), store(table(n=3355)), SCHEMA)
    (problem,) = record.problems
    assert (problem.code, record.validation_status) == ("count-differs", "warn")
    assert "4,000" in problem.what
    assert "3,355" in problem.what


def test_the_default_table_is_the_one_called_table_else_the_largest_that_annotates():
    assert curate(entry(), store(table("z", 99), table()), SCHEMA).default_table == "table"
    by_size = store(
        table("a", 50), table("b", 10, regions=("cells",)), table("c", 20, regions=("x",))
    )
    assert curate(entry(), by_size, SCHEMA).default_table == "c"


def test_validation_status_follows_the_gravest_problem():
    def status(*severities, facts=None):
        problems = [Problem(code="c", severity=s, where="w", what="x") for s in severities]
        return curate(entry(), facts, SCHEMA, problems).validation_status

    assert status() == "declared"
    assert status(facts=store()) == "pass"
    assert status("info", facts=store()) == "pass"
    assert status("warning", "info", facts=store()) == "warn"
    assert status("warning", "error") == "fail"

"""Records → Parquet."""

from __future__ import annotations

import csv
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from portal.catalog import record_text, slim, write_catalog
from portal.columns import COLUMNS
from portal.curate import curate
from portal.entry import Collection, Entry
from portal.facts import ElementFacts, StoreFacts
from portal.record import Record
from portal.schema import Schema

# What the spatialdata-db client reads, from CONTRACTS: name → Arrow type.
CLIENT = {
    **dict.fromkeys(
        [
            "uid",
            "canonical_key",
            "study_id",
            "collection_name",
            "issue_url",
            "organism",
            "organism_id",
            "tissue",
            "tissue_id",
            "disease",
            "disease_id",
            "development_stage",
            "technology",
            "assay",
            "technology_version",
            "validation_status",
            "tier",
            "license",
            "license_url",
            "zarr_url",
            "card_url",
            "vitessce_url",
            "container_tag",
            "sddb_version",
            "published_at",
            "slug",
            "title",
            "product",
            "modality",
            "biomaterial_type",
            "chemistry_version",
            "preservation_method",
            "publication_date",
            "doi",
            "pmid",
            "publication_year",
            "publication_verify_status",
            "sample_id",
            "donor_id",
            "database_version",
            "sddb_id",
            "disease_details",
            "default_table",
            "dataset_url",
            "thumbnail_url",
        ],
        pa.string(),
    ),
    **dict.fromkeys(["panel_size", "n_obs", "n_features", "size_bytes"], pa.int64()),
    "total_counts": pa.float64(),
    **dict.fromkeys(
        [
            "license_noncommercial",
            "license_redistributable",
            "license_unknown",
            "pathological",
            "hne_image",
            "if_image",
            "ftu_annotation",
        ],
        pa.bool_(),
    ),
    **dict.fromkeys(["staining_method", "collections"], pa.list_(pa.string())),
}
SCHEMA = Schema.model_validate({"fields": {"tissue": {"type": "term"}, "organism": {}}})


def record(id_: str, **values) -> Record:
    entry = Entry(title=values.pop("title", "T"), **values).model_copy(update={"id": id_})
    return curate(entry, None, SCHEMA)


def with_table(id_: str, genes: tuple[str, ...]) -> Record:
    table = ElementFacts(
        kind="tables",
        name="table",
        path="tables/table",
        n_rows=3,
        n_vars=len(genes),
        feature_ids=genes,
    )
    facts = StoreFacts(kind="spatialdata", elements=(table,), bytes=10, zarr_format=3)
    return curate(Entry(title="T").model_copy(update={"id": id_}), facts, SCHEMA)


@pytest.fixture
def written(tmp_path):
    def write(*records, collections=None, **options):
        write_catalog(records, collections or {}, tmp_path, **options)
        return {p.stem: pq.read_table(p) for p in tmp_path.glob("*.parquet")}

    return write


def test_an_empty_catalog_has_every_column_with_its_type(written):
    tables = written()
    schema = tables["catalog"].schema
    assert {n: schema.field(n).type for n in CLIENT} == CLIENT
    assert set(tables) == {"catalog", "collections", "elements", "problems", "genes"}


def test_what_is_never_null_says_unknown(written):
    row = written(record("a"))["catalog"].to_pylist()[0]
    never = ("uid", "technology", "assay", "organism", "validation_status", "zarr_url")
    assert [row[n] for n in never] == ["a", "unknown", "unknown", "unknown", "declared", "unknown"]


def test_terms_are_joined_as_text_and_aligned_as_lists(written):
    tissue = [{"id": "UBERON:0002048", "label": "lung"}, "brain"]
    row = written(record("a", metadata={"tissue": tissue}))["catalog"].to_pylist()[0]
    assert row["tissue"] == "lung; brain"
    assert row["tissue_id"] == "UBERON:0002048"
    assert row["tissue_terms"] == ["lung", "brain"]
    assert row["tissue_term_ids"] == ["UBERON:0002048", ""]


def test_rows_are_in_order_of_id_whatever_the_order_of_records(written):
    ids = written(record("b"), record("c"), record("a"))["catalog"]["uid"].to_pylist()
    assert ids == ["a", "b", "c"]


def test_the_same_records_make_the_same_bytes(tmp_path):
    for name in ("x", "y"):
        write_catalog([record("a"), record("b")], {}, tmp_path / name, generated_at="2020-01-01")
    for path in (tmp_path / "x").iterdir():
        assert path.read_bytes() == (tmp_path / "y" / path.name).read_bytes()


def test_addresses_are_absolute_only_where_the_site_has_one(written):
    assert written(record("a"))["catalog"]["card_url"][0].as_py() == "datasets/a/"
    row = written(record("a"), base_url="https://x.org/p/")["catalog"]
    assert row["card_url"][0].as_py() == "https://x.org/p/datasets/a/"


def test_ndjson_and_csv_hold_the_same_rows(tmp_path):
    write_catalog([record("a"), record("b", title="=cmd|' /C calc'!A0")], {}, tmp_path)
    lines = [json.loads(x) for x in (tmp_path / "catalog.ndjson").read_text().splitlines()]
    with (tmp_path / "catalog.csv").open(newline="") as f:
        rows = list(csv.DictReader(f))
    assert [r["uid"] for r in lines] == [r["uid"] for r in rows] == ["a", "b"]
    assert lines[1]["title"].startswith("=")
    assert rows[1]["title"].startswith("'="), "a spreadsheet would run it"


def test_artifacts_with_the_same_genes_share_one_list(written):
    tables = written(
        with_table("a", ("x", "y")), with_table("b", ("x", "y")), with_table("c", ("z",))
    )
    keys = tables["catalog"]["gene_list"].to_pylist()
    assert keys[0] == keys[1] != keys[2]
    genes = {r["gene_list"]: r["feature_ids"] for r in tables["genes"].to_pylist()}
    assert genes == {keys[0]: ["x", "y"], keys[2]: ["z"]}


def test_collections_count_their_members(written):
    rows = written(
        record("a", collections=["s"]),
        record("b", collections=["s", "t"]),
        collections={"s": Collection(name="Some")},
    )["collections"].to_pylist()
    assert {r["slug"]: (r["name"], r["n_datasets"], r["members"]) for r in rows} == {
        "s": ("Some", 2, ["a", "b"]),
        "t": ("t", 1, ["b"]),
    }


def test_artifact_json_is_the_record_without_its_long_lists():
    whole = with_table("a", tuple(f"g{i}" for i in range(1000)))
    text = record_text(whole)
    back = Record.model_validate_json(text)
    assert back == slim(whole)
    assert len(text) < 5_000
    assert back.facts.elements[0].feature_list


def test_every_column_has_a_meaning_and_a_name_of_its_own():
    assert len({c.name for c in COLUMNS}) == len(COLUMNS)
    assert all(len(c.meaning) > 3 for c in COLUMNS)


def test_a_browser_can_read_the_files(tmp_path):
    """Snappy is the one compression that every reader of Parquet has."""
    write_catalog([record("a")], {}, tmp_path)
    for path in tmp_path.glob("*.parquet"):
        metadata = pq.ParquetFile(path).metadata
        for g in range(metadata.num_row_groups):
            assert {metadata.row_group(g).column(c).compression for c in range(3)} <= {"SNAPPY"}


def test_a_row_says_how_to_cite_it(written):
    row = written(record("a", citation={"authors": ["Doe, J"], "year": 2020}))["catalog"]
    assert row["citation"].to_pylist() == ["Doe, J (2020). T."]
    assert row["bibtex"].to_pylist()[0].startswith("@misc{a,\n  title = {{T}},\n")

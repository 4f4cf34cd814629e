"""Records of other collections."""

from __future__ import annotations

import json

import pytest

from portal.config import SiteConfig
from portal.curate import curate
from portal.errors import ProblemsError
from portal.importing import import_spatialdata_db
from portal.manifest import read_manifest, read_schema
from portal.resources import default_schema

RECORD = {
    "uid": "10abc",
    "title": 'Brain "one": & <two>',
    "collection": "Some brains, 2 Sections",
    "status": "uploaded",
    "lamin_versions": [{"uid": "v1", "created_at": "2025-01-02 03:04:05+00:00"}],
    "zarr_url_s3": "s3://bucket/x.zarr",
    "attrs": {
        "metadata_general": {
            "Assay": "Visium",
            "Organism": "Human",
            "Tissue": "brain",
            "Disease": None,
            "License": "Creative Commons Attribution 4.0 International",
            "Publication Date": "2023-10-05",
            "Number of Target Genes": 100,
        },
        "metadata_visium": {"Number of Spots": 42, "Transcriptome": "GRCh38"},
    },
    "extra": {"Donor Count": "1"},
    "ontology": {"Organism": {"id": "NCBITaxon:9606", "label": "Homo sapiens"}, "Tissue": None},
}


@pytest.fixture
def bring(tmp_path):
    def run(*records, **options):
        file = tmp_path / "records.json"
        file.write_text(json.dumps(records))
        folder = tmp_path / "data_manifest" / "spatialdata-db"
        return import_spatialdata_db(file, folder, read_schema(default_schema()), **options)

    return run


def read(tmp_path):
    return read_manifest(SiteConfig(title="t", root=tmp_path))


def test_a_record_becomes_an_entry_that_the_manifest_accepts(bring, tmp_path):
    assert len(bring(RECORD).written) == 1
    manifest = read(tmp_path)
    assert manifest.problems == ()
    record = curate(manifest.entries[0], None, manifest.schema_)
    assert record.title == RECORD["title"]
    assert record.first("organism").written == "Human"
    assert (record.n_obs, record.obs_noun) == (42, "spots")
    assert record.license.spdx == "CC-BY-4.0"
    assert record.published == "2025-01-02"
    assert record.url == "s3://bucket/x.zarr"
    assert list(manifest.collections) == ["some-brains-2-sections"]


def test_null_is_absent_and_never_made_up(bring, tmp_path):
    bring(RECORD)
    assert "disease" not in read(tmp_path).entries[0].metadata


def test_records_not_uploaded_are_left_out_by_name_or_announced(bring, tmp_path):
    other = {**RECORD, "uid": "10xyz", "status": "not uploaded", "zarr_url_s3": None}
    assert bring(RECORD, other).skipped == ("10xyz (not uploaded)",)
    bring(other, include_all=True)
    assert {e.id: e.status for e in read(tmp_path).entries} == {
        "10abc": "public",
        "10xyz": "announced",
    }


def test_a_second_import_changes_nothing_and_overwrites_no_curator(bring, tmp_path):
    bring(RECORD)
    assert len(bring(RECORD).unchanged) == 1
    path = tmp_path / "data_manifest/spatialdata-db/10abc.yaml"
    path.write_text("title: mine\n")
    with pytest.raises(ProblemsError, match="entry-exists"):
        bring(RECORD)
    assert path.read_text() == "title: mine\n"


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "{}",
        "[1]",
        '[{"uid": "x"}]',
        '[{"uid": "../x", "title": "", "collection": "", "status": "", "attrs": {}}]',
        '[{"uid": "x", "title": "", "collection": "", "status": "", "attrs": []}]',
        '[{"uid": "x", "title": "", "collection": "", "status": "", "attrs": {"a": 1}}]',
    ],
)
def test_a_file_that_is_not_such_records_is_refused(tmp_path, text):
    file = tmp_path / "r.json"
    file.write_text(text)
    with pytest.raises(ProblemsError, match="not-spatialdata-db"):
        import_spatialdata_db(file, tmp_path / "out", read_schema(default_schema()))


def test_the_collection_itself_is_mirrored_exactly(test_data, tmp_path):
    """The entries in this repository are what the importer writes today."""
    from tests.conftest import ROOT

    folder = tmp_path / "data_manifest" / "spatialdata-db"
    imported = import_spatialdata_db(
        test_data / "spatialdata-db" / "records.json", folder, read_schema(default_schema())
    )
    assert len(imported.written) == 110
    assert len(imported.skipped) == 28
    for path in imported.written:
        ours = ROOT / "data_manifest" / "spatialdata-db" / path.name
        assert ours.read_text("utf-8") == path.read_text("utf-8")

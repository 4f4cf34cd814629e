"""Records of other collections."""

from __future__ import annotations

import json

import pytest

from portal.config import SiteConfig
from portal.curate import curate
from portal.errors import ProblemsError
from portal.importing import import_spatialdata_db
from portal.manifest import read_manifest
from portal.schema import load_schema
from tests.conftest import ROOT

SCHEMA = load_schema("spatialdata-db")
OURS = load_schema(ROOT / "data_manifest" / "schema.yaml")

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
        return import_spatialdata_db(file, folder, SCHEMA, **options)

    return run


def read(tmp_path):
    return read_manifest(SiteConfig(title="t", root=tmp_path))


def test_a_record_becomes_an_entry_that_the_manifest_accepts(bring, tmp_path):
    assert len(bring(RECORD).written) == 1
    manifest = read(tmp_path)
    assert manifest.problems == ()
    record = curate(manifest.entries[0], None, SCHEMA)
    assert record.title == RECORD["title"]
    assert record.first("organism").written == "Human"
    assert (record.n_obs, record.obs_noun) == (42, "spots")
    assert record.license.spdx == "CC-BY-4.0"
    assert record.published == "2025-01-02"
    assert record.url == "s3://bucket/x.zarr"
    assert list(manifest.collections) == ["some-brains-2-sections"]


def test_a_schema_without_the_collection_s_fields_is_refused(tmp_path):
    file = tmp_path / "r.json"
    file.write_text(json.dumps([RECORD]))
    with pytest.raises(ProblemsError, match="extends: spatialdata-db"):
        import_spatialdata_db(file, tmp_path / "out", load_schema("minimal"))
    assert not (tmp_path / "out").exists()


def test_a_blank_of_a_required_field_is_unknown_and_says_so(bring, tmp_path):
    (path,) = bring(RECORD).written
    assert "  disease: unknown  # blank in the source\n" in path.read_text()
    assert "disease_details" not in read(tmp_path).entries[0].metadata


def test_words_that_no_ontology_has_are_marked_as_such(bring, tmp_path):
    general = {**RECORD["attrs"]["metadata_general"], "Tissue": "mouse embryo", "Disease": "AD"}
    (path,) = bring({**RECORD, "attrs": {"metadata_general": general}}).written
    assert "tissue: {label: mouse embryo}\n" in path.read_text()
    assert "disease: AD\n" in path.read_text()  # a synonym that the portal knows


def test_records_not_uploaded_are_left_out_by_name_or_announced(bring, tmp_path):
    other = {**RECORD, "uid": "10xyz", "status": "not uploaded", "zarr_url_s3": None}
    assert bring(RECORD, other).skipped == ("10xyz (not uploaded)",)
    bring(other, include_all=True)
    assert read(tmp_path).entries[1].url is None
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
        import_spatialdata_db(file, tmp_path / "out", SCHEMA)


@pytest.fixture(scope="module")
def mirror(test_data, tmp_path_factory):
    """The collection's records, and what they become."""
    folder = tmp_path_factory.mktemp("mirror") / "data_manifest" / "spatialdata-db"
    file = test_data / "spatialdata-db" / "records.json"
    imported = import_spatialdata_db(file, folder, OURS, include_all=True)
    return json.loads(file.read_text("utf-8")), imported, folder.parent.parent


def test_the_collection_itself_is_mirrored_exactly(mirror):
    """The entries in this repository are what the importer writes today."""
    _, imported, _ = mirror
    assert len(imported.written) == 138
    assert imported.skipped == ()
    for path in imported.written:
        ours = ROOT / "data_manifest" / "spatialdata-db" / path.name
        assert ours.read_text("utf-8") == path.read_text("utf-8")


def test_nothing_of_the_collection_is_dropped(mirror):
    """Every value that a record holds is in its entry, as it was written."""
    records, _, root = mirror
    for entry in read_manifest(SiteConfig(title="t", root=root)).entries:
        record = next(r for r in records if r["uid"] == entry.id)
        kept = set(_leaves(entry.model_dump()))
        blocks = [*record["attrs"].values(), record.get("extra") or {}]
        blocks.append({k: record[k] for k in ("title", "local_id", "lamin_page", "collection")})
        for key, value in ((k, v) for block in blocks for k, v in block.items()):
            if value is None or key == "collection":
                continue
            assert str(value) in kept, (entry.id, key, value)
        assert (entry.status == "announced") == (record["status"] != "uploaded")
        assert entry.url == record["zarr_url_s3"]


def _leaves(value):
    if isinstance(value, dict):
        return [leaf for v in value.values() for leaf in _leaves(v)]
    if isinstance(value, list | tuple):
        return [leaf for v in value for leaf in _leaves(v)]
    return [str(value)]


def test_the_faults_of_the_collection_are_found_by_rule(mirror):
    """What the collection's README tells of its dirt, each found in the entries as they are."""
    _, _, root = mirror
    entries = read_manifest(SiteConfig(title="t", root=root)).entries
    found: dict[str, set[str]] = {}
    records = [curate(e, None, OURS) for e in entries]
    for record in records:
        for problem in record.problems:
            found.setdefault(problem.code, set()).add(record.id)
    assert {"101x5", "10pf0"} <= found["title-disease"]
    assert found["value-in-wrong-field"] == {"1005m", "10uik"}
    assert found["value-composite"] == {"1000j", "1001e"}
    assert len(found["value-unknown"]) >= 86
    assert len(found["required-unknown"]) == 43  # 37 diseases said, 6 blank
    assert not [p for r in records for p in r.problems if p.severity == "error"]


def test_what_the_collection_gave_resolves(mirror):
    """Of the values given, those with a term; each of the others has a reason."""
    _, _, root = mirror
    entries = read_manifest(SiteConfig(title="t", root=root)).entries
    records = [curate(e, None, OURS) for e in entries]
    with_term = {
        name: sum(bool(r.values.get(name)) and all(v.id for v in r.values[name]) for r in records)
        for name in ("assay", "organism", "tissue", "disease", "development_stage")
    }
    assert with_term == {
        "assay": 138,
        "organism": 135,
        "tissue": 134,
        "disease": 87,
        "development_stage": 52,
    }
    assert sum(v.id == "PATO:0000461" for r in records for v in r.values["disease"]) == 37
    reasons = {"term-none", "value-composite"}
    for record in records:
        for name in record.quality.without_term:
            label = OURS.fields[name].label
            told = [p for p in record.problems if p.code in reasons and p.what.startswith(label)]
            assert told, (record.id, name)

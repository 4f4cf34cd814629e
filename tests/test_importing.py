"""Records of other collections."""

from __future__ import annotations

import json
import time
import zipfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from portal.config import SiteConfig
from portal.croissant import croissant_text
from portal.curate import curate
from portal.errors import ProblemsError
from portal.importing import import_croissant, import_lamin, import_spatialdata_db
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


# LaminDB: exports of a real instance, made by recipes/lamin_export.py

LAMIN = Path(__file__).parent / "lamin"
MINIMAL = load_schema("minimal")


@pytest.fixture
def lamin(tmp_path):
    def run(name, **options):
        folder = tmp_path / "data_manifest" / "lamin"
        return import_lamin(LAMIN / name, folder, MINIMAL, **options)

    return run


def entries(tmp_path):
    manifest = read_manifest(SiteConfig(title="t", root=tmp_path))
    assert [p for p in manifest.problems if p.severity == "error"] == []
    return {e.title: e for e in manifest.entries}


FRAMES = ["artifacts.csv", "artifacts.json", "artifacts.parquet"]


@pytest.mark.parametrize("name", [*FRAMES, "tables"])
def test_a_lamin_instance_s_artifacts_become_entries(lamin, tmp_path, name):
    imported = lamin(name)
    assert len(imported.written) == 3
    assert imported.skipped == ("wIU69pdyuoLai9hJ0000 (DataFrame, not SpatialData)",)
    found = entries(tmp_path)
    second = found["Lung section 2"]
    assert second.license == "CC-BY-4.0"
    record = curate(second, None, MINIMAL)
    assert {name: [v.id for v in values] for name, values in record.values.items()} == {
        **{name: [None] for name in ("donor_id", "n_cells", "rin", "collected")},
        "assay": ["EFO:0022615"],
        "organism": ["NCBITaxon:9606"],
        "tissue": [v.id for v in record.values["tissue"]],
        "disease": ["MONDO:0005061"],
    }
    assert {v.id for v in record.values["tissue"]} == {"UBERON:0002048", "UBERON:0000955"}
    assert record.first("organism").written == "human"
    assert record.n_obs == 102
    assert second.metadata["donor_id"] == "D1"
    assert second.metadata["collected"] == "2024-03-01"
    assert float(second.metadata["rin"]) == 7.5


def test_every_version_of_an_artifact_is_one_entry(lamin, tmp_path):
    lamin("artifacts.csv")
    entry = entries(tmp_path)["The same name in another folder"]
    assert [v.version for v in entry.versions] == ["Wi1uVxsYwwM0fsR00000", "Wi1uVxsYwwM0fsR00001"]
    assert entry.versions[0].date == "2026-11-25"


def test_equal_names_get_ids_of_their_own_whatever_the_order(lamin, tmp_path):
    first = {p.name for p in lamin("artifacts.csv").written}
    assert len(first) == 3
    assert {"section-1.yaml", "section-2.yaml"} < first
    again = lamin("artifacts.json", force=True)  # the same rows in another form
    assert {p.name for p in (*again.written, *again.unchanged)} == first


def test_tables_tell_where_the_stores_lie_and_who_belongs_together(lamin, tmp_path):
    lamin("tables")
    entry = entries(tmp_path)["Lung section 1"]
    assert entry.url == "s3://atlas-bucket/xenium/.lamindb/ZriDXZt9WENX3ZPG.zarr"
    assert entry.collections == ["lung-atlas"]
    assert entry.metadata["ulabel"] == "atlas pilot"
    assert entry.metadata["disease"].id == "MONDO:0005061"  # a label without a feature
    assert "name: lung atlas" in (tmp_path / "data_manifest" / "collections.yaml").read_text()


def test_a_zip_of_the_tables_says_the_same(lamin, tmp_path):
    lamin("tables")
    archive = tmp_path / "export.zip"
    with zipfile.ZipFile(archive, "w") as f:
        for path in (LAMIN / "tables").iterdir():
            f.write(path, f"export/{path.name}")
    again = import_lamin(archive, tmp_path / "data_manifest" / "lamin", MINIMAL)
    assert (len(again.unchanged), again.written) == (3, ())


def test_the_address_of_stores_can_be_given(lamin, tmp_path):
    imported = lamin("bare.csv", address="https://example.org/{key}")
    assert entries(tmp_path)["Lung section 1"].url == "https://example.org/a/section_1.zarr"
    assert not any("--address" in s for s in imported.left)
    told = lamin("bare.csv", force=True).left
    assert any("--address" in s for s in told)


def test_what_has_no_place_is_named_once(lamin):
    left = " ".join(lamin("artifacts.csv").left)
    for name in ("hash", "size", "otype", "key"):
        assert left.count(f"`{name}`") == 1
    assert "donor_id" not in left


def test_nothing_is_overwritten_without_force(lamin, tmp_path):
    (path, *_) = lamin("artifacts.csv").written
    path.write_text("title: mine\n")
    before = sorted((p.name, p.read_text()) for p in path.parent.iterdir())
    with pytest.raises(ProblemsError, match="--force"):
        lamin("artifacts.csv")
    assert sorted((p.name, p.read_text()) for p in path.parent.iterdir()) == before
    assert lamin("artifacts.csv", force=True).written == (path,)
    assert "mine" not in path.read_text()


def test_an_id_that_another_folder_has_is_not_taken_again(lamin, tmp_path):
    other = tmp_path / "data_manifest" / "section-2.yaml"
    other.parent.mkdir()
    other.write_text("title: Mine\n")
    lamin("artifacts.csv")
    assert len(entries(tmp_path)) == 4
    assert other.read_text() == "title: Mine\n"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.csv", "a,b\n1,2\n"),
        ("a.json", "{"),
        ("a.json", '{"uid": "x"}'),
        ("a.json", "[1]"),
        ("a.json", '[{"uid": "../../x"}]'),
        ("a.parquet", "no parquet"),
        ("a.zip", "no zip"),
        ("a.ndjson", "["),
    ],
)
def test_a_file_that_is_no_export_of_lamin_is_refused(tmp_path, name, text):
    (tmp_path / name).write_text(text)
    with pytest.raises(ProblemsError, match="not-lamin"):
        import_lamin(tmp_path / name, tmp_path / "out", MINIMAL)
    assert not (tmp_path / "out").exists()


def test_a_folder_without_tables_is_refused(tmp_path):
    with pytest.raises(ProblemsError, match="lamindb_artifact"):
        import_lamin(tmp_path, tmp_path / "out", MINIMAL)


HOSTILE = ["\ud800", "a: {b", "*x", "&a", "'", '"', "\n---\n", "{store}", "!!python/object:x", "\0"]


@pytest.mark.parametrize("text", [*HOSTILE, "x" * 10_000], ids=range(len(HOSTILE) + 1))
def test_hostile_words_become_entries_or_are_named(tmp_path, text):
    row = {"uid": "Zr" * 8, "key": f"../{text}.zarr", "description": text, "tissue": text}
    row |= {text: text, "license": text, "doi": text, "suffix": ".zarr", "tissues": [text, 3]}
    (tmp_path / "a.json").write_text(json.dumps([row]))
    folder = tmp_path / "data_manifest" / "x"
    imported = import_lamin(tmp_path / "a.json", folder, MINIMAL, address="s3://b/{key}")
    assert [p.parent for p in imported.written] == [folder]
    (entry,) = entries(tmp_path).values()
    assert entry.citation is None
    assert any("citation.doi" in s for s in imported.left)


# Croissant


def test_a_portal_s_croissant_comes_back_whole(tmp_path):
    """The default collection and the mirror: every core fact of every record, there and back."""
    config = SiteConfig(title="t", root=ROOT)
    manifest = read_manifest(config)
    records = {e.id: curate(e, None, OURS) for e in manifest.entries}
    for record in records.values():
        path = tmp_path / "datasets" / record.id / "croissant.json"
        path.parent.mkdir(parents=True)
        path.write_text(croissant_text(record, config, manifest.collections, OURS), "utf-8")
    folder = tmp_path / "data_manifest" / "copied"
    imported = import_croissant(tmp_path / "datasets", folder, OURS)
    assert (len(imported.written), imported.left) == (len(records), ())
    for entry in read(tmp_path).entries:
        assert core(curate(entry, None, OURS)) == core(records[entry.id]), entry.id


def core(record):
    known = {
        name: [(v.label, v.id) for v in values if v.label != "unknown"]
        for name, values in record.values.items()
    }
    facts = record.model_dump(
        include={
            *("id", "title", "description", "status", "collections", "license", "contacts"),
            *("derived_from", "url", "page", "published"),
        }
    )
    newest = [v.version for v in record.versions[-1:]]
    citation = record.citation.model_dump(include={"text", "doi", "pmid", "url"})
    return facts, newest, citation, {k: v for k, v in known.items() if v}


FOREIGN = {
    "@context": {"@vocab": "https://schema.org/"},
    "@type": "sc:Dataset",
    "conformsTo": "http://mlcommons.org/croissant/1.1",
    "name": {"en": "Lung atlas", "de": "Lungenatlas"},
    "description": [{"@value": "Sections.", "@language": "en"}],
    "license": {"@type": "CreativeWork", "url": "https://creativecommons.org/licenses/by/4.0/"},
    "url": "https://example.org/lung",
    "creator": [{"@type": "Person", "name": "Jane Doe"}, "A consortium"],
    "publisher": {"name": "Example"},
    "identifier": "https://doi.org/10.1234/lung",
    "datePublished": "2024-05-06T07:08:09Z",
    "version": "1.2.0",
    "keywords": "lung, Homo sapiens, Xenium, nobody knows this word",
    "measurementTechnique": "10x Xenium",
    "rai:dataBiases": "Some",
    "distribution": [
        {"@type": "cr:FileObject", "contentUrl": "https://example.org/readme.txt"},
        {"@type": "cr:FileObject", "contentUrl": "stores/lung.zarr", "encodingFormat": "x"},
    ],
}


def bring_croissant(tmp_path, text, name="croissant.json", **options):
    (tmp_path / name).write_text(text)
    folder = tmp_path / "data_manifest" / "c"
    return import_croissant(tmp_path / name, folder, MINIMAL, **options)


@pytest.mark.parametrize("form", ["object", "list", "graph", "ndjson"])
def test_a_record_of_elsewhere_becomes_an_entry(tmp_path, form):
    record = json.dumps(FOREIGN)
    text = {"list": f"[{record}]", "graph": f'{{"@graph": [{record}]}}'}.get(form, record)
    name = "records.ndjson" if form == "ndjson" else "croissant.json"
    imported = bring_croissant(tmp_path, text, name)
    (entry,) = read(tmp_path).entries
    assert (entry.id, entry.title, entry.description) == ("lung-atlas", "Lung atlas", "Sections.")
    assert entry.license == "https://creativecommons.org/licenses/by/4.0/"
    assert entry.page == "https://example.org/lung"
    assert entry.url == "https://example.org/stores/lung.zarr"
    assert entry.citation.doi == "10.1234/lung"
    assert entry.citation.authors == ["Jane Doe", "A consortium"]
    assert (entry.citation.publisher, entry.citation.year) == ("Example", 2024)
    assert [(v.version, v.date) for v in entry.versions] == [("1.2.0", "2024-05-06")]
    assert entry.metadata["tissue"].id == "UBERON:0002048"
    assert entry.metadata["organism"].id == "NCBITaxon:9606"
    assert entry.metadata["assay"].id == "EFO:0022615"
    assert entry.metadata["technology"] == "Xenium"
    left = " ".join(imported.left)
    assert "nobody knows this word" in left
    assert "rai:dataBiases" in left


def test_citations_are_read_from_bibtex(tmp_path):
    bibtex = (
        "@article{x,\n title = {{A \\& B: 5\\% of {Nested}}},\n author={Doe, J and Roe, R},\n"
        ' year = 2021, publisher = "Press", doi = {10.1234/x_y}\n}'
    )
    bring_croissant(tmp_path, json.dumps({**FOREIGN, "citeAs": bibtex}))
    citation = read(tmp_path).entries[0].citation
    assert citation.title == "A & B: 5% of {Nested}"
    assert citation.authors == ["Doe, J", "Roe, R"]
    assert (citation.year, citation.doi) == (2021, "10.1234/x_y")


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"@type": "Person"}', "[[[1]]]", '"x"'])
def test_a_file_without_data_sets_is_refused(tmp_path, text):
    with pytest.raises(ProblemsError, match="not-croissant"):
        bring_croissant(tmp_path, text)
    assert not (tmp_path / "data_manifest").exists()


ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["name", "@value", "@type", "url", "value"]), inner)
    ),
    max_leaves=6,
)


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(st.sampled_from([*FOREIGN, "maintainer", "isPartOf", "citeAs"]), ANY))
def test_any_json_at_all_becomes_an_entry_that_can_be_read(tmp_path_factory, changed):
    tmp_path = tmp_path_factory.mktemp("any")
    bring_croissant(tmp_path, json.dumps({**FOREIGN, **changed, "@type": "Dataset"}))
    manifest = read(tmp_path)
    assert [p for p in manifest.problems if p.severity == "error"] == []
    assert len(manifest.entries) == 1


def test_bibtex_that_never_ends_costs_no_time(tmp_path):
    started = time.monotonic()
    for text in ("@" + "a={" * 6000, "@x," + "\\{" * 9000, "@" + "a" * 19_000, "@x,a={{" * 3000):
        bring_croissant(tmp_path, json.dumps({**FOREIGN, "citeAs": text}), force=True)
    assert time.monotonic() - started < 5

"""croissant.json, as the reference implementation of Croissant reads it."""

from __future__ import annotations

import json
from pathlib import Path

import mlcroissant
import pytest

from portal.config import SiteConfig, load_config
from portal.copying import publish_copy
from portal.croissant import croissant, croissant_text
from portal.curate import curate
from portal.manifest import read_manifest, source_path
from portal.record import Products, Record, Value, VersionInfo
from portal.scan import scan_store
from portal.schema import Schema
from tests.conftest import ROOT
from tests.sitekit import COLLECTIONS, SCHEMA, config, plain_record, record

BASES = ["", "https://example.org/portal/"]


def made(r: Record, base: str = "", site: Path | None = None, **more: object) -> dict:
    settings = config(base_url=base, **more)
    return json.loads(json.dumps(croissant(r, settings, COLLECTIONS, SCHEMA, site=site)))


def written(r: Record, settings: SiteConfig, collections: dict, schema: Schema, site: Path) -> str:
    """Where croissant.json lies, as a build writes it."""
    path = site / "datasets" / r.id / "croissant.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(croissant_text(r, settings, collections, schema, site=site), "utf-8")
    return str(path)


def complaints(data: object) -> set[str]:
    """What the reference implementation warns of; it raises for errors."""
    return mlcroissant.Dataset(jsonld=data).metadata.ctx.issues.warnings


@pytest.fixture(scope="module")
def collection(local_stores, tmp_path_factory) -> tuple[Path, list[Record]]:
    """Every artifact of the default collection and the mirror; the local ones with their copy."""
    settings = load_config(ROOT / "site_config.yaml")
    manifest = read_manifest(settings)
    site = tmp_path_factory.mktemp("croissant") / "site"
    records = []
    for entry in manifest.entries:
        path = source_path(entry)
        here = path is not None and path.exists()
        facts = scan_store(path, name=entry.id) if here else None
        copy = publish_copy(path, site / "data" / entry.id, entry.id) if here else None
        found = curate(entry, facts, manifest.schema_)
        records.append(found.model_copy(update={"products": Products(copy=copy)}))
    return site, records


@pytest.mark.parametrize("base", BASES, ids=["relative", "absolute"])
def test_every_artifact_is_read_without_errors_or_warnings(collection, base):
    site, records = collection
    settings = load_config(ROOT / "site_config.yaml").model_copy(update={"base_url": base})
    manifest = read_manifest(settings)
    assert len(records) == 144
    for r in records:
        data = croissant(r, settings, manifest.collections, manifest.schema_, site=site)
        assert complaints(json.loads(json.dumps(data))) == set(), r.id


def test_what_a_reader_gets_is_what_the_record_says(collection):
    site, records = collection
    settings = load_config(ROOT / "site_config.yaml")
    manifest = read_manifest(settings)
    r = next(r for r in records if r.id == "retina-fundus")
    path = written(r, settings, manifest.collections, manifest.schema_, site)
    read = mlcroissant.Dataset(path).metadata
    assert read.name == r.title
    assert read.description == r.description
    assert read.license == ["https://creativecommons.org/publicdomain/zero/1.0/"]
    assert read.cite_as == r.citation.bibtex
    assert read.version == "1"
    assert read.date_published.date().isoformat() == r.published
    assert {c.name for c in read.creators} == {"Mikael Häggström"}
    assert "Homo sapiens" in read.keywords


def test_points_and_shapes_of_a_published_copy_are_read_row_by_row(collection):
    site, records = collection
    r = next(r for r in records if r.id == "blobs")
    data = mlcroissant.Dataset(written(r, config(), {}, SCHEMA, site))
    points = next(e for e in r.facts.elements if e.path == "points/blobs_points")
    rows = list(data.records("points-blobs_points"))
    assert len(rows) == points.n_rows
    names = {k.partition("/")[2] for k in rows[0]}
    assert names == {c.name for c in points.columns if c.name != "geometry"}
    elements = list(data.records("elements"))
    assert {e["elements/path"] for e in elements} == {e.path for e in r.facts.elements}
    assert len(list(data.records("shapes-blobs_circles"))) == 12


def test_a_copy_s_files_carry_their_checksums(collection):
    site, records = collection
    r = next(r for r in records if r.products.copy_)
    data = croissant(r, config(base_url=BASES[1]), {}, SCHEMA, site=site)
    listed = json.loads((site / r.products.copy_.files_json).read_text())
    sums = {f["path"]: f["sha256"] for f in listed["files"]}
    files = {f["@id"]: f for f in data["distribution"]}
    assert files["copy"]["url"] == f"https://example.org/portal/data/{r.id}/{r.id}.zarr"
    for name, file in files.items():
        if name.endswith(".parquet"):
            path = file["contentUrl"].removeprefix(f"https://example.org/portal/data/{r.id}/")
            assert file["sha256"] == sums[path]
    assert "isLiveDataset" not in data


def test_an_address_without_a_checksum_makes_live_data():
    data = made(plain_record("a", url="https://example.org/a.zarr"))
    (store,) = data["distribution"]
    assert store["contentUrl"] == "https://example.org/a.zarr"
    assert "sha256" not in store
    assert data["isLiveDataset"] is True
    assert "isLiveDataset" not in made(plain_record("a"))


def test_what_nobody_knows_is_left_out_and_missed():
    data = made(plain_record("a"))
    assert not {"license", "creator", "keywords", "distribution", "recordSet"} & data.keys()
    assert {w.partition("] ")[2] for w in complaints(data)} == {
        'Property "http://mlcommons.org/croissant/citeAs" is recommended, but does not exist.',
        'Property "https://schema.org/license" is recommended, but does not exist.',
    }


@pytest.mark.parametrize(
    ("versions", "shown"),
    [
        ([], "0.0.0+ab12"),
        (["1"], "1"),
        (["1.2.3"], "1.2.3"),
        (["a", "kP0T 3!"], "2.0.0+kP0T-3"),
        (["01"], "1.0.0+01"),
        (["…"], "1.0.0"),
    ],
)
def test_a_version_is_one_of_three_numbers(versions, shown):
    data = made(record(versions=tuple(VersionInfo(version=v) for v in versions)))
    assert data["version"] == shown
    assert complaints(data) == set()


def test_values_keep_their_fields_and_terms():
    found = {p["propertyID"]: p for p in made(record())["additionalProperty"]}
    assert found["organism"] == {
        "@type": "sc:PropertyValue",
        "propertyID": "organism",
        "name": "Organism",
        "value": "Mus musculus",
        "valueReference": {
            "@type": "sc:DefinedTerm",
            "termCode": "NCBITaxon:10090",
            "name": "Mus musculus",
        },
        "alternateName": "Mouse",
    }


@pytest.mark.parametrize("status", ["withdrawn", "announced"])
def test_what_is_not_offered_has_no_address(status):
    data = made(record(status=status, reason="Consent was taken back."), BASES[1])
    text = json.dumps(data)
    assert "distribution" not in data
    assert "s3://bucket" not in text
    assert "data/brain-1/" not in text
    assert data["creativeWorkStatus"] == status
    assert complaints(data) == set()


def test_a_portal_that_hands_out_no_data_names_none():
    data = made(record(), data={"publish": "none"})
    assert "distribution" not in data


HOSTILE = [
    "</script><script>alert(1)</script>",
    '"}, {"@type": "sc:Dataset", "name": "other"',
    "@id",
    "\u202e\u0000\t\n",
    "https://schema.org/Dataset",
    "_:b0",
    "cr:Field",
    "🧬" * 100,
]


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
@pytest.mark.parametrize("base", BASES, ids=["relative", "absolute"])
def test_hostile_words_stay_words(text, base):
    facts = record().facts
    elements = tuple(e.model_copy(update={"name": text}) for e in facts.elements)
    r = record(
        title=f"x{text}",
        description=text,
        url=f"https://example.org/{text}",
        values={text: (Value(label=text, id=text, written=text),)},
        facts=facts.model_copy(update={"elements": elements}),
        versions=(VersionInfo(version=text or "1"),),
    )
    data = made(r, base)
    assert complaints(data) == set()
    read = mlcroissant.Dataset(jsonld=data)
    assert read.metadata.name == f"x{text}"
    rows = list(read.records("elements"))
    assert {row["elements/name"] for row in rows} == {text}

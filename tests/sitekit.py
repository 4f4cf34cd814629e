"""Records, and ways to read pages, for the tests of the shell and the pages."""

from __future__ import annotations

import os
from collections.abc import Sequence
from html.parser import HTMLParser
from pathlib import Path

from portal.config import SiteConfig
from portal.entry import Collection
from portal.errors import Problem
from portal.facts import Column, ElementFacts, Level, MatrixFacts, StoreFacts, Transformation
from portal.record import (
    CitationText,
    ContactInfo,
    License,
    Picture,
    Products,
    PublishedCopy,
    Record,
    Value,
    VersionInfo,
    View,
)
from portal.render import render_site
from portal.schema import Schema, SchemaField
from portal.shell import DEPTHS, Shell

GOLDENS = Path(__file__).parent / "site"
ASSETS = {
    "page": "page-TEST.js",
    "view": "view-TEST.js",
    "vitessce": "vitessce/vitessce-TEST.js",
}
COLLECTIONS = {
    "brains": Collection(name="Brains of mice", description="Sections *in series*.", kind="study"),
    "empty": Collection(name="Nothing yet"),
}
SCHEMA = Schema(
    fields={
        "organism": SchemaField(
            label="Organism", group="Sample", type="term", show="italic", schema_org="keywords"
        ),
        "tissue": SchemaField(label="Tissue", group="Sample", type="term", schema_org="keywords"),
        "technology": SchemaField(
            label="Technology", group="Assay", type="term", schema_org="measurementTechnique"
        ),
        "n_spots": SchemaField(label="Spots", group="Measured", type="integer"),
    }
)
VOID = {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "wbr"}


def bare_shell(**more: object) -> Shell:
    """A shell without MkDocs: only the markers, so that goldens hold what is ours."""
    page = (
        '<html lang="en"><head><!--portal:csp--><title><!--portal:title--></title>\n'
        '<!--portal:head--></head><body class="@@tab:browse@@"><p><!--portal:topic--></p>\n'
        "<!--portal:content--></body></html>\n"
    )
    return Shell(pages=dict.fromkeys(range(-1, DEPTHS), page), site_name="Test portal", **more)  # type: ignore[arg-type]


def config(**more: object) -> SiteConfig:
    return SiteConfig.model_validate({"title": "Test portal", **more})


def store_facts() -> StoreFacts:
    """A small Visium-like store."""
    to_global = (Transformation(coordinate_system="global", kind="identity", unit="pixel"),)
    return StoreFacts(
        kind="spatialdata",
        container_version="0.2",
        zarr_format=2,
        consolidated=".zmetadata",
        elements=(
            ElementFacts(
                kind="images",
                name="he",
                path="images/he",
                bytes=12_000_000,
                files=93,
                axes=("c", "y", "x"),
                shape=(3, 1998, 2000),
                dtype="uint8",
                rgb=True,
                levels=(
                    Level(path="0", shape=(3, 1998, 2000), chunks=(3, 256, 256)),
                    Level(path="1", shape=(3, 999, 1000), chunks=(3, 256, 256)),
                ),
                transformations=to_global,
            ),
            ElementFacts(
                kind="shapes",
                name="spots",
                path="shapes/spots",
                bytes=50_100,
                n_rows=3355,
                geometry_types=("Point",),
                radius=True,
                transformations=to_global,
            ),
            ElementFacts(
                kind="tables",
                name="table",
                path="tables/table",
                bytes=37_000_000,
                n_rows=3355,
                n_vars=32285,
                x=MatrixFacts(name="X", encoding="csr_matrix", dtype="float32"),
                obs=(
                    Column(
                        name="cluster",
                        dtype="categorical",
                        categories=tuple(f"group {i}" for i in range(20)),
                        n_categories=20,
                    ),
                ),
                regions=("spots",),
                region_key="region",
                instance_key="spot_id",
            ),
        ),
        bytes=49_900_000,
        files=327,
        fingerprint="ab12",
    )


def record(id_: str = "brain-1", **more: object) -> Record:
    """A record of which much is known; `more` replaces fields."""
    fields: dict[str, object] = {
        "id": id_,
        "title": "Mouse brain, sagittal section 1",
        "description": "Fresh frozen, *sagittal*.\n\n<b>not bold</b>",
        "collections": ("brains",),
        "validation_status": "warn",
        "values": {
            "organism": (Value(label="Mus musculus", id="NCBITaxon:10090", written="Mouse"),),
            "tissue": (Value(label="brain", id="UBERON:0000955"),),
            "technology": (Value(label="Visium"),),
            "n_spots": (Value(label="3355", source="store attribute metadata_visium.Spots"),),
        },
        "n_obs": 3355,
        "n_features": 32285,
        "n_obs_source": "scanned",
        "obs_noun": "spots",
        "default_table": "table",
        "license": License(
            label="CC BY 4.0", spdx="CC-BY-4.0", url="https://creativecommons.org/licenses/by/4.0/"
        ),
        "citation": CitationText(
            text="Doe, Jane (2019). Mouse brain.",
            bibtex="@misc{brain-1,\n  title = {Mouse brain}\n}",
            csl={"type": "dataset", "id": "brain-1", "author": [{"family": "Doe", "given": "J"}]},
            doi="10.1234/brain",
            url="https://doi.org/10.1234/brain",
        ),
        "contacts": (ContactInfo(name="Jane Doe", orcid="0000-0002-1825-0097"),),
        "versions": (VersionInfo(version="1", date="2019-12-02", note="First"),),
        "url": "s3://bucket/brain-1.zarr",
        "published": "2019-12-02",
        "facts": store_facts(),
        "problems": (
            Problem(
                code="table-csr",
                severity="warning",
                where="brain-1.zarr/tables/table",
                what="counts are row-compressed",
                remedy="Nothing to do.",
            ),
        ),
        "products": Products(
            picture=Picture(
                files={320: "datasets/brain-1/thumb-320.webp", 640: "datasets/brain-1/thumb.webp"},
                width=640,
                height=480,
                alt="Sagittal section of a brain",
                caption="Drawn from he.",
            ),
            view=View(
                config="datasets/brain-1/vitessce.json",
                shows="copy",
                store="data/brain-1/view-ab12.zarr",
                bytes=2_900_000,
                files=200,
                left_out=("31,285 of 32,285 genes.",),
            ),
            copy_=PublishedCopy(
                store="data/brain-1/brain-1.zarr",
                files_json="data/brain-1/files.json",
                bytes=49_900_000,
                files=327,
            ),
        ),
    }
    return Record.model_validate(fields | more)


def plain_record(id_: str, day: str = "2020-01-01", **more: object) -> Record:
    """A record of which next to nothing is known."""
    return Record.model_validate(
        {"id": id_, "title": f"Artifact {id_}", "published": day, "products": Products()} | more
    )


def build(
    out: Path,
    records: Sequence[Record],
    *,
    settings: SiteConfig | None = None,
    shell: Shell | None = None,
    collections: dict[str, Collection] | None = None,
    schema: Schema = SCHEMA,
) -> list[Path]:
    """Render into `out` with the bare shell."""
    settings = settings or config()
    shell = shell or bare_shell(base_url=settings.base_url)
    chosen = COLLECTIONS if collections is None else collections
    out.mkdir(parents=True, exist_ok=True)
    return render_site(records, chosen, settings, out, shell, schema=schema, assets=ASSETS).pages


def compare_golden(made: str, name: str) -> None:
    """A page is what it was; UPDATE_GOLDENS=1 writes it anew."""
    golden = GOLDENS / name
    if os.environ.get("UPDATE_GOLDENS"):
        golden.parent.mkdir(exist_ok=True)
        golden.write_text(made, "utf-8")
    assert made == golden.read_text("utf-8")


class Page(HTMLParser):
    """What tests ask of a page: tags with attributes, text, and whether elements are closed."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.open: list[str] = []
        self.faults: list[str] = []
        self.words: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {k: v or "" for k, v in attrs}))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {k: v or "" for k, v in attrs}))

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.faults.append(f"</{tag}> at {self.getpos()}")

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    def all(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.tags if name == tag]

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())

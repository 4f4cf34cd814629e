"""The columns of catalog.parquet: name, type, meaning, and how each is read from a Record.

The one place that says so: the file, the documentation's table and the tests are made from it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from portal.entry import Collection
from portal.facts import ElementFacts
from portal.record import UNKNOWN, Record
from portal.schema import Schema, SchemaField

__all__ = ["COLUMNS", "SDDB_VERSION", "CatalogColumn", "Site", "catalog_columns", "gene_list_key"]

SDDB_VERSION = "1"


@dataclass(frozen=True)
class CatalogColumn:
    """One column of catalog.parquet. `kind`: string, integer, number, boolean or list."""

    name: str
    kind: str
    meaning: str
    read: Callable[[Record, Site], Any]

    def of(self, record: Record, site: Site) -> Any:
        """What `read` gives; a record of a former build may have it at hand."""
        said = record.__dict__.get("columns", {})
        return said[self.name] if self.name in said else self.read(record, site)


@dataclass(frozen=True)
class Site:
    """What a row says that is not in the record: where the site is, names of collections."""

    base_url: str
    collections: dict[str, Collection]

    def address(self, path: str | None) -> str | None:
        """A path on the site: absolute where the site's address is known."""
        return None if path is None else self.base_url + path


def _field(name: str, default: str | None = None) -> Callable[[Record, Site], str | None]:
    """The labels of a schema field, joined by `; `."""

    def read(record: Record, site: Site) -> str | None:
        return "; ".join(record.labels(name)) or default

    return read


def _ids(name: str) -> Callable[[Record, Site], str | None]:
    def read(record: Record, site: Site) -> str | None:
        return "; ".join(v.id for v in record.values.get(name, ()) if v.id) or None

    return read


def _terms(name: str, attribute: str) -> Callable[[Record, Site], list[str]]:
    def read(record: Record, site: Site) -> list[str]:
        return [getattr(v, attribute) or "" for v in record.values.get(name, ())]

    return read


def _yes(name: str) -> Callable[[Record, Site], bool | None]:
    def read(record: Record, site: Site) -> bool | None:
        value = record.first(name)
        return None if value is None else value.label.casefold() in ("yes", "true")

    return read


def _whole(name: str) -> Callable[[Record, Site], int | None]:
    def read(record: Record, site: Site) -> int | None:
        value = record.first(name)
        try:
            return int(value.label.replace(",", "")) if value else None
        except ValueError:
            return None

    return read


def _number(name: str) -> Callable[[Record, Site], float | None]:
    def read(record: Record, site: Site) -> float | None:
        value = record.first(name)
        try:
            return float(value.label) if value else None
        except ValueError:
            return None

    return read


def _never(record: Record, site: Site) -> None:
    return None


def _zarr_url(record: Record, site: Site) -> str:
    copy = record.products.copy_
    if record.status in ("withdrawn", "announced"):
        return UNKNOWN
    return record.url or (site.address(copy.store) if copy else None) or UNKNOWN


def _container(record: Record, site: Site) -> str | None:
    facts = record.facts
    if facts is None or facts.kind != "spatialdata":
        return None
    return f"spatialdata {facts.container_version or UNKNOWN}, zarr v{facts.zarr_format}"


def _element_kinds(record: Record, site: Site) -> list[str]:
    return sorted({e.kind for e in record.facts.elements}) if record.facts else []


def _staining(record: Record, site: Site) -> list[str]:
    return record.labels("staining_method")


def _year(record: Record, site: Site) -> int | None:
    """Of publication of the data, else of the newest version."""
    date = next(iter(record.labels("publication_date")), "")
    date = date if date[:4].isdecimal() else record.published
    return int(date[:4]) if date and date[:4].isdecimal() else None


def _publication_year(record: Record, site: Site) -> str | None:
    issued = record.citation.csl.get("issued", {}) if record.citation else {}
    parts = issued.get("date-parts")
    return str(parts[0][0]) if parts and parts[0] else None


def gene_list_key(table: ElementFacts) -> str:
    """A content hash of a table's features, so that artifacts with one panel share a row."""
    if table.feature_list:
        return table.feature_list
    text = "\0".join(table.feature_ids) + "\1" + "\0".join(table.feature_names)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _gene_list(record: Record) -> str | None:
    table = _table(record)
    return gene_list_key(table) if table and (table.feature_ids or table.feature_list) else None


def _table(record: Record) -> ElementFacts | None:
    if record.facts is None:
        return None
    return next((t for t in record.facts.of("tables") if t.name == record.default_table), None)


_C = CatalogColumn
ONTOLOGY_FIELDS = ("organism", "tissue", "disease", "development_stage", "assay", "technology")

# The first block keeps the names and types that the spatialdata-db client knows.
COLUMNS: tuple[CatalogColumn, ...] = (
    _C("uid", "string", "The artifact's id, unique for ever.", lambda r, s: r.id),
    _C("canonical_key", "string", "Not used by this portal.", _never),
    _C(
        "study_id",
        "string",
        "Slug of the first collection.",
        lambda r, s: next(iter(r.collections), None),
    ),
    _C(
        "collection_name",
        "string",
        "Names of the collections, joined by `; `.",
        lambda r, s: (
            "; ".join(s.collections[c].name if c in s.collections else c for c in r.collections)
            or None
        ),
    ),
    _C("issue_url", "string", "Not used by this portal.", _never),
    _C(
        "organism",
        "string",
        "Species, joined by `; `; `unknown` where nobody said.",
        _field("organism", UNKNOWN),
    ),
    _C("organism_id", "string", "Its ontology ids (NCBITaxon).", _ids("organism")),
    _C("tissue", "string", "Organ or tissue.", _field("tissue")),
    _C("tissue_id", "string", "Its ontology ids (UBERON).", _ids("tissue")),
    _C("disease", "string", "Diagnosis; `healthy` is a value.", _field("disease")),
    _C(
        "disease_id",
        "string",
        "Its ontology ids (MONDO; PATO:0000461 is healthy).",
        _ids("disease"),
    ),
    _C("development_stage", "string", "Stage of life.", _field("development_stage")),
    _C(
        "technology",
        "string",
        "Platform in a word; `unknown` where nobody said.",
        _field("technology", UNKNOWN),
    ),
    _C(
        "assay",
        "string",
        "Assay by its ontology label; `unknown` where nobody said.",
        _field("assay", UNKNOWN),
    ),
    _C("technology_version", "string", "Version of the platform.", _field("technology_version")),
    _C(
        "validation_status",
        "string",
        "`pass`, `warn`, `fail`, or `declared` where no scan has reached the store.",
        lambda r, s: r.validation_status,
    ),
    _C("tier", "string", "Not used by this portal.", _never),
    _C(
        "license",
        "string",
        "SPDX id of the licence, else its name as written.",
        lambda r, s: (r.license.spdx or r.license.label) if r.license else None,
    ),
    _C("license_url", "string", "Its address.", lambda r, s: r.license.url if r.license else None),
    _C(
        "zarr_url",
        "string",
        "Where the store is: its own address, else the site's copy, else `unknown`.",
        _zarr_url,
    ),
    _C("card_url", "string", "The artifact's page.", lambda r, s: s.address(f"datasets/{r.id}/")),
    _C(
        "vitessce_url",
        "string",
        "A Vitessce config with absolute addresses; null where the site's address is unknown.",
        lambda r, s: (
            s.address(f"datasets/{r.id}/vitessce.absolute.json")
            if s.base_url and r.products.view.config
            else None
        ),
    ),
    _C("container_tag", "string", "Container and zarr version.", _container),
    _C("sddb_version", "string", "Version of this table's layout.", lambda r, s: SDDB_VERSION),
    _C(
        "published_at",
        "string",
        "Date of the newest version, else of publication.",
        lambda r, s: r.published,
    ),
    _C("slug", "string", "Same as uid.", lambda r, s: r.id),
    _C("title", "string", "Title.", lambda r, s: r.title),
    _C("product", "string", "What the maker sells the assay as.", _field("product")),
    _C("modality", "string", "RNA, protein and the like.", _field("modality")),
    _C("biomaterial_type", "string", "Kind of material.", _field("biomaterial_type")),
    _C("chemistry_version", "string", "Chemistry.", _field("chemistry_version")),
    _C(
        "preservation_method",
        "string",
        "FFPE, fresh frozen and the like.",
        _field("preservation_method"),
    ),
    _C(
        "publication_date",
        "string",
        "When the raw data were published.",
        _field("publication_date"),
    ),
    _C("doi", "string", "DOI to cite.", lambda r, s: r.citation.doi if r.citation else None),
    _C(
        "pmid", "string", "PubMed id to cite.", lambda r, s: r.citation.pmid if r.citation else None
    ),
    _C("publication_year", "string", "Year to cite.", _publication_year),
    _C("publication_verify_status", "string", "Not used by this portal.", _never),
    _C("sample_id", "string", "Sample's name at its source.", _field("sample_id")),
    _C("donor_id", "string", "Donor's name at the source.", _field("donor_id")),
    _C(
        "database_version",
        "string",
        "Newest version of the artifact.",
        lambda r, s: r.versions[-1].version if r.versions else None,
    ),
    _C("sddb_id", "string", "Not used by this portal.", _never),
    _C("disease_details", "string", "Stage, grade and the like.", _field("disease_details")),
    _C(
        "default_table",
        "string",
        "Name of the table that n_obs counts.",
        lambda r, s: r.default_table,
    ),
    _C("dataset_url", "string", "Page of the raw data.", lambda r, s: r.page),
    _C(
        "thumbnail_url",
        "string",
        "Picture of the artifact.",
        lambda r, s: (
            s.address(r.products.picture.files[min(r.products.picture.files)])
            if r.products.picture
            else None
        ),
    ),
    _C("panel_size", "integer", "Genes that the panel targets.", _whole("panel_size")),
    _C(
        "n_obs",
        "integer",
        "Rows of the default table, else the declared number of spots or cells.",
        lambda r, s: r.n_obs,
    ),
    _C(
        "n_features",
        "integer",
        "Columns of the default table, else the declared panel size.",
        lambda r, s: r.n_features,
    ),
    _C(
        "size_bytes",
        "integer",
        "Bytes of the store.",
        lambda r, s: r.facts.bytes if r.facts else None,
    ),
    _C("total_counts", "number", "Not read by a scan: it would cost the whole matrix.", _never),
    _C(
        "license_noncommercial",
        "boolean",
        "Forbids commercial use.",
        lambda r, s: r.license.noncommercial if r.license else None,
    ),
    _C(
        "license_redistributable",
        "boolean",
        "Allows passing the data on.",
        lambda r, s: r.license.redistributable if r.license else None,
    ),
    _C(
        "license_unknown",
        "boolean",
        "Nobody named a licence, or its terms are not known to us.",
        lambda r, s: r.license is None or r.license.spdx is None,
    ),
    _C("pathological", "boolean", "Declared by the curator.", _yes("pathological")),
    _C("hne_image", "boolean", "Declared by the curator.", _yes("hne_image")),
    _C("if_image", "boolean", "Declared by the curator.", _yes("if_image")),
    _C("ftu_annotation", "boolean", "Declared by the curator.", _yes("ftu_annotation")),
    _C("staining_method", "list", "Stains.", _staining),
    _C("collections", "list", "Slugs of the collections.", lambda r, s: list(r.collections)),
    # What this portal adds.
    _C(
        "status",
        "string",
        "`public`, `announced`, `withdrawn` or `superseded`.",
        lambda r, s: r.status,
    ),
    _C("element_kinds", "list", "Which kinds of elements the store has.", _element_kinds),
    _C(
        "n_elements",
        "integer",
        "Number of elements.",
        lambda r, s: len(r.facts.elements) if r.facts else None,
    ),
    _C(
        "n_problems",
        "integer",
        "Number of errors and warnings.",
        lambda r, s: sum(p.severity != "info" for p in r.problems),
    ),
    _C("year", "integer", "Year of publication.", _year),
    _C("zarr_format", "integer", "2 or 3.", lambda r, s: r.facts.zarr_format if r.facts else None),
    _C(
        "container_version",
        "string",
        "Version of the SpatialData container format.",
        lambda r, s: r.facts.container_version if r.facts else None,
    ),
    _C(
        "fingerprint",
        "string",
        "Equal fingerprints mean equal stores.",
        lambda r, s: (r.facts.fingerprint or None) if r.facts else None,
    ),
    _C(
        "view",
        "string",
        "What the interactive view shows: `original`, `copy`, or null.",
        lambda r, s: r.products.view.shows,
    ),
    _C(
        "citation",
        "string",
        "How to cite it, in a sentence.",
        lambda r, s: r.citation.text if r.citation else None,
    ),
    _C(
        "bibtex",
        "string",
        "How to cite it, as BibTeX.",
        lambda r, s: r.citation.bibtex if r.citation else None,
    ),
    _C(
        "completeness",
        "integer",
        "Per cent of the fields that the schema requires which have a value.",
        lambda r, s: r.quality.completeness,
    ),
    _C(
        "missing_fields",
        "list",
        "Required fields that nobody gave or knows.",
        lambda r, s: list(r.quality.missing),
    ),
    _C(
        "fields_without_term",
        "list",
        "Fields with words that no ontology has.",
        lambda r, s: list(r.quality.without_term),
    ),
    _C(
        "differing_fields",
        "list",
        "Fields in which the entry and the store disagree.",
        lambda r, s: list(r.quality.differs),
    ),
    _C(
        "duplicates",
        "list",
        "Ids of other artifacts with the same store.",
        lambda r, s: list(r.quality.duplicates),
    ),
    _C("aliases", "list", "Former ids.", lambda r, s: list(r.aliases)),
    _C(
        "derived_from",
        "list",
        "Ids of the artifacts that it was made from.",
        lambda r, s: list(r.derived_from),
    ),
    _C(
        "problem_codes",
        "list",
        "What is wrong with it: the codes of its errors and warnings.",
        lambda r, s: sorted({p.code for p in r.problems if p.severity != "info"}),
    ),
    _C(
        "gene_list",
        "string",
        "Key of the default table's features in genes.parquet.",
        lambda r, s: _gene_list(r),
    ),
    *(
        _C(
            f"{name}_terms",
            "list",
            f"Labels of `{name}`, one an item."
            if name != "cell_type"
            else "Cell types named by the entry or by the obs columns that schema.yaml names.",
            _terms(name, "label"),
        )
        for name in (*ONTOLOGY_FIELDS, "cell_type")
    ),
    *(
        _C(
            f"{name}_term_ids",
            "list",
            f"Ontology ids, aligned with `{name}_terms`; empty where unknown.",
            _terms(name, "id"),
        )
        for name in (*ONTOLOGY_FIELDS, "cell_type")
    ),
)


def catalog_columns(schema: Schema) -> list[CatalogColumn]:
    """All columns: those that every portal has, then one or three for each further field.

    A term has its labels in one text, and as lists `<name>_terms` and `<name>_term_ids`.
    """
    fixed = {c.name for c in COLUMNS}
    more = [c for name, field in schema.fields.items() for c in _of_field(name, field)]
    return [*COLUMNS, *(c for c in more if c.name not in fixed)]


def _of_field(name: str, field: SchemaField) -> list[CatalogColumn]:
    meaning = field.description or field.label or name
    if field.type == "term":
        labels = _C(
            f"{name}_terms", "list", f"Labels of `{name}`, one an item.", _terms(name, "label")
        )
        ids = _C(
            f"{name}_term_ids", "list", f"Ids, aligned with `{name}_terms`.", _terms(name, "id")
        )
        # Categories of observations are many: they have the lists only.
        return (
            [labels, ids] if field.obs else [_C(name, "string", meaning, _field(name)), labels, ids]
        )
    if field.type == "integer":
        return [_C(name, "integer", meaning, _whole(name))]
    if field.type == "number":
        return [_C(name, "number", f"{meaning} {field.unit}".strip(), _number(name))]
    if field.type == "boolean":
        return [_C(name, "boolean", meaning, _yes(name))]
    if field.many:
        return [_C(name, "list", meaning, lambda r, s: r.labels(name))]
    return [_C(name, "string", meaning, _field(name))]

"""Records → Parquet: the index that everything else is made from.

`COLUMNS` is the one place that says what a column is called, its type and what it means; the
documentation's table is made from it.
"""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from portal.curate import UNKNOWN
from portal.facts import ElementFacts
from portal.manifest import Collection
from portal.record import Record

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["COLUMNS", "CatalogColumn", "slim", "write_catalog", "write_record"]

SDDB_VERSION = "1"


@dataclass(frozen=True)
class CatalogColumn:
    """One column of catalog.parquet. `kind`: string, integer, number, boolean or list."""

    name: str
    kind: str
    meaning: str
    read: Callable[[Record, Site], Any]


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


def _never(record: Record, site: Site) -> None:
    return None


def _zarr_url(record: Record, site: Site) -> str:
    copy = record.products.copy_
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
    date = date if date[:4].isdigit() else record.published
    return int(date[:4]) if date else None


def _publication_year(record: Record, site: Site) -> str | None:
    issued = record.citation.csl.get("issued") if record.citation else None
    parts = issued.get("date-parts") if isinstance(issued, dict) else None
    return str(parts[0][0]) if parts and parts[0] else None


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


def write_catalog(
    records: Sequence[Record],
    collections: dict[str, Collection],
    out: Path,
    *,
    base_url: str = "",
    generated_at: str = "",
) -> list[Path]:
    """Write catalog.parquet, .ndjson and .csv, collections, elements, problems and genes.

    Rows are in order of id. Returns the files written. `generated_at` is an ISO time.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    out.mkdir(parents=True, exist_ok=True)
    site = Site(base_url, collections)
    rows = sorted(records, key=lambda r: r.id)
    stamp = {"sddb_generated_at": generated_at, "portal_format": SDDB_VERSION}
    written = []

    def save(name: str, data: dict[str, list[Any]], schema: pa.Schema) -> pa.Table:
        table = pa.table(data, schema=schema.with_metadata(stamp))
        pq.write_table(table, out / f"{name}.parquet", compression="zstd")
        written.append(out / f"{name}.parquet")
        return table

    catalog = save(
        "catalog",
        {c.name: [c.read(r, site) for r in rows] for c in COLUMNS},
        pa.schema([(c.name, _arrow_type(c.kind)) for c in COLUMNS]),
    )
    lines = catalog.to_pylist()
    ndjson = out / "catalog.ndjson"
    with ndjson.open("w", encoding="utf-8") as f:
        f.writelines(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
    table_csv = out / "catalog.csv"
    with table_csv.open("w", encoding="utf-8", newline="") as f:
        writer = csv.writer(f, lineterminator="\n")
        writer.writerow(catalog.column_names)
        writer.writerows([[_cell(v) for v in line.values()] for line in lines])
    written += [ndjson, table_csv]

    save("collections", *_collection_rows(rows, collections))
    save("elements", *_element_rows(rows))
    save("problems", *_problem_rows(rows))
    save("genes", *_gene_rows(rows))
    return written


def write_record(record: Record, folder: Path) -> Path:
    """Write artifact.json, the whole Record, into the artifact's folder."""
    path = folder / "artifact.json"
    path.write_text(
        slim(record).model_dump_json(indent=1, by_alias=True, exclude_defaults=False) + "\n",
        encoding="utf-8",
    )
    return path


def slim(record: Record) -> Record:
    """The record with its long lists of features replaced by their key in genes.parquet."""
    facts = record.facts
    if facts is None or not any(e.feature_ids for e in facts.elements):
        return record
    elements = tuple(
        e.model_copy(
            update={"feature_list": gene_list_key(e), "feature_ids": (), "feature_names": ()}
        )
        if e.feature_ids
        else e
        for e in facts.elements
    )
    return record.model_copy(update={"facts": facts.model_copy(update={"elements": elements})})


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


def _arrow_type(kind: str) -> pa.DataType:
    import pyarrow as pa

    return {
        "string": pa.string(),
        "integer": pa.int64(),
        "number": pa.float64(),
        "boolean": pa.bool_(),
        "list": pa.list_(pa.string()),
    }[kind]


def _cell(value: Any) -> str:
    """A CSV cell. A leading =, +, - or @ is quoted: spreadsheets would run it as a formula."""
    if value is None:
        return ""
    text = "; ".join(value) if isinstance(value, list) else str(value)
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text


def _schema(**kinds: str) -> pa.Schema:
    import pyarrow as pa

    return pa.schema([(name, _arrow_type(kind)) for name, kind in kinds.items()])


def _columns(schema: pa.Schema, rows: Iterable[Sequence[Any]]) -> dict[str, list[Any]]:
    listed = list(rows)
    return {name: [row[i] for row in listed] for i, name in enumerate(schema.names)}


def _collection_rows(
    records: Sequence[Record], collections: dict[str, Collection]
) -> tuple[dict[str, list[Any]], pa.Schema]:
    schema = _schema(
        slug="string",
        key="string",
        name="string",
        kind="string",
        description="string",
        reference="string",
        reference_type="string",
        assay="string",
        organism="string",
        tissue="string",
        n_datasets="integer",
        n_members_total="integer",
        size_bytes="integer",
        members="list",
    )
    members: dict[str, list[Record]] = {slug: [] for slug in collections}
    for record in records:
        for slug in record.collections:
            members.setdefault(slug, []).append(record)

    def common(of: list[Record], field: str) -> str | None:
        return "; ".join(sorted({label for r in of for label in r.labels(field)})) or None

    rows = []
    for slug in sorted(members):
        c = collections.get(slug) or Collection(name=slug)
        of = members[slug]
        sizes = [r.facts.bytes for r in of if r.facts and r.facts.bytes]
        rows.append(
            (
                slug,
                slug,
                c.name,
                c.kind or None,
                c.description or None,
                c.reference or None,
                c.reference_type or None,
                common(of, "assay"),
                common(of, "organism"),
                common(of, "tissue"),
                len(of),
                len(of),
                sum(sizes) if sizes else None,
                [r.id for r in of],
            )
        )
    return _columns(schema, rows), schema


def _element_rows(records: Sequence[Record]) -> tuple[dict[str, list[Any]], pa.Schema]:
    schema = _schema(
        uid="string",
        kind="string",
        name="string",
        path="string",
        readable="boolean",
        axes="string",
        shape="string",
        dtype="string",
        n_levels="integer",
        channels="list",
        coordinate_systems="list",
        n_rows="integer",
        n_vars="integer",
        regions="list",
        obs_columns="list",
        embeddings="list",
        feature_key="string",
        geometry_types="list",
        size_bytes="integer",
        n_files="integer",
        gene_list="string",
    )
    rows = (
        (
            r.id,
            e.kind,
            e.name,
            e.path,
            e.readable,
            "".join(e.axes) or None,
            "×".join(map(str, e.shape)) if e.shape else None,
            e.dtype,
            len(e.levels) or None,
            list(e.channels),
            list(e.coordinate_systems),
            e.n_rows,
            e.n_vars,
            list(e.regions),
            [c.name for c in e.obs],
            [m.name for m in e.obsm],
            e.feature_key,
            list(e.geometry_types),
            e.bytes,
            e.files,
            gene_list_key(e) if e.feature_ids or e.feature_list else None,
        )
        for r in records
        for e in (r.facts.elements if r.facts else ())
    )
    return _columns(schema, rows), schema


def _problem_rows(records: Sequence[Record]) -> tuple[dict[str, list[Any]], pa.Schema]:
    schema = _schema(
        uid="string",
        code="string",
        severity="string",
        where="string",
        what="string",
        remedy="string",
    )
    rows = (
        (r.id, p.code, p.severity, p.where, p.what, p.remedy or None)
        for r in records
        for p in r.problems
    )
    return _columns(schema, rows), schema


def _gene_rows(records: Sequence[Record]) -> tuple[dict[str, list[Any]], pa.Schema]:
    schema = _schema(gene_list="string", n="integer", feature_ids="list", symbols="list")
    lists: dict[str, ElementFacts] = {}
    for r in records:
        for e in r.facts.elements if r.facts else ():
            if e.feature_ids:
                lists.setdefault(gene_list_key(e), e)
    rows = (
        (key, len(e.feature_ids), list(e.feature_ids), list(e.feature_names or e.feature_ids))
        for key, e in sorted(lists.items())
    )
    return _columns(schema, rows), schema

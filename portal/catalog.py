"""Records → Parquet: the index that everything else is made from.

What the columns of the catalog are is said in `portal.columns`.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Mapping, Sequence
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from portal.cards import said_of
from portal.columns import SDDB_VERSION, CatalogColumn, Site, catalog_columns, gene_list_key
from portal.entry import Collection
from portal.facts import ElementFacts
from portal.kept import whole
from portal.notes import Notes, code_version, digest
from portal.record import Record, at_hand
from portal.schema import Schema

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["record_text", "slim", "write_catalog"]


def write_catalog(
    records: Sequence[Record],
    collections: dict[str, Collection],
    out: Path,
    *,
    schema: Schema | None = None,
    base_url: str = "",
    generated_at: str = "",
    notes: Notes | None = None,
    digests: Mapping[str, str] | None = None,
) -> list[Path]:
    """Write catalog.parquet, .ndjson and .csv, collections, elements, problems and genes.

    Rows are in order of id; fields of `schema` that every catalog has not follow its columns.
    Returns the files written. `generated_at` is an ISO time. With `notes` and the `digests` of
    the records, rows are taken from former builds.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    out.mkdir(parents=True, exist_ok=True)
    ordered = sorted(records, key=lambda r: r.id)
    stamp = {"sddb_generated_at": generated_at, "portal_format": SDDB_VERSION}
    written = []

    def save(name: str, data: dict[str, list[Any]], schema: pa.Schema) -> None:
        table = pa.table(data, schema=schema.with_metadata(stamp))
        # A browser reads snappy without a codec of its own.
        pq.write_table(table, out / f"{name}.parquet", compression="snappy")
        written.append(out / f"{name}.parquet")

    columns = catalog_columns(schema or Schema())
    types = pa.schema([(c.name, _arrow_type(c.kind)) for c in columns])
    rows = _rows(ordered, columns, types, Site(base_url, collections), notes, digests or {})
    said = [json.loads(row.line) for row in rows]
    save("catalog", {name: [row[name] for row in said] for name in types.names}, types)
    ndjson, table_csv = out / "catalog.ndjson", out / "catalog.csv"
    with ndjson.open("w", encoding="utf-8") as f:
        f.writelines(f"{row.line}\n" for row in rows)
    with table_csv.open("w", encoding="utf-8", newline="") as f:
        f.write(_csv(types.names))
        f.writelines(row.cells for row in rows)
    written += [ndjson, table_csv]

    save("collections", *_collection_rows(ordered, collections))
    elements = _schema(**_ELEMENTS)
    save("elements", _columns(elements, (e for row in rows for e in row.elements)), elements)
    save("problems", *_problem_rows(ordered))
    save("genes", *_gene_rows(ordered, rows))
    return written


class _Row(NamedTuple):
    """What one artifact adds to the files."""

    line: str
    """Of catalog.ndjson."""
    cells: str
    """Of catalog.csv."""
    elements: list[list[Any]]
    genes: list[str]
    """Names of its lists of genes."""


def _rows(
    records: Sequence[Record],
    columns: Sequence[CatalogColumn],
    types: pa.Schema,
    site: Site,
    notes: Notes | None,
    digests: Mapping[str, str],
) -> list[_Row]:
    """A row for each record, from the notes where it has been there before."""
    import pyarrow as pa

    same = digest("row", code_version(), repr(site), repr([(c.name, c.kind) for c in columns]))
    keys = {r.id: digest(same, digests[r.id]) for r in records} if notes and digests else {}
    rows: dict[str, _Row] = {}
    for id_, key in keys.items():
        if notes and (kept := notes.get(key)):
            rows[id_] = _Row(*json.loads(kept))
    new = [whole(r) for r in records if r.id not in rows]
    made = pa.table({c.name: [c.read(r, site) for r in new] for c in columns}, schema=types)
    for record, row in zip(new, made.to_pylist(), strict=True):
        elements = record.facts.elements if record.facts else ()
        rows[record.id] = _Row(
            json.dumps(row, ensure_ascii=False),
            _csv([_cell(v) for v in row.values()]),
            [_element_row(record.id, e) for e in elements],
            list(dict.fromkeys(gene_list_key(e) for e in elements if e.feature_ids)),
        )
        if notes and keys:
            notes.put(keys[record.id], json.dumps(rows[record.id]).encode())
    return [rows[r.id] for r in records]


def _csv(cells: Iterable[str]) -> str:
    line = StringIO()
    csv.writer(line, lineterminator="\n").writerow(cells)
    return line.getvalue()


def record_text(record: Record) -> str:
    """The whole Record as artifact.json has it."""
    return slim(record).model_dump_json(indent=1, by_alias=True, exclude_defaults=False) + "\n"


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
        sizes = [size for r in of if (size := at_hand(r, "said", said_of)["bytes"])]
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


_ELEMENTS = {
    "uid": "string",
    "kind": "string",
    "name": "string",
    "path": "string",
    "readable": "boolean",
    "axes": "string",
    "shape": "string",
    "dtype": "string",
    "n_levels": "integer",
    "channels": "list",
    "coordinate_systems": "list",
    "n_rows": "integer",
    "n_vars": "integer",
    "regions": "list",
    "obs_columns": "list",
    "embeddings": "list",
    "feature_key": "string",
    "geometry_types": "list",
    "size_bytes": "integer",
    "n_files": "integer",
    "gene_list": "string",
}


def _element_row(id_: str, e: ElementFacts) -> list[Any]:
    """What elements.parquet says of one element."""
    return [
        id_,
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
    ]


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


def _gene_rows(
    records: Sequence[Record], rows: Sequence[_Row]
) -> tuple[dict[str, list[Any]], pa.Schema]:
    schema = _schema(gene_list="string", n="integer", feature_ids="list", symbols="list")
    lists: dict[str, ElementFacts] = {}
    for record, row in zip(records, rows, strict=True):
        if all(key in lists for key in row.genes):
            continue  # the same panel again: no need to read it
        for e in record.facts.elements if record.facts else ():
            if e.feature_ids:
                lists.setdefault(gene_list_key(e), e)
    found = (
        (key, len(e.feature_ids), list(e.feature_ids), list(e.feature_names or e.feature_ids))
        for key, e in sorted(lists.items())
    )
    return _columns(schema, found), schema

"""Record → Croissant, the JSON-LD in which tools of machine learning describe data sets.

One verb: `croissant` gives what stands in `datasets/<id>/croissant.json`, Croissant 1.0. What it
shares with the JSON-LD of the page comes from `portal.jsonld`; each value of the schema's fields
stands beside that as a PropertyValue with its term, so that nothing is lost on the way to another
portal (`portal import croissant`). The elements of the store and the columns of its tables are
record sets with the rows written in place; points and shapes of a published copy, which are
Parquet files, are record sets that `mlcroissant` reads.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from portal.artifactpage import as_offered
from portal.config import SiteConfig
from portal.entry import Collection
from portal.facts import Column, ElementFacts, StoreFacts
from portal.jsonld import dataset
from portal.record import UNKNOWN, ContactInfo, PublishedCopy, Record, Value
from portal.schema import Schema

__all__ = ["CONFORMS_TO", "DECLARED_VERSION", "croissant", "croissant_text", "in_short"]

CONFORMS_TO = "http://mlcommons.org/croissant/1.0"
DECLARED_VERSION = "portal:version"
"""Under this name stands the version as its curator wrote it, where it is not MAJOR.MINOR.PATCH."""
_SEMVER = re.compile(r"(0|[1-9]\d*)(\.(0|[1-9]\d*)){0,2}")
_SAFE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}")
_ZARR = "application/vnd.zarr"
_MOST_PARTS = 16
"""Points in more Parquet files than this are not listed file by file."""
_TYPES = {
    "string": "sc:Text",
    "categorical": "sc:Text",
    "boolean": "sc:Boolean",
    "float32": "sc:Float",
    "float64": "sc:Float",
    **dict.fromkeys((f"{u}int{n}" for u in ("", "u") for n in (8, 16, 32, 64)), "sc:Integer"),
}
"""Types of columns that a reader of Croissant knows too; columns of others are left out."""
_CONTEXT: dict[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "sc": "https://schema.org/",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "dct": "http://purl.org/dc/terms/",
    "conformsTo": "dct:conformsTo",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "examples": {"@id": "cr:examples", "@type": "@json"},
    **{
        name: f"cr:{name}"
        for name in (
            *("citeAs", "column", "equivalentProperty", "extract", "field", "fileProperty"),
            *("fileObject", "fileSet", "format", "includes", "isLiveDataset", "jsonPath", "key"),
            *("md5", "parentField", "path", "recordSet", "references", "regex", "repeated"),
            *("replace", "samplingRate", "separator", "source", "subField", "transform"),
        )
    },
}
"""The context of Croissant 1.0, as its readers expect it word by word."""


def croissant(
    record: Record,
    config: SiteConfig,
    collections: Mapping[str, Collection],
    schema: Schema,
    *,
    site: Path | None = None,
) -> dict[str, Any]:
    """The artifact as a Croissant data set; what is not known is left out.

    Addresses start with the site's `base_url`; without one they are relative to
    `datasets/<id>/`. `site` is the folder of the site, where the list of a published copy's files
    lies: from there come the checksums. A file whose checksum nobody knows makes the data set a
    live one, as Croissant calls data that may change at their address.
    """
    record = as_offered(record, config)
    root = config.base_url or "../../"
    labels = {name: record.labels(name) for name in record.values}
    shared = dataset(record, config, collections, in_short(record.title, labels), schema)
    del shared["@context"], shared["@type"]
    shared.pop("distribution", None)
    files, record_sets = [], _described(record.facts) if record.facts else []
    if copy := record.products.copy_:
        listed, rows = _published(copy, record.facts, root, site)
        files += listed
        record_sets += rows
    if record.url:
        files.append(_address(record))
    live = any(f["@type"] == "cr:FileObject" and "sha256" not in f for f in files)
    found = {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": CONFORMS_TO,
        **shared,
        "version": _version(record),
        "citeAs": record.citation.bibtex if record.citation else None,
        "isPartOf": [
            # no Dataset: a reader takes the first one in the file for that which is described
            {"@type": "sc:Collection", "name": collections[c].name, "identifier": c}
            for c in record.collections
            if c in collections
        ],
        "maintainer": [_contact(c) for c in record.contacts],
        "isBasedOn": [f"{root}datasets/{i}/" for i in record.derived_from],
        "creativeWorkStatus": record.status if record.status != "public" else None,
        "additionalProperty": _properties(record, schema),
        "isLiveDataset": live or None,
        "distribution": files,
        "recordSet": record_sets,
    }
    return {key: value for key, value in found.items() if value not in (None, [], "")}


def croissant_text(
    record: Record,
    config: SiteConfig,
    collections: Mapping[str, Collection],
    schema: Schema,
    *,
    site: Path | None = None,
) -> str:
    """What stands in croissant.json."""
    made = croissant(record, config, collections, schema, site=site)
    return json.dumps(made, ensure_ascii=False, indent=1) + "\n"


def in_short(title: str, labels: Mapping[str, Sequence[str]]) -> str:
    """A description for those that have none: it is mandatory."""
    words = (w for name in ("technology", "tissue", "organism") for w in labels.get(name, ()))
    return ", ".join([title, *(w for w in words if w != UNKNOWN)])


def _version(record: Record) -> str:
    """The newest version as MAJOR.MINOR.PATCH, which Croissant asks for.

    Any other name of a version counts the versions and carries the name behind a plus sign. An
    artifact without versions is 0.0.0, with the fingerprint of its store behind the plus.
    """
    declared = record.versions[-1].version if record.versions else ""
    if _SEMVER.fullmatch(declared):
        return declared
    behind = declared or (record.facts.fingerprint[:12] if record.facts else "")
    behind = re.sub(r"[^0-9A-Za-z]+", "-", behind).strip("-")
    return f"{len(record.versions)}.0.0" + (f"+{behind}" if behind else "")


def _properties(record: Record, schema: Schema) -> list[dict[str, Any]]:
    """Every value with the name of its field and its ontology term."""
    found = [
        _property(name, schema.fields[name].label if name in schema.fields else "", value)
        for name, values in record.values.items()
        for value in values
        if value.label != UNKNOWN
    ]
    declared = record.versions[-1].version if record.versions else ""
    if declared and not _SEMVER.fullmatch(declared):
        found.append(_property(DECLARED_VERSION, "", Value(label=declared)))
    return found


def _contact(contact: ContactInfo) -> dict[str, str]:
    return {
        "@type": "sc:Person",
        "name": contact.name,
        **({"identifier": f"https://orcid.org/{contact.orcid}"} if contact.orcid else {}),
        **({"contactPoint": contact.address} if contact.address else {}),
    }


def _property(name: str, label: str, value: Value) -> dict[str, Any]:
    term = {"@type": "sc:DefinedTerm", "termCode": value.id, "name": value.label}
    return {
        "@type": "sc:PropertyValue",
        "propertyID": name,
        **({"name": label} if label else {}),
        "value": value.label,
        **({"valueReference": term} if value.id else {}),
        **({"alternateName": value.written} if value.written else {}),
    }


def _address(record: Record) -> dict[str, Any]:
    """The store where people fetch it: a folder of files, so no checksum says what it holds."""
    assert record.url is not None
    zipped = record.url.endswith(".zip")
    size = record.facts.bytes if record.facts else None
    return {
        "@type": "cr:FileObject",
        "@id": "store",
        "name": record.url.rstrip("/").rpartition("/")[2] or record.id,
        "description": "The SpatialData store.",
        "contentUrl": record.url,
        "encodingFormat": f"{_ZARR}+zip" if zipped else _ZARR,
        **({"contentSize": f"{size} B"} if size is not None else {}),
    }


def _published(
    copy: PublishedCopy, facts: StoreFacts | None, root: str, site: Path | None
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The files of the copy on the site, and the record sets that can be read from them."""
    text = (site / copy.files_json).read_bytes() if site else b""
    listed = {f["path"]: f for f in json.loads(text)["files"]} if text else {}
    folder, _, name = copy.store.rpartition("/")
    if name.endswith(".zip"):
        zipped = _file("copy", copy.store, root, f"{_ZARR}+zip", listed.get(name))
        return [{**zipped, "contentSize": f"{copy.bytes} B"}], []
    check = {"bytes": len(text), "sha256": hashlib.sha256(text).hexdigest()} if text else None
    manifest = _file("files.json", copy.files_json, root, "application/json", check)
    manifest["description"] = "Path, size and SHA-256 of every file of the store."
    store = {
        "@type": "cr:FileSet",
        "@id": "copy",
        "name": name,
        "description": f"The files of the SpatialData store at {root}{copy.store}, as files.json "
        "lists them.",
        "url": root + copy.store,
        "containedIn": {"@id": "files.json"},
        "encodingFormat": _ZARR,
        "includes": f"{name}/**",
    }
    files, record_sets = [manifest, store], []
    for id_, element, parts in _tabular(facts, name, listed):
        ids = [id_] if len(parts) == 1 else [f"{id_}-{i}" for i in range(len(parts))]
        for i, (part_id, path) in enumerate(zip(ids, parts, strict=True), 1):
            at, kind = f"{folder}/{path}", "application/x-parquet"
            files.append(_file(f"{part_id}.parquet", at, root, kind, listed[path]))
            part = f", part {i} of {len(parts)}" if len(parts) > 1 else ""
            record_sets.append(_rows(part_id, f"{element.path}{part}", element.columns))
    return files, record_sets


def _file(
    id_: str, path: str, root: str, kind: str, check: Mapping[str, Any] | None
) -> dict[str, Any]:
    """A file of the site; `check` has its bytes and sha256, where they are known."""
    known = {"contentSize": f"{check['bytes']} B", "sha256": check["sha256"]} if check else {}
    return {
        "@type": "cr:FileObject",
        "@id": id_,
        "name": path.rpartition("/")[2],
        "contentUrl": root + path,
        "encodingFormat": kind,
        **known,
    }


def _tabular(
    facts: StoreFacts | None, store: str, listed: Mapping[str, Any]
) -> Iterator[tuple[str, ElementFacts, list[str]]]:
    """Points and shapes with the Parquet files that hold them, and an id each."""
    elements = [e for e in facts.elements if e.kind in ("points", "shapes")] if facts else []
    ids = _ids(f"{e.kind}-{e.name}" for e in elements)
    for element, id_ in zip(elements, ids, strict=True):
        head = f"{store}/{element.path}/"
        parts = [p for p in listed if p.startswith(head) and p.endswith(".parquet")]
        if 0 < len(parts) <= _MOST_PARTS and _readable(element.columns):
            yield id_, element, sorted(parts)


def _readable(columns: Iterable[Column]) -> list[Column]:
    return [c for c in columns if c.dtype in _TYPES]


def _rows(id_: str, name: str, columns: Iterable[Column]) -> dict[str, Any]:
    """The columns of a Parquet file, but for those of types that Croissant has no word for."""
    columns = _readable(columns)
    fields = [
        {
            "@type": "cr:Field",
            "@id": f"{id_}/{column_id}",
            "name": column.name,
            "dataType": _TYPES[column.dtype],
            "source": {"fileObject": {"@id": f"{id_}.parquet"}, "extract": {"column": column.name}},
        }
        for column, column_id in zip(columns, _ids(c.name for c in columns), strict=True)
    ]
    return {
        "@type": "cr:RecordSet",
        "@id": id_,
        "name": name,
        "field": fields,
    }


def _ids(names: Iterable[str]) -> list[str]:
    """An id for each of different names: the name itself where it can stand in an address."""
    return [n if _SAFE.fullmatch(n) else f"unnamed-{i}" for i, n in enumerate(names)]


def _described(facts: StoreFacts) -> list[dict[str, Any]]:
    """What the store holds, as rows in the file itself: the elements, the columns of tables."""
    elements = [
        {
            "kind": e.kind,
            "name": e.name,
            "path": e.path,
            "shape": " × ".join(map(str, e.shape or (e.n_rows, e.n_vars)[: 2 if e.n_vars else 1])),
        }
        for e in facts.elements
        if e.shape or e.n_rows is not None
    ]
    columns = [
        {"table": table.path, "axis": axis, "name": c.name, "type": c.dtype}
        for table in facts.of("tables")
        for axis, found in (("obs", table.obs), ("var", table.var))
        for c in found
    ]
    return [
        *_in_place("elements", "The elements of the store.", elements),
        *_in_place("columns", "The columns of its tables.", columns),
    ]


def _in_place(id_: str, what: str, rows: list[dict[str, str]]) -> Iterator[dict[str, Any]]:
    if rows:
        yield {
            "@type": "cr:RecordSet",
            "@id": id_,
            "name": id_,
            "description": what,
            "field": [
                {"@type": "cr:Field", "@id": f"{id_}/{key}", "name": key, "dataType": "sc:Text"}
                for key in rows[0]
            ],
            "data": [{f"{id_}/{key}": value for key, value in row.items()} for row in rows],
        }

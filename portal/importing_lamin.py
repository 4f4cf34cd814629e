"""A LaminDB instance's export → `Foreign`s. One verb: `read_lamin`.

Two forms are read. A data frame of artifacts, `ln.Artifact.to_dataframe(...)`, saved as CSV, JSON,
NDJSON or Parquet: its columns beside LaminDB's own are features, by label. And the folder (or a zip
of it) of Parquet tables that `lamin io exportdb` writes, where labels have their ontology ids.
"""

from __future__ import annotations

import ast
import csv
import io
import json
import re
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from portal.errors import Problem, ProblemsError
from portal.foreign import Foreign, Left, is_blank
from portal.tidy import shown
from portal.words import slugify

__all__ = ["read_lamin"]

MAX_BYTES = 100_000_000
_UID = re.compile(r"[0-9A-Za-z]{16}([0-9A-Za-z]{4})?")
_MIDNIGHT = re.compile(r"(\d{4}-\d\d-\d\d)[T ]00:00:00(?:\.0+)?(?:Z|\+00:00)?")
_STEM = 16
"""So many characters of a uid are the artifact's, the rest its version's."""
_CORE = frozenset({"uid", "key", "description", "suffix", "created_at", "version", "version_tag"})
_BOOKKEEPING = frozenset(
    {
        *("", "id", "kind", "otype", "size", "hash", "n_files", "n_observations", "extra_data"),
        *("is_latest", "is_locked", "updated_at", "type", "visibility", "accessor"),
        *("branch_id", "created_on_id", "space_id", "storage_id", "run_id", "schema_id"),
        *("created_by_id", "transform_id"),
    }
)
_OWN_WORDS = {"license": "license", "title": "title", "page": "page"}
"""Features that say what an entry has a key for."""
_REGISTRIES = {
    "experimentalfactor": "assay",
    "celltype": "cell_type",
    "developmentalstage": "development_stage",
    "ethnicity": "ancestry",
    "cellline": "cell_line",
}
"""What a label means that hangs on an artifact without a feature, where its registry is called
otherwise than the field."""


def read_lamin(file: Path, *, address: str = "") -> tuple[list[Foreign], list[str], Left]:
    """The artifacts of an export that are stores, which were left out and why, and what else was.

    `address` says where the stores lie, which a data frame does not: a pattern with `{key}`,
    `{uid}` (16 characters) and `{suffix}`, such as `s3://bucket/.lamindb/{uid}{suffix}`.
    Raises ProblemsError for a file that is no such export.
    """
    left = Left()
    try:
        tables = _Tables.at(file)
        rows = _joined(tables, left) if tables else _frame(file)
    except OSError as e:
        raise _fault(file, f"Cannot be read: {e.strerror or e}.") from e
    except (ValueError, RecursionError, zipfile.BadZipFile) as e:
        raise _fault(file, f"Cannot be read: {shown(' '.join(str(e).split()))}.") from e
    for i, row in enumerate(rows):
        if not _UID.fullmatch(str(row.get("uid", ""))):
            known = shown(", ".join(map(str, row)))
            raise _fault(file, f"Record {i + 1} has no LaminDB `uid`; its columns: {known}.")
    found, skipped = [], []
    for versions in _by_artifact(rows):
        newest = versions[-1]
        if why := _no_store(newest):
            skipped.append(f"{newest['uid']} ({why})")
        else:
            found.append(_foreign(versions, address, left))
    return found, skipped, left


def _fault(file: Path, what: str) -> ProblemsError:
    remedy = (
        "Give `ln.Artifact.to_dataframe(...)` saved as .csv, .json, .ndjson or .parquet, "
        "or the folder of Parquet tables of `lamin io exportdb`."
    )
    problem = Problem(code="not-lamin", severity="error", where=str(file), what=what, remedy=remedy)
    return ProblemsError([problem])


def _frame(file: Path) -> list[dict[str, Any]]:
    """The rows of a saved data frame. Raises ValueError for what is none."""
    if file.stat().st_size > MAX_BYTES:
        raise ValueError(f"it is larger than {MAX_BYTES:,} bytes")
    kind = file.suffix.casefold()
    if kind == ".parquet":
        return _parquet(file.read_bytes())
    text = file.read_text("utf-8-sig")
    if kind == ".csv":
        return [
            {k: _literal(v) for k, v in row.items() if k is not None}
            for row in csv.DictReader(io.StringIO(text))
        ]
    if kind in (".ndjson", ".jsonl"):
        rows = [json.loads(line) for line in text.splitlines() if line.strip()]
    else:
        rows = json.loads(text)
    if not isinstance(rows, list) or not all(isinstance(r, dict) for r in rows):
        raise ValueError("it is no list of records (`orient='records'`)")
    return rows


def _parquet(content: bytes) -> list[dict[str, Any]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return pq.read_table(io.BytesIO(content)).to_pylist()
    except pa.ArrowException as e:
        raise ValueError(str(e)) from e


def _literal(text: str | None) -> Any:
    """A cell of CSV: lists and sets of labels stand there as Python writes them."""
    if not text or text[0] not in "[{" or len(text) > 100_000:
        return text
    try:
        value = ast.literal_eval(text)
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        return text
    return sorted(value, key=str) if isinstance(value, set) else value


def _no_store(row: Mapping[str, Any]) -> str:
    """Why an artifact is no store that a portal can show; empty where it may be one."""
    otype = row.get("otype")
    if not is_blank(otype) and otype not in ("None", "SpatialData"):
        return f"{otype}, not SpatialData"
    suffix = str(row.get("suffix") or Path(str(row.get("key") or "")).suffix)
    if suffix and ".zarr" not in suffix:
        return f"{shown(suffix, 40)} is no zarr store"
    return ""


def _by_artifact(rows: list[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    """The versions of each artifact, the newest last."""
    groups: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        groups.setdefault(row["uid"][:_STEM], []).append(row)
    for group in groups.values():
        yield sorted(group, key=lambda r: (str(r.get("created_at")), r["uid"]))


def _foreign(versions: list[dict[str, Any]], address: str, left: Left) -> Foreign:
    row = versions[-1]
    uid, key = row["uid"], str(row.get("key") or "")
    stem = Path(key).name.partition(".")[0] or uid
    said = str(row.get("description") or "").strip()
    is_title = 0 < len(said) <= 300 and "\n" not in said
    made = Foreign(key=uid[:_STEM], name=stem)
    made.collections = {slug: n for n in row.get("_collections", ()) if (slug := slugify(n))}
    made.core = {
        "title": said if is_title else stem,
        "description": "" if is_title else said,
        "url": row.get("_address") or _filled(address, row),
        "versions": [
            {
                "version": _tag(v) or v["uid"],
                **({"date": str(v["created_at"])[:10]} if v.get("created_at") else {}),
            }
            for v in versions
        ],
    }
    if not made.core["url"] and "_address" not in row:
        left.add("where the stores lie: the export does not say it; `--address` can")
    for name, value in row.items():
        feature = name.removesuffix("__name").removesuffix("__ontology_id")
        values = [v for v in _listed(value) if not is_blank(v)]
        if not values or name in _CORE or name in ("_address", "_collections"):
            continue
        if name in _BOOKKEEPING or name.startswith(("_", "Unnamed:")):
            left.add_key(name)
        elif feature.casefold() in _OWN_WORDS and isinstance(values[0], str):
            made.core[_OWN_WORDS[feature.casefold()]] = values[0]
        elif feature.casefold() in ("doi", "pmid"):
            made.core.setdefault("citation", {})[feature.casefold()] = str(values[0])
        else:
            made.values.setdefault(_REGISTRIES.get(feature, feature), []).extend(values)
    if "/" in key and not (address and "{key}" in address) and not row.get("_address"):
        left.add("`key`: only its last part, as the id")
    return made


def _tag(row: Mapping[str, Any]) -> str:
    tag = row.get("version_tag") or row.get("version")
    return "" if is_blank(tag) or tag == "None" else str(tag)


def _filled(address: str, row: Mapping[str, Any]) -> str:
    known = {"key": row.get("key"), "uid": row["uid"][:_STEM], "suffix": row.get("suffix")}
    for name, value in known.items():
        address = address.replace(f"{{{name}}}", str(value or ""))
    return address


def _listed(value: Any) -> list[Any]:
    """The values of a cell; dates as text, whatever else JSON has no word for too."""
    values = value if isinstance(value, list | tuple) else [value]
    return [v if isinstance(v, bool | int | float | dict | None) else _dated(v) for v in values]


def _dated(value: Any) -> str:
    """Text; a date without the midnight that a data frame gives it."""
    text = value.isoformat() if hasattr(value, "isoformat") else str(value)
    match = _MIDNIGHT.fullmatch(text)
    return match[1] if match else text


class _Tables:
    """The tables of a whole export, read by name."""

    def __init__(self, parts: Mapping[str, Any]) -> None:
        self.parts = parts
        self.room = MAX_BYTES

    @classmethod
    def at(cls, file: Path) -> _Tables | None:
        """The tables in a folder or zip; None for a file of another kind."""
        if file.is_dir():
            return cls({p.stem: p for p in sorted(file.glob("*.parquet"))})
        if file.suffix.casefold() == ".zip":
            archive = zipfile.ZipFile(file)
            infos = [i for i in archive.infolist() if i.filename.endswith(".parquet")]
            return cls({Path(i.filename).stem: (archive, i) for i in infos})
        return None

    def read(self, name: str) -> list[dict[str, Any]]:
        """The rows of a table, none where it is missing. LaminDB writes None as text."""
        part = self.parts.get(name)
        if part is None:
            return []
        size = part.stat().st_size if isinstance(part, Path) else part[1].file_size
        self.room -= size
        if self.room < 0:
            raise ValueError(f"its tables are larger than {MAX_BYTES:,} bytes")
        content = part.read_bytes() if isinstance(part, Path) else part[0].read(part[1])
        return [
            {k: None if v == "None" else v for k, v in row.items()} for row in _parquet(content)
        ]

    def by_id(self, name: str) -> dict[int, dict[str, Any]]:
        return {int(row["id"]): row for row in self.read(name)}


def _joined(tables: _Tables, left: Left) -> list[dict[str, Any]]:
    """Artifacts with their labels and values by feature, as a data frame has them, with ids."""
    artifacts = tables.by_id("lamindb_artifact")
    if not artifacts:
        raise ValueError("there is no table lamindb_artifact with a row")
    roots = {i: str(r.get("root") or "") for i, r in tables.by_id("lamindb_storage").items()}
    for row in artifacts.values():
        row["_address"] = _in_storage(row, roots.get(_number(row.get("storage_id")) or 0, ""), left)
    features = {i: str(f["name"]) for i, f in tables.by_id("lamindb_feature").items()}
    for artifact, name, value in _labels(tables, features, left):
        if artifact in artifacts:
            artifacts[artifact].setdefault(name, []).append(value)
    return list(artifacts.values())


def _labels(
    tables: _Tables, features: Mapping[int, str], left: Left
) -> Iterator[tuple[int, str, Any]]:
    """(artifact, name, value) of every label and value that hangs on an artifact."""
    values = tables.by_id("lamindb_jsonvalue")
    for link in tables.read("lamindb_artifactjsonvalue"):
        value = values[int(link["jsonvalue_id"])]
        feature = features.get(_number(value.get("feature_id")) or 0, "")
        yield int(link["artifact_id"]), feature, _json(value.get("value"))
    collections = tables.by_id("lamindb_collection")
    for link in tables.read("lamindb_collectionartifact"):
        collection = collections[int(link["collection_id"])]
        name = collection.get("key") or collection.get("name")
        yield int(link["artifact_id"]), "_collections", name
    for table in tables.parts:
        match = re.fullmatch(r"(\w+?)_artifact([a-z]+)", table)
        if not match or match[2] in ("jsonvalue", "block"):
            continue
        links = tables.read(table)
        targets = tables.by_id(f"{match[1]}_{match[2]}") if links else {}
        for link in links:
            target = targets.get(_number(link.get(f"{match[2]}_id")) or 0, {})
            name = features.get(_number(link.get("feature_id")) or 0, match[2])
            if target.get("name"):
                term = {"id": target.get("ontology_id"), "label": target["name"]}
                yield int(link["artifact_id"]), name, term if term["id"] else term["label"]
            else:
                left.add(f"`{name}`: a {match[2]}, which has no place")


def _number(value: Any) -> int | None:
    """An id, which may be text or a float where some of a column are missing."""
    try:
        return int(float(value))
    except (TypeError, ValueError, OverflowError):
        return None


def _json(text: Any) -> Any:
    try:
        return json.loads(text) if isinstance(text, str) else text
    except ValueError:
        return text


def _in_storage(row: Mapping[str, Any], root: str, left: Left) -> str:
    """The address of an artifact; empty for a store on somebody's disk."""
    if "://" not in root:
        left.add(f"stores on the disk `{shown(root)}`: name their `source` or `url` yourself")
        return ""
    uid = row["uid"] if row.get("_overwrite_versions") is False else row["uid"][:_STEM]
    virtual = f".lamindb/{uid}{row.get('suffix') or ''}"
    path = virtual if row.get("_key_is_virtual") else row.get("_real_key") or row.get("key")
    return f"{root.rstrip('/')}/{path or virtual}"

"""Records of other collections → entries of this manifest.

`spatialdata-db`: the collection's own records, a JSON list of objects with `uid`, `title`,
`collection`, `status`, `attrs`, `extra`, `ontology`, `zarr_url_s3`, `lamin_versions`. Values are
taken over as written, with the terms that the collection's own curators found. Nothing is made
up: words that no ontology has become `{label: …}`, a blank in a required field becomes `unknown`
with a comment that says so.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from portal.errors import Problem, ProblemsError
from portal.foreign import Foreign, Left, Names, entry_of, ids_of
from portal.importing_croissant import read_croissant
from portal.importing_lamin import read_lamin
from portal.record import UNKNOWN
from portal.resolve import Resolver
from portal.schema import Schema, SchemaField, load_schema
from portal.values import default_resolver
from portal.words import slugify

__all__ = ["Imported", "import_croissant", "import_lamin", "import_spatialdata_db"]

MAX_BYTES = 100_000_000
_ONTOLOGY_KEYS = {
    "organism": "Organism",
    "tissue": "Tissue",
    "disease": "Disease",
    "assay": "Assay",
    "development_stage": "Development Stage",
}
_BLANK = "unknown  # blank in the source"


@dataclass(frozen=True)
class Imported:
    """What an import wrote, kept and left out."""

    written: tuple[Path, ...]
    unchanged: tuple[Path, ...]
    skipped: tuple[str, ...]
    left: tuple[str, ...] = ()
    """What the records say that has no place in an entry, each thing once."""


class _Dumper(yaml.SafeDumper):
    """Block style with flow-style terms, as a person would write it."""

    def ignore_aliases(self, data: Any) -> bool:
        """Everything is written out: the manifest takes no aliases."""
        return True


class _Flow(dict):
    """A mapping written on one line."""


class _Prose(str):
    """Text of several lines, written as a block where YAML can."""


_Dumper.add_representer(
    _Flow, lambda d, v: d.represent_mapping("tag:yaml.org,2002:map", v, flow_style=True)
)
_Dumper.add_representer(
    _Prose, lambda d, v: d.represent_scalar("tag:yaml.org,2002:str", str(v), style="|")
)


def import_spatialdata_db(
    file: Path, folder: Path, schema: Schema, *, include_all: bool = False
) -> Imported:
    """Write one entry a record into `folder`, and the collections into collections.yaml.

    Only records whose status is `uploaded` are taken, all with `include_all` (the others as
    `announced`). An entry that is there already is kept when its content is the same, else it
    is an error: a curator's work is never overwritten.
    A manifest without a schema gets that of the collection. Raises ProblemsError for a file that
    is not such records, and for a schema that lacks the collection's fields: their values would
    be lost.
    """
    if lacking := load_schema("spatialdata-db").fields.keys() - schema.fields.keys():
        raise ProblemsError(
            [
                Problem(
                    code="schema-field",
                    severity="error",
                    where="schema.yaml",
                    what=f"The schema lacks fields of the collection: {', '.join(sorted(lacking))}.",
                    remedy="Write `extends: spatialdata-db` into schema.yaml.",
                )
            ]
        )
    records = _read(file)
    resolver = default_resolver()
    root = folder.parent if folder.name == "spatialdata-db" else folder
    collections: dict[str, str] = {}
    written, unchanged, skipped = [], [], []
    problems: list[Problem] = []
    for i, record in enumerate(records):
        if record["status"] != "uploaded" and not include_all:
            skipped.append(f"{record['uid']} ({record['status']})")
            continue
        slug = slugify(record["collection"] or "")
        if slug:
            collections[slug] = record["collection"]
        text = yaml.dump(
            _entry(record, slug, schema, resolver),
            Dumper=_Dumper,
            sort_keys=False,
            allow_unicode=True,
            width=1000,
        ).replace(f"'{_BLANK}'", _BLANK)
        path = folder / f"{record['uid']}.yaml"
        if path.exists():
            if path.read_text("utf-8") == text:
                unchanged.append(path)
                continue
            remedy = "Move it away, or leave the record out."
            problems.append(_exists(path, f"{file.name}:record {i + 1}", remedy))
            continue
        folder.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
        written.append(path)
    _add_collections(root / "collections.yaml", collections)
    if not (root / "schema.yaml").exists():
        (root / "schema.yaml").write_text("extends: spatialdata-db\n", "utf-8")
    if problems:
        raise ProblemsError(problems)
    return Imported(tuple(written), tuple(unchanged), tuple(skipped))


def import_lamin(
    file: Path, folder: Path, schema: Schema, *, address: str = "", force: bool = False
) -> Imported:
    """Write one entry an artifact of a LaminDB instance into `folder`.

    `file` is a data frame of artifacts, saved, or the folder of a whole export; `address` says
    where the stores lie: see `read_lamin`. Artifacts that are no zarr stores are skipped, by uid.
    An entry that is there already and says something else is an error, with `force` it is
    replaced. Raises ProblemsError; nothing is written then.
    """
    found, skipped, left = read_lamin(file, address=address)
    return _take_over(found, folder, schema, default_resolver(), skipped, left, force)


def import_croissant(file: Path, folder: Path, schema: Schema, *, force: bool = False) -> Imported:
    """Write one entry a Croissant record into `folder`.

    `file` is one record, a list of them, NDJSON, or a folder with files named croissant.json. An
    entry that is there already and says something else is an error, with `force` it is replaced.
    Raises ProblemsError; nothing is written then.
    """
    resolver = default_resolver()
    found, left = read_croissant(file, schema, resolver)
    return _take_over(found, folder, schema, resolver, [], left, force)


def _take_over(
    found: Sequence[Foreign],
    folder: Path,
    schema: Schema,
    resolver: Resolver,
    skipped: Sequence[str],
    left: Left,
    force: bool,
) -> Imported:
    """Entries for what others say; all of them are made before the first is written."""
    root = _manifest_of(folder)
    there = root.rglob("*.y*ml")
    elsewhere = {p.stem.casefold() for p in there if p.parent != folder or p.suffix == ".yml"}
    names = Names(schema)
    texts: dict[Path, str] = {}
    for foreign, id_ in zip(found, ids_of(found, elsewhere), strict=True):
        texts[folder / f"{id_}.yaml"] = _text_of(entry_of(foreign, names, resolver, left))
    unchanged = [p for p, text in texts.items() if p.exists() and _is(p, text)]
    new = {p: text for p, text in texts.items() if p not in unchanged}
    taken = [p for p in new if p.exists()]
    if taken and not force:
        remedy = "Move it away, leave the record out, or replace it with --force."
        raise ProblemsError(_exists(path, str(path), remedy) for path in taken)
    folder.mkdir(parents=True, exist_ok=True)
    for path, text in new.items():
        path.write_text(text, "utf-8")
    collections = {slug: name for f in found for slug, name in f.collections.items()}
    _add_collections(root / "collections.yaml", collections)
    return Imported(tuple(new), tuple(unchanged), tuple(skipped), left.sentences())


def _exists(path: Path, where: str, remedy: str) -> Problem:
    return Problem(
        code="entry-exists",
        severity="error",
        where=where,
        what=f"{path} is there already and says something else.",
        remedy=remedy,
    )


def _is(path: Path, text: str) -> bool:
    return path.read_bytes() == text.encode("utf-8")


def _manifest_of(folder: Path) -> Path:
    """The manifest that a folder of entries belongs to: where its schema or collections lie."""
    for at in (folder, *folder.parents):
        marked = any((at / name).is_file() for name in ("schema.yaml", "collections.yaml"))
        if marked or at.name == "data_manifest":
            return at
    return folder


def _text_of(entry: dict[str, Any]) -> str:
    """The YAML of an entry: terms on one line each, prose as it is read."""

    def styled(value: Any) -> Any:
        if isinstance(value, dict) and value.keys() <= {"id", "label", "written"}:
            return _Flow(value)
        if isinstance(value, dict):
            return {k: styled(v) for k, v in value.items()}
        if isinstance(value, list):
            return [styled(v) for v in value]
        return _Prose(value) if isinstance(value, str) and "\n" in value else value

    return yaml.dump(styled(entry), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=1000)


def _read(file: Path) -> list[dict[str, Any]]:
    def fault(what: str) -> ProblemsError:
        return ProblemsError(
            [
                Problem(
                    code="not-spatialdata-db",
                    severity="error",
                    where=str(file),
                    what=what,
                    remedy="Give the collection's records: a JSON list of objects.",
                )
            ]
        )

    try:
        if file.stat().st_size > MAX_BYTES:
            raise fault(f"The file is larger than {MAX_BYTES:,} bytes.")
        records = json.loads(file.read_text("utf-8"))
    except OSError as e:
        raise fault(f"Cannot be read: {e.strerror}.") from e
    except ValueError as e:
        raise fault(f"Not JSON: {e}.") from e
    if not isinstance(records, list):
        raise fault("Not a list.")
    needed = ("uid", "title", "collection", "status", "attrs")
    for i, r in enumerate(records):
        missing = [k for k in needed if not isinstance(r, dict) or k not in r]
        if missing:
            raise fault(f"Record {i + 1} lacks {', '.join(missing)}.")
        blocks = (
            {**r["attrs"], "extra": r.get("extra") or {}} if isinstance(r["attrs"], dict) else {}
        )
        if not blocks or not all(isinstance(b, dict) for b in blocks.values()):
            raise fault(f"Record {i + 1} has attrs or extra that are no objects of objects.")
        if not re.fullmatch(r"[a-z0-9][a-z0-9._-]{0,63}", str(r["uid"])):
            raise fault(f"Record {i + 1} has the uid {r['uid']!r}, which can't be an id here.")
    return records


def _entry(record: dict[str, Any], slug: str, schema: Schema, resolver: Resolver) -> dict[str, Any]:
    general = record["attrs"].get("metadata_general", {})
    blocks = {**record["attrs"], "extra": record.get("extra") or {}, "record": record}
    by_path = {
        f"{block}.{key}": value
        for block, content in blocks.items()
        for key, value in content.items()
        if isinstance(value, str | int | float)
    }
    metadata: dict[str, Any] = {}
    technologies = frozenset({str(general.get("Assay")).casefold()})
    organisms = frozenset({_found("organism", record).get("id", "")})
    for name, field in schema.fields.items():
        value = next((by_path[p] for p in field.found_in if p in by_path), None)
        if name == "technology":
            value = general.get("Assay")  # the collection calls the platform so
        if value is not None:
            metadata[name] = _metadata(name, value, field, record, resolver, organisms)
        elif field.is_required(technologies):
            metadata[name] = _BLANK
    date = general.get("Publication Date")
    page = general.get("Dataset Url")
    uploaded = record["status"] == "uploaded"
    versions = [
        {"version": v["uid"], "date": v["created_at"][:10]}
        for v in record.get("lamin_versions") or []
    ]
    entry = {
        "title": record["title"],
        "url": (record.get("zarr_url_s3") or record.get("zarr_url_https")) if uploaded else None,
        "collections": [slug] if slug else [],
        "license": general.get("License"),
        "citation": {
            "publisher": "10x Genomics" if "10xgenomics.com" in (page or "") else None,
            "year": int(date[:4]) if date else None,
            "url": page,
        },
        "metadata": metadata,
        "versions": versions,
        "status": None if uploaded else "announced",
    }
    return _without_blanks(entry)


def _metadata(
    name: str,
    value: Any,
    field: SchemaField,
    record: dict[str, Any],
    resolver: Resolver,
    organisms: frozenset[str],
) -> Any:
    """A term with its id where the collection's curators found one, else the value as written.

    Words that the portal has no term for either are marked as such.
    """
    if found := _found(name, record):
        term = {"id": found["id"], "label": found["label"]}
        return _Flow(term if value == found["label"] else {**term, "written": value})
    if field.type == "term" and isinstance(value, str):
        values = resolver.resolve(value, field, organisms=organisms).values
        if any(not v.id and v.label != UNKNOWN for v in values):
            return _Flow({"label": value})
    return value


def _found(name: str, record: dict[str, Any]) -> dict[str, str]:
    """The term that the collection's own curators found for a field."""
    return (record.get("ontology") or {}).get(_ONTOLOGY_KEYS.get(name, "")) or {}


def _without_blanks(value: dict[str, Any]) -> dict[str, Any]:
    out = {}
    for key, v in value.items():
        if isinstance(v, dict) and not isinstance(v, _Flow):
            v = _without_blanks(v)
        if v not in (None, "", [], {}):
            out[key] = v
    return out


def _add_collections(path: Path, names: dict[str, str]) -> None:
    """Append the collections that collections.yaml lacks; what is there stays as it is."""
    known: set[str] = set()
    if path.exists():
        text = path.read_text("utf-8")
        data = yaml.safe_load(text) or {}
        known = set(data.get("collections") or {})
    else:
        text = "collections:\n"
    lines = [
        yaml.dump({slug: {"name": name}}, allow_unicode=True, width=1000, sort_keys=False)
        for slug, name in sorted(names.items())
        if slug not in known
    ]
    if lines:
        block = "".join("  " + line + "\n" for entry in lines for line in entry.splitlines())
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text.rstrip("\n") + "\n" + block, "utf-8")

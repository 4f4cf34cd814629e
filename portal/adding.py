"""`portal add`: a store becomes an entry, with all that it says of itself and TODOs for the rest."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from portal.config import SiteConfig
from portal.curate import curate
from portal.entry import ID, Entry
from portal.errors import Problem, UsageError
from portal.manifest import read_manifest
from portal.record import UNKNOWN, Record, Value
from portal.schema import Schema, SchemaField
from portal.words import slugify
from portal.yamledit import flow

__all__ = ["Added", "add_store", "entry_text"]


@dataclass(frozen=True)
class Added:
    """The entry that was written."""

    path: Path
    text: str
    record: Record
    todo: tuple[str, ...]
    """Fields that are required and that the store does not say."""
    problems: tuple[Problem, ...]


def add_store(store: Path, config: SiteConfig, *, id_: str | None = None, title: str = "") -> Added:
    """Scan a store and write its entry into the manifest.

    Raises UsageError where there is no store, the id can't be one or is taken, or the store lies
    outside the folders that the portal may read; nothing is written then.
    """
    from portal.scan import scan_store

    if not store.exists():
        raise UsageError(f"There is nothing at {store}.")
    manifest = read_manifest(config)
    id_ = id_ or _id_of(store)
    if not ID.fullmatch(id_):
        raise UsageError(
            f"{id_!r} can't be an id: lower-case letters, digits, `.`, `_` and `-`. Name one with --id."
        )
    taken = {e.id for e in manifest.entries} | {a for e in manifest.entries for a in e.aliases}
    path = config.manifest_dir / f"{id_}.yaml"
    if id_ in taken or path.exists():
        raise UsageError(f"The id {id_!r} is taken. Name another one with --id.")
    if not any(store.resolve().is_relative_to(root) for root in config.source_root_paths()):
        roots = ", ".join(str(r) for r in config.source_root_paths())
        raise UsageError(
            f"{store} lies outside the folders that this portal may read ({roots}). "
            "Move it, or add its folder to `source_roots` in site_config.yaml."
        )
    facts = scan_store(store, limit=config.limits.scan_bytes, name=id_)
    shown = str(path.relative_to(config.root))
    entry = Entry(title=title or _title_of(store)).model_copy(update={"id": id_, "shown_as": shown})
    record = curate(entry, facts, manifest.schema_)
    source = Path(os.path.relpath(store.resolve(), path.parent.resolve())).as_posix()
    text = entry_text(record, manifest.schema_, source=source, certain_title=bool(title))
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("x", encoding="utf-8") as f:  # never over somebody's work
        f.write(text)
    problems = tuple(
        p for p in record.problems if p.code not in ("required-missing", "term-without-id")
    )
    return Added(path, text, record, _missing(record), problems)


def entry_text(record: Record, schema: Schema, *, source: str, certain_title: bool) -> str:
    """The YAML of an entry for a record that was made from a store alone."""
    title = f"title: {flow(record.title)}"
    lines = [title if certain_title else f"{title}  # TODO a title that people understand"]
    lines.append(f"source: {flow(source)}")
    if record.license:
        lines.append(f"license: {flow(record.license.spdx or record.license.label)}")
    else:
        lines.append("# TODO license: an SPDX id such as CC-BY-4.0")
    lines.append("metadata:")
    for name, field in schema.fields.items():
        lines += _field_lines(name, field, record)
    return "\n".join(lines) + "\n"


def _field_lines(name: str, field: SchemaField, record: Record) -> Iterator[str]:
    """A field's values with where they were found, or what is still to do."""
    values = record.values.get(name, ())
    if values and values[0].source.startswith("store attribute"):
        found = values[0].source.removeprefix("store attribute ")
        written = [_written(v, field) for v in values]
        text = flow(written[0] if len(written) == 1 else written)
        lost = field.type == "term" and any(not v.id and v.label != UNKNOWN for v in values)
        todo = "TODO no ontology has these words; " if lost else ""
        yield f"  {name}: {text}  # {todo}from {_comment(found)}"
    elif not values and name in record.quality.missing:
        meaning = _comment(field.description or field.label)
        yield f"  # TODO {name}:  # required. {meaning}".rstrip()


def _written(value: Value, field: SchemaField) -> object:
    if value.label == UNKNOWN:
        return UNKNOWN
    if field.type == "term":
        said = {"id": value.id, "label": value.label, "written": value.written}
        return {k: v for k, v in said.items() if v}
    if field.type in ("integer", "number"):
        try:
            return int(value.label) if value.label.isdecimal() else float(value.label)
        except ValueError:
            return value.label
    return value.label


def _comment(text: str) -> str:
    """Text that stays on the line of its comment."""
    return " ".join(text.split())[:200]


def _missing(record: Record) -> tuple[str, ...]:
    return tuple(n for n in record.quality.missing if not record.values.get(n))


def _stem(store: Path) -> str:
    return re.sub(r"(\.(spatialdata|sdata))?(\.zarr)?(\.zip)?$", "", store.name) or "store"


def _id_of(store: Path) -> str:
    return slugify(_stem(store))[:64] or "store"


def _title_of(store: Path) -> str:
    words = re.sub(r"[_\W]+", " ", _stem(store)).strip() or "Untitled"
    return words[:1].upper() + words[1:]

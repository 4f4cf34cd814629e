"""`portal add`: a store becomes an entry, with all that it says of itself and TODOs for the rest."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from portal.config import SiteConfig
from portal.curate import curate
from portal.entry import ID, Entry
from portal.errors import Problem, ProblemsError, UsageError
from portal.lineage import parents_of
from portal.manifest import RESERVED, read_manifest, source_path
from portal.record import UNKNOWN, Record, Value
from portal.scan_codes import printable
from portal.schema import Schema, SchemaField
from portal.tidy import read_number
from portal.values import default_resolver
from portal.words import slugify
from portal.yamledit import flow

__all__ = [
    "Added",
    "add_store",
    "entry_text",
    "id_of",
    "new_entry",
    "source_of",
    "write_new",
]


@dataclass(frozen=True)
class Added:
    """The entry that was written."""

    path: Path
    text: str
    record: Record
    todo: tuple[str, ...]
    """Fields that are required and that the store does not say, or says as no entry can."""
    problems: tuple[Problem, ...]


def add_store(store: Path, config: SiteConfig, *, id_: str | None = None, title: str = "") -> Added:
    """Scan a store and write its entry into the manifest; what it was made from too, where a crate
    of `portal.track` beside it says so.

    Raises UsageError where there is no store, the id can't be one or is taken, or the store lies
    outside the folders that the portal may read, ProblemsError where it is no store that can be
    read; nothing is written then.
    """
    from portal.scan import scan_store

    if not store.exists():
        raise UsageError(f"There is nothing at {store}.")
    store = Path(os.path.abspath(store))
    manifest = read_manifest(config)
    id_ = id_ or id_of(store)
    if not ID.fullmatch(id_):
        raise UsageError(
            f"{id_!r} can't be an id: lower-case letters, digits, `.`, `_` and `-`. Name one with --id."
        )
    path = config.manifest_dir / f"{id_}.yaml"
    taken = {a for e in manifest.entries for a in e.aliases}
    # An entry that can't be read, or lies in a folder, has its id all the same.
    taken |= {p.stem.casefold() for p in config.manifest_dir.rglob("*.y*ml")}
    if id_ in taken or path.name in RESERVED:
        raise UsageError(f"The id {id_!r} is taken. Name another one with --id.")
    if not any(store.resolve().is_relative_to(root) for root in config.source_root_paths()):
        roots = ", ".join(str(r) for r in config.source_root_paths())
        raise UsageError(
            f"{store} lies outside the folders that this portal may read ({roots}). "
            "Move it, or add its folder to `source_roots` in site_config.yaml."
        )
    for other in manifest.entries:
        has = source_path(other)
        if has is not None and has.resolve() == store.resolve():
            raise UsageError(f"{store} is the source of {other.shown_as} already.")
    facts = scan_store(store, limit=config.limits.scan_bytes, name=id_)
    if facts.kind == "unreadable":
        raise ProblemsError(facts.problems)
    shown = str(path.relative_to(config.root))
    entry = new_entry(title or _title_of(store))
    entry = entry.model_copy(update={"id": id_, "shown_as": shown})
    record = curate(entry, facts, manifest.schema_)
    source = source_of(store, path.parent)
    text = entry_text(record, manifest.schema_, source=source, certain_title=bool(title))
    if parents := parents_of(store, {e.id for e in manifest.entries}):
        text += f"derived_from: [{', '.join(parents)}]\n"
    write_new(path, text)
    problems = tuple(
        p for p in record.problems if p.code not in ("required-missing", "term-without-id")
    )
    fields = manifest.schema_.fields.items()
    todo = tuple(n for n, f in fields if _field_line(n, f, record).startswith(_OPEN))
    return Added(path, text, record, todo, problems)


def new_entry(title: str, metadata: Mapping[str, Any] | None = None) -> Entry:
    """An entry with a title and values that are known to fit. Raises UsageError for the title."""
    if not title.strip() or len(title) > 300:
        raise UsageError(f"A title has 1 to 300 characters, this one {len(title):,}.")
    return Entry.model_validate({"title": title, "metadata": metadata or {}})


def source_of(store: Path, folder: Path) -> str:
    """The source of an entry in `folder`. Raises UsageError for a path that can't be written."""
    source = Path(os.path.relpath(store.resolve(), folder.resolve())).as_posix()
    try:
        source.encode()
    except UnicodeEncodeError:
        raise UsageError(f"The path {source!r} is no text. Rename the store.") from None
    if len(source) > 2000:
        raise UsageError(f"The path of the store has {len(source):,} characters, 2,000 may be.")
    return source


def write_new(path: Path, text: str) -> None:
    """A new file, whole or not at all. Raises FileExistsError: never over somebody's work."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("x", encoding="utf-8", newline="\n") as f:
        try:
            f.write(text)
            f.flush()
        except BaseException:
            path.unlink()
            raise


def entry_text(record: Record, schema: Schema, *, source: str, certain_title: bool) -> str:
    """The YAML of an entry for the record of a store and of the values declared beside it."""
    title = f"title: {flow(record.title)}"
    lines = [title if certain_title else f"{title}  # TODO a title that people understand"]
    lines.append(f"source: {flow(source)}")
    license_ = record.license and (record.license.spdx or record.license.label)
    if license_ and len(license_) <= 200:
        lines.append(f"license: {flow(license_)}")
    else:
        lines.append("# TODO license: an SPDX id such as CC-BY-4.0")
    lines.append("metadata:")
    others = {n: SchemaField(many=True) for n in record.values if n not in schema.fields}
    lines += [_field_line(n, f, record) for n, f in (schema.fields | others).items()]
    return "\n".join(line for line in lines if line) + "\n"


_OPEN = "  # TODO "


def _field_line(name: str, field: SchemaField, record: Record) -> str:
    """A field's values with where they were found, or what is still to do; empty for neither."""
    values = record.values.get(name, ())
    if not values and name in record.quality.missing:
        meaning = _comment(field.description or field.label)
        return f"{_OPEN}{name}:  # required. {meaning}".rstrip()
    if not values or values[0].source.startswith("store obs"):
        return ""
    written = [_written(v, field) for v in values]
    text = flow(written[0] if len(written) == 1 else written)
    found = f"from {values[0].source.removeprefix('store attribute ')}"
    if fault := _unfit(name, field, record):
        return f"{_OPEN}{_comment(f'{name}: {text}')}  # {_comment(f'{found}. {fault}')}"
    if found == "from declared":
        return f"  {flow(name)}: {text}"
    lost = field.type == "term" and any(not v.id and v.label != UNKNOWN for v in values)
    todo = "TODO no term yet; " if lost else ""
    return f"  {name}: {text}  # {todo}{_comment(found)}"


def _unfit(name: str, field: SchemaField, record: Record) -> str:
    """Why an entry can't say a field's values as the store does; empty where it can."""
    values = record.values[name]
    if len(values) > 1 and not field.many:
        return f"{len(values)} values, one is allowed."
    try:
        entry = new_entry("-", {name: [_written(v, field) for v in values]})
    except ValidationError:
        return "It is too long for an entry."
    items: Any = entry.metadata[name]
    organisms = frozenset(v.id for v in record.values.get("organism", ()) if v.id)
    for item in items:
        for fault in default_resolver().resolve(item, field, organisms=organisms).faults:
            if fault.severity == "error":
                return f"{fault.what} {fault.remedy}".strip()
    return ""


def _written(value: Value, field: SchemaField) -> object:
    if value.label == UNKNOWN:
        return UNKNOWN
    if field.type == "term" or value.id:
        written = value.written if len(value.written or "") <= 500 else None
        said = {"id": value.id, "label": value.label, "written": written}
        return {k: v for k, v in said.items() if v}
    if field.type in ("integer", "number"):
        number = read_number(value.label)
        if number and not number[1]:
            return int(number[0]) if number[0].is_integer() else number[0]
    return value.label


def _comment(text: str) -> str:
    """Text that stays on the line of its comment."""
    return printable(" ".join(text.split()))


def _stem(store: Path) -> str:
    return re.sub(r"(\.(spatialdata|sdata))?(\.zarr)?(\.zip)?$", "", store.name) or "store"


def id_of(store: Path) -> str:
    """The id that an entry of the store gets where nobody names one."""
    return slugify(_stem(store))[:64] or "store"


def _title_of(store: Path) -> str:
    words = re.sub(r"[_\W]+", " ", _stem(store)).strip() or "Untitled"
    return words[:1].upper() + words[1:]

"""`data_manifest/`: one YAML file an artifact, read into an `Entry` each, with every fault named.

The id of an entry is its file's stem. It is an address for ever, so its rules are strict.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, SkipValidation

from portal.config import SiteConfig
from portal.entry import ID, Collection, Entry, Slug
from portal.errors import BuildError, Problem, did_you_mean
from portal.kept import entry_note, kept_entry
from portal.notes import Notes, code_version, digest
from portal.schema import ENDING, Schema, read_schema
from portal.yamlfile import Loc, read_yaml

__all__ = ["Manifest", "read_manifest", "source_path"]

RESERVED = ("schema.yaml", "collections.yaml")


class _Collections(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
    collections: dict[Slug, Collection] = {}


class Manifest(BaseModel):
    """All entries that can be read, and every problem of the rest."""

    model_config = ConfigDict(frozen=True)

    entries: tuple[SkipValidation[Entry], ...] = ()
    collections: dict[str, Collection] = {}
    schema_: Schema = Schema(fields={})
    problems: tuple[Problem, ...] = ()

    @cached_property
    def schema_version(self) -> str:
        """A hash of the schema."""
        return digest(self.schema_.model_dump_json())


def read_manifest(config: SiteConfig, notes: Notes | None = None) -> Manifest:
    """Read every entry of `data_manifest/`, the schema and the collections.

    Never raises for what a curator wrote: the faults are in `problems`, and an entry with an
    error is left out. With `notes` a file that was read before is not parsed again.
    """
    folder = config.manifest_dir
    problems: list[Problem] = []
    schema = _read_schema(folder, config.root, problems)
    collections = _read_collections(folder, config.root, problems)
    entries: dict[str, Entry] = {}
    files = _entry_files(folder, config.root, problems)
    for path in files:
        entry = _read_entry(path, config, problems, notes)
        if entry:
            entries[entry.id] = entry
    # An entry that can't be read keeps its address all the same.
    aliases = {path.stem: path.stem for path in files}
    for entry in entries.values():
        problems += _references(entry, entries, collections, schema, aliases)
    return Manifest(
        entries=tuple(entries.values()),
        collections=collections,
        schema_=schema,
        problems=tuple(problems),
    )


def _entry_files(folder: Path, root: Path, problems: list[Problem]) -> list[Path]:
    """The files whose names can be ids, each id once; the others are problems."""
    found: dict[str, Path] = {}
    for path in sorted(_yaml_files(folder), key=lambda p: (p.stem, str(p))):
        valid = ID.fullmatch(path.stem) is not None
        key = path.stem.casefold()
        twin = found.get(key)
        # A valid name keeps the id, whichever came first.
        if twin is None or (valid and not ID.fullmatch(twin.stem)):
            found[key] = path
        if not valid:
            problems.append(
                _in_file(
                    path,
                    root,
                    "id-invalid",
                    f"The id `{path.stem[:80]}` (the file's name) is not allowed.",
                    "Use lower-case letters, digits, `.`, `_` and `-`, at most 64, starting with "
                    "a letter or digit.",
                )
            )
        if twin is not None:
            same = twin.stem == path.stem
            problems.append(
                _in_file(
                    path,
                    root,
                    "id-duplicate" if same else "id-case",
                    f"Its id {'is also that of' if same else 'differs only in case from'} "
                    f"{_shown(twin, root)}.",
                    "Rename one.",
                )
            )
    return [p for p in found.values() if ID.fullmatch(p.stem)]


def _yaml_files(folder: Path) -> Iterator[Path]:
    """Every YAML file that may be an entry."""
    for inside, folders, files in os.walk(folder):
        at_top = inside == str(folder)
        if at_top and "scans" in folders:
            folders.remove("scans")
        for name in files:
            taken = name.endswith(ENDING) or (at_top and name in RESERVED)
            if name.endswith((".yaml", ".yml")) and not taken:
                yield Path(inside, name)


def _in_file(path: Path, root: Path, code: str, what: str, remedy: str) -> Problem:
    where = f"{_shown(path, root)}:1"
    return Problem(code=code, severity="error", where=where, what=what, remedy=remedy)


def _read_entry(
    path: Path, config: SiteConfig, problems: list[Problem], notes: Notes | None
) -> Entry | None:
    """One entry, None where it has an error of its own."""
    shown = _shown(path, config.root)
    key = _key(path, shown)
    if notes is None or not key:
        entry = _parsed_entry(path, shown, key, problems)
    elif stored := notes.get(key):
        given = {"id": path.stem, "path": path, "shown_as": shown, "digest": key}
        entry = kept_entry(stored, given, lambda: _again(path, shown, key, notes))
    else:
        found: list[Problem] = []
        entry = _parsed_entry(path, shown, key, found)
        problems += found
        if entry is not None and not found:
            notes.put(key, entry_note(entry))
            notes.put(f"{key} whole", _whole_note(entry))
    if entry is None:
        return None
    outside = _source_fault(entry, config)
    problems += [outside] if outside else []
    return None if outside else entry


def _key(path: Path, shown: str) -> str:
    """What an entry is made from, empty where it can't be read."""
    try:
        return digest("entry", code_version(), shown, path.read_bytes())
    except OSError:
        return ""


def _parsed_entry(path: Path, shown: str, key: str, problems: list[Problem]) -> Entry | None:
    entry, found, lines = read_yaml(path, Entry, shown_as=shown)
    problems += found
    if entry is None:
        return None
    given = {"id": path.stem, "path": path, "lines": lines, "shown_as": shown, "digest": key}
    entry = entry.model_copy(update=given)
    faults = [
        Problem(
            code="unknown-key",
            severity="error",
            where=entry.where(name),
            what=f"Unknown key `{name}`.",
            remedy="The id is the file's name." if name == "id" else "",
        )
        for name in given
        if (name,) in lines
    ]
    problems += faults
    return None if faults else entry


def _whole_note(entry: Entry) -> bytes:
    lines = [[list(loc), line] for loc, line in entry.lines.items()]
    said = entry.model_dump(mode="json", exclude_unset=True, by_alias=True)
    return json.dumps([said, lines]).encode()


def _again(path: Path, shown: str, key: str, notes: Notes) -> Entry:
    """An entry that the notes have, whole."""
    stored = notes.get(f"{key} whole")
    if stored is None:
        entry = _parsed_entry(path, shown, key, [])
        if entry is None or _key(path, shown) != key:
            raise BuildError(f"{shown} has changed while it was read: build again.")
        return entry
    said, lines = json.loads(stored)
    entry = Entry.model_validate(said)
    return entry.model_copy(update={"lines": {tuple(loc): line for loc, line in lines}})


def source_path(entry: Entry) -> Path | None:
    """The local folder or file of an entry, None for an address or none at all."""
    if entry.source is None or entry.is_remote:
        return None
    return entry.path.parent / entry.source


def _source_fault(entry: Entry, config: SiteConfig) -> Problem | None:
    path = source_path(entry)
    if path is None:
        return None
    resolved = path.resolve()
    if any(resolved.is_relative_to(root) for root in config.source_root_paths()):
        return None
    return Problem(
        code="source-outside-roots",
        severity="error",
        where=entry.where("source"),
        what=f"The source `{entry.source}` lies outside the folders that this portal may read.",
        remedy="Move it, or add its folder to `source_roots` in site_config.yaml.",
    )


def _references(
    entry: Entry,
    entries: dict[str, Entry],
    collections: dict[str, Collection],
    schema: Schema,
    aliases: dict[str, str],
) -> list[Problem]:
    """Names in an entry that must exist elsewhere; `aliases` has the owner of each address."""
    out = []

    def problem(code: str, severity: Any, loc: Loc, what: str, remedy: str = "") -> None:
        out.append(
            Problem(code=code, severity=severity, where=entry.where(*loc), what=what, remedy=remedy)
        )

    for i, slug in enumerate(entry.collections):
        if slug not in collections:
            problem(
                "collection-unknown",
                "warning",
                ("collections", i),
                f"The collection `{slug}` is not in collections.yaml.",
                did_you_mean(slug, collections),
            )
    for key in ("superseded_by", "derived_from"):
        named = getattr(entry, key) or []
        for other in [named] if isinstance(named, str) else named:
            if other not in entries:
                problem(
                    "id-unknown",
                    "warning",
                    (key,),
                    f"`{key}` names `{other}`, which is no entry of this manifest.",
                    did_you_mean(other, entries),
                )
    for alias in entry.aliases:
        owner = aliases.setdefault(alias, entry.id)
        if owner != entry.id:
            problem(
                "alias-taken",
                "error",
                ("aliases",),
                f"The alias `{alias}` belongs to the artifact `{owner}`.",
                "Keep it in one entry.",
            )
    if schema.fields:
        for key in entry.fields:
            if key not in schema.fields:
                problem(
                    "field-unknown",
                    "warning",
                    ("metadata", key),
                    f"The field `{key}` is not in schema.yaml.",
                    did_you_mean(key, schema.fields),
                )
    return out


def _read_schema(folder: Path, root: Path, problems: list[Problem]) -> Schema:
    path = folder / "schema.yaml"
    there = path.is_file()
    schema, found = read_schema(path if there else None, _shown(path, root) if there else None)
    problems += found
    return schema or Schema(fields={})


def _read_collections(folder: Path, root: Path, problems: list[Problem]) -> dict[str, Collection]:
    path = folder / "collections.yaml"
    if not path.is_file():
        return {}
    read, found, _ = read_yaml(path, _Collections, shown_as=_shown(path, root))
    problems += found
    return read.collections if read else {}


def _shown(path: Path, root: Path) -> str:
    text, above = str(path), f"{root}{os.sep}"
    return text.removeprefix(above) if text.startswith(above) else path.name

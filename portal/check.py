"""Everything that is wrong with entries and their stores, at once: what a curator asks for.

`check` reads and scans, and changes nothing; `fix` rewrites what has one safe reading.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from portal.build import Progress, scan_all
from portal.config import SiteConfig
from portal.curate import curate, safe_rewrites
from portal.entry import Entry
from portal.errors import Problem, UsageError, did_you_mean
from portal.manifest import Manifest, read_manifest
from portal.record import Record
from portal.schema import Schema
from portal.words import slugify
from portal.yamledit import edit_yaml
from portal.yamlfile import Loc, read_yaml

__all__ = ["Checked", "Rewritten", "check", "fix", "review_lines"]


@dataclass(frozen=True)
class Checked:
    """What was looked at, and every problem of it."""

    entries: tuple[Entry, ...]
    records: tuple[Record, ...]
    problems: tuple[Problem, ...]
    schema: Schema


@dataclass(frozen=True)
class Rewritten:
    """One entry's file before and after, and the places that could not be rewritten."""

    path: Path
    before: str
    after: str
    left: tuple[Problem, ...]

    def diff(self, name: str) -> str:
        """The change as a unified diff."""
        lines = difflib.unified_diff(
            self.before.splitlines(), self.after.splitlines(), name, name, lineterm=""
        )
        return "\n".join(lines)


def check(
    config: SiteConfig, paths: Sequence[Path] = (), progress: Progress | None = None
) -> Checked:
    """Check the entries and stores at `paths`, all entries where none is named.

    A path is an entry's file, a folder of entries, or a store. Local sources are scanned. Raises
    UsageError for a path that is none of these.
    """
    manifest = read_manifest(config)
    stores = [p for p in paths if _is_store(p)]
    named = [p for p in paths if p not in stores]
    say = progress or (lambda what, done, total: None)
    chosen, problems = _chosen(manifest, config, named, bool(stores))
    artifacts = scan_all(chosen, config, say)
    records = [a.record for a in artifacts]
    records += [_store(p, manifest.schema_, config) for p in stores]
    problems += [p for r in records for p in r.problems]
    told = tuple(dict.fromkeys(problems))
    return Checked(chosen.entries, tuple(records), told, manifest.schema_)


def fix(checked: Checked, schema: Schema, *, write: bool = True) -> list[Rewritten]:
    """Rewrite what has one safe reading in the files of the checked entries.

    Case, synonyms and plurals become `{id, label, written}`, lists in a text become lists,
    numbers and dates are written plainly. Everything else in a file stays as it is, byte for
    byte. A file that has changed since it was read is left alone.
    """
    found = []
    for entry in checked.entries:
        edits = safe_rewrites(entry, schema)
        if not edits:
            continue
        now = read_yaml(entry.path, Entry)[0]
        if now is None or now.metadata != entry.metadata:
            continue  # somebody has changed it meanwhile
        with entry.path.open(encoding="utf-8", newline="") as f:
            before = f.read()
        after, left = _edited(before, edits, entry)
        if write and after != before:
            _replace(entry.path, after)
        found.append(Rewritten(entry.path, before, after, left))
    return found


def review_lines(problems: Iterable[Problem], config: SiteConfig) -> Iterator[str]:
    """Problems in the form that GitHub shows beside the line in a review.

    The form is that of workflow commands: `::error file=…,line=…,title=…::message`.
    """
    levels = {"error": "error", "warning": "warning", "info": "notice"}
    for p in problems:
        name, _, line = p.where.rpartition(":")
        message = f"{p.what} {p.remedy}".strip()
        place = ""
        if line.isdecimal() and (config.root / name).is_file():
            path = os.path.relpath(config.root / name)
            place = f"file={_property(path)},line={line},"
        else:
            message = f"{p.where}: {message}"
        yield f"::{levels[p.severity]} {place}title={_property(p.code)}::{_escaped(message)}"


def _escaped(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _escaped(text).replace(":", "%3A").replace(",", "%2C")


def _is_store(path: Path) -> bool:
    if path.is_file():
        return path.suffix == ".zip"
    metadata = ("zarr.json", ".zgroup", ".zattrs", ".zmetadata")
    return path.suffix == ".zarr" or any((path / name).is_file() for name in metadata)


def _store(path: Path, schema: Schema, config: SiteConfig) -> Record:
    """A store that no entry names yet, judged by what it says itself."""
    from portal.scan import scan_store

    name = path.name
    facts = scan_store(path, limit=config.limits.scan_bytes, name=name)
    title = slugify(name) or "store"
    entry = Entry(title=title).model_copy(update={"id": name, "shown_as": name})
    record = curate(entry, facts, schema)
    # Nothing was declared, so there is no line to point at.
    problems = tuple(
        p.model_copy(update={"where": p.where.removesuffix(":1")}) for p in record.problems
    )
    return record.model_copy(update={"problems": problems})


def _chosen(
    manifest: Manifest, config: SiteConfig, paths: Sequence[Path], stores: bool
) -> tuple[Manifest, list[Problem]]:
    """The entries at `paths` and the problems of their files; everything where none is named."""
    if not paths:
        if stores:
            return manifest.model_copy(update={"entries": ()}), []
        return manifest, list(manifest.problems)
    inside = [p.resolve() for p in paths]
    entries = tuple(e for e in manifest.entries if _below(e.path, inside))
    problems = [
        p for p in manifest.problems if _below(config.root / p.where.rpartition(":")[0], inside)
    ]
    told = {(config.root / p.where.rpartition(":")[0]).resolve() for p in problems}
    for path in inside:
        there = [e for e in entries if _below(e.path, [path])]
        if not there and not any(_below(t, [path]) for t in told):
            known = [e.shown_as for e in manifest.entries]
            remedy = did_you_mean(str(path.name), [Path(k).name for k in known])
            raise UsageError(f"{path} is no entry, folder of entries or store. {remedy}".strip())
    return manifest.model_copy(update={"entries": entries}), problems


def _below(path: Path, folders: Sequence[Path]) -> bool:
    resolved = path.resolve()
    return any(resolved == f or resolved.is_relative_to(f) for f in folders)


def _edited(text: str, edits: dict[Loc, object], entry: Entry) -> tuple[str, tuple[Problem, ...]]:
    """All edits at once; where one can't be made, each for itself, the last first."""
    try:
        return edit_yaml(text, edits), ()
    except ValueError:
        pass
    left = []
    for loc in sorted(edits, key=lambda loc: tuple(map(str, loc)), reverse=True):
        try:
            text = edit_yaml(text, {loc: edits[loc]})
        except ValueError as e:
            what = f"`{'.'.join(map(str, loc))}` can't be rewritten in its place: {e}."
            left.append(
                Problem(
                    code="fix-by-hand",
                    severity="info",
                    where=entry.where(*loc),
                    what=what.replace("..", "."),
                    remedy="Correct it by hand.",
                )
            )
    return text, tuple(left)


def _replace(path: Path, text: str) -> None:
    """Write a file whole or not at all, with the rights that it has."""
    beside = path.with_name(f".{path.name}.fixing")
    try:
        with beside.open("w", encoding="utf-8", newline="") as f:
            f.write(text)
            f.flush()
            os.fsync(f.fileno())
        beside.chmod(path.stat().st_mode)
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)

"""A derived thing → what it was made from. Two verbs: `track` writes it, `read_lineage` reads it.

A checkpoint, a set of tiles, a converted store or a view store lies in some folder; beside it
lies `ro-crate-metadata.json`, which says of each thing in that folder from which artifacts, by
which code, with which parameters, in which environment and when it was made. `portal.lineagecrate`
knows its form. What is read was written by others: no path in it is followed.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import platform
import subprocess
import sys
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from importlib.metadata import packages_distributions, version
from pathlib import Path
from typing import Any

from portal import __version__
from portal.derivation import Code, Derivation, Environment, Parameter, Thing
from portal.errors import PortalError, Problem, UsageError
from portal.lineagecrate import crate_document, derivations_in, is_ours

__all__ = [
    "CRATE",
    "Run",
    "loaded_packages",
    "now",
    "parents_of",
    "read_crates",
    "read_lineage",
    "thing_of",
    "things_of",
    "track",
    "tracking",
]

CRATE = "ro-crate-metadata.json"
_MAX_BYTES = 4_000_000


def track(
    output: Path | str,
    inputs: Iterable[Any] = (),
    parameters: Mapping[str, Any] | None = None,
    *,
    script: Path | str | None = None,
    code: Code | None = None,
    name: str = "",
    packages: Mapping[str, str] | None = None,
    started: datetime | None = None,
    ended: datetime | None = None,
) -> Path:
    """Write down how `output` was made, beside it; returns the path of the crate.

    `inputs` are artifacts, records, data sets with a `provenance`, and paths. `script` is the
    program's main file unless given; `code` names a program instead. Parameters in groups are
    written flat (`tiles.table`). `name` is what the output will be called where it is published;
    `packages` are the versions by name of all that are loaded, unless given. `ended` is now, or the
    time that SOURCE_DATE_EPOCH names. What the folder's crate says of other things stays, what it
    said of this one is replaced.

    Raises UsageError where there is no such output or input, an input is of no known kind, or
    another program wrote the folder's crate; PortalError where `rocrate` is missing.
    """
    output = Path(output)
    if not output.exists():
        raise UsageError(f"There is nothing at {output}: make it first, then say how.")
    name = name or output.name
    derivation = Derivation(
        output=thing_of(output).model_copy(update={"name": name}),
        inputs=tuple(dict.fromkeys(t for thing in inputs for t in things_of(thing))),
        parameters=dict(_flat(parameters or {})),
        code=code or _script(script),
        environment=Environment(
            python=f"{platform.python_implementation()} {platform.python_version()}",
            platform=platform.platform(),
            packages=loaded_packages() if packages is None else dict(packages),
        ),
        started=started,
        ended=ended or now(),
    )
    path = output.absolute().parent / CRATE
    by_name = {d.output.name: d for d in _written_before(path)} | {name: derivation}
    document = crate_document([by_name[key] for key in sorted(by_name)])
    # A new file, never the old one written over: files of a site are hard links.
    new = path.with_name(f".{CRATE}.{os.getpid()}")
    new.write_text(json.dumps(document, ensure_ascii=False, indent=1) + "\n", "utf-8")
    new.replace(path)
    return path


@dataclass
class Run:
    """What becomes known while a thing is made: parameters, figures."""

    parameters: dict[str, Any] = field(default_factory=dict)


@contextmanager
def tracking(
    output: Path | str,
    inputs: Iterable[Any] = (),
    parameters: Mapping[str, Any] | None = None,
    *,
    script: Path | str | None = None,
) -> Iterator[Run]:
    """Time the making of `output` and `track` it at the end; nothing where the work fails."""
    run, started = Run(dict(parameters or {})), now()
    yield run
    track(output, inputs, run.parameters, script=script, started=started)


def read_lineage(where: Path | str) -> tuple[Derivation, ...]:
    """What the crate in a folder, or the crate itself, says was made.

    Raises UsageError where there is none, PortalError where it can't be read.
    """
    path = Path(where)
    path = path / CRATE if path.is_dir() else path
    if not path.is_file():
        raise UsageError(f"There is no {CRATE} at {where}.")
    try:
        return derivations_in(_document(path))
    except ValueError as e:
        raise PortalError(f"{path} is no crate that can be read: {_first_line(e)}") from None


def parents_of(store: Path, known: Collection[str]) -> list[str]:
    """Which of the `known` artifacts a store was made from, as the crate beside it says.

    A crate that another program wrote, or that can't be read, says nothing of it.
    """
    beside = store.absolute().parent / CRATE
    try:
        told = read_lineage(beside) if beside.is_file() else ()
    except PortalError:
        return []
    made = (d for d in told if d.output.name == store.name)
    ids = (thing.artifact for d in made for thing in d.inputs)
    return list(dict.fromkeys(id_ for id_ in ids if id_ and id_ in known))


def read_crates(
    paths: Iterable[str], folder: Path, roots: Collection[Path], where: str
) -> tuple[tuple[Derivation, ...], list[Problem]]:
    """What the crates say that an entry lists, by paths from its `folder`; the faults are `where`.

    Only crates inside the `roots` are read.
    """
    found: list[Derivation] = []
    problems = []
    for text in paths:
        path = (folder / text).resolve()
        inside = any(path.is_relative_to(root) for root in roots)
        try:
            if not inside:
                raise PortalError("it lies outside the folders that this portal may read.")
            found += [d for d in read_lineage(path) if d not in found]
        except PortalError as e:
            problems.append(
                Problem(
                    code="lineage-unreadable" if inside else "lineage-outside-roots",
                    severity="warning",
                    where=where,
                    what=f"`{text[:200]}` tells no lineage: {e}".replace(str(path), path.name),
                    remedy="Name a folder with a crate that `portal.lineage.track` wrote.",
                )
            )
    return tuple(found), problems


def thing_of(path: Path | str) -> Thing:
    """A file with its hash, or a folder, with its fingerprint if it is a store."""
    path = Path(path)
    if not path.is_dir():
        with path.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        return Thing(name=path.name, sha256=sha256, bytes=path.stat().st_size)
    from portal.scan import scan_store

    facts = scan_store(path)
    fingerprint = facts.fingerprint if facts.kind != "unreadable" else None
    return Thing(name=path.name, fingerprint=fingerprint, bytes=facts.bytes)


def things_of(source: Any) -> tuple[Thing, ...]:
    """An input as it is written down; a data set of several artifacts is several things."""
    if isinstance(source, Thing):
        return (source,)
    if isinstance(source, (str, Path)):
        if not Path(source).exists():
            raise UsageError(f"There is nothing at the input {source}.")
        return (thing_of(source),)
    if hasattr(source, "provenance"):
        return tuple(source.provenance.inputs)
    record = getattr(source, "record", source)
    if not hasattr(record, "derived_from"):
        kind = type(source).__name__
        raise UsageError(f"An input is an artifact, a record, tiles or a path, not {kind}.")
    portal: Any = getattr(source, "source", None)
    remote = getattr(portal, "is_remote", False)
    page = f"{portal.address(f'datasets/{record.id}')}/" if remote else None
    facts = record.facts
    return (
        Thing(
            name=record.title,
            artifact=record.id,
            version=record.versions[-1].version if record.versions else None,
            fingerprint=facts.fingerprint if facts else None,
            bytes=facts.bytes if facts else None,
            address=page or record.url or record.page,
        ),
    )


def loaded_packages() -> dict[str, str]:
    """Versions of the installed packages of which something is imported, by name."""
    owners = _distributions()
    loaded = {name.partition(".")[0] for name in list(sys.modules)}
    names = {package for module in loaded for package in owners.get(module, ())}
    versions = {name: version(name) for name in names} | {"spatialdata-portal": __version__}
    return dict(sorted(versions.items(), key=lambda item: item[0].casefold()))


@cache
def _distributions() -> Mapping[str, list[str]]:
    return packages_distributions()


def now() -> datetime:
    """The time, or what SOURCE_DATE_EPOCH names, in whole seconds."""
    from portal.build import build_time

    return build_time().replace(microsecond=0)


def _document(path: Path) -> Any:
    """The JSON of a crate. Raises ValueError where it is too large or no JSON."""
    if (size := path.stat().st_size) > _MAX_BYTES:
        raise ValueError(f"it has {size:,} bytes, {_MAX_BYTES:,} may be.")
    try:
        return json.loads(path.read_bytes())
    except RecursionError:
        raise ValueError("it is nested too deeply.") from None


def _written_before(path: Path) -> tuple[Derivation, ...]:
    """What the folder's crate says already; only our own crates are written anew."""
    if not path.exists():
        return ()
    try:
        document = _document(path)
        if is_ours(document):
            return derivations_in(document)
    except ValueError:
        pass
    raise UsageError(f"{path} was written by another program. Put the output into another folder.")


def _first_line(e: ValueError) -> str:
    return " ".join(str(e).splitlines()[:3])[:300]


def _flat(parameters: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Parameter]]:
    """Each parameter under its whole name; what is no text, number or boolean as text."""
    for name, value in parameters.items():
        match value:
            case Mapping():
                yield from _flat(value, f"{prefix}{name}.")
            case str() | bool() | int():
                yield f"{prefix}{name}", value
            case float() if math.isfinite(value):
                yield f"{prefix}{name}", value
            case list() | tuple():
                yield f"{prefix}{name}", ", ".join(map(str, value))
            case _:
                yield f"{prefix}{name}", getattr(value, "__qualname__", str(value))


def _script(path: Path | str | None) -> Code | None:
    """The script with its hash and its place in git; None in a notebook or at a prompt."""
    main = path or getattr(sys.modules["__main__"], "__file__", None)
    if main is None or not Path(main).is_file():
        return None
    script = Path(main).resolve()
    prefix = _git(script, "rev-parse", "--show-prefix")
    committed = _git(script, "ls-files", "--error-unmatch", script.name) is not None
    changes = _git(script, "status", "--porcelain", "--untracked-files=no")
    return Code(
        name=f"{prefix or ''}{script.name}",
        version=_git(script, "rev-parse", "HEAD"),
        sha256=hashlib.sha256(script.read_bytes()).hexdigest(),
        changed=prefix is not None and (bool(changes) or not committed),
    )


def _git(script: Path, *arguments: str) -> str | None:
    """What git says in the script's folder, None where it fails or is missing."""
    command = ["git", "-C", str(script.parent), *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()

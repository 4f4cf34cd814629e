"""`data_manifest/scans/`: what was found in stores elsewhere, kept as data and committed.

A build and a review then need no network. `<id>.json` is at most 64 kB and has a line for each
element, so that a review shows what changed. Long lists lie beside it by a hash of their content,
where artifacts with the same panel share them; reading puts them back in their places.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from portal.config import SiteConfig
from portal.entry import Entry
from portal.errors import Problem
from portal.facts import StoreFacts

__all__ = [
    "FORMAT",
    "MAX_BYTES",
    "Scan",
    "ScanBroken",
    "kept_facts",
    "prune_lists",
    "read_scan",
    "scan_state",
    "write_scan",
]

FORMAT = "spatialdata-portal/scan/1"
MAX_BYTES = 64_000
_LONG = 1000
"""Characters of a list of text that is kept beside the scan."""
_MAX_LIST = 64_000_000
_HASH = re.compile(r"[0-9a-f]{16}")
_LISTED = re.compile(rb'": *"([0-9a-f]{16})"')
"""What may be the name of a list: more than that does no harm."""


class ScanBroken(ValueError):
    """A scan that is there, but can't be read; the message says why."""


@dataclass(frozen=True)
class Scan:
    """The facts of one store elsewhere, where and when they were read, and what that took."""

    source: str
    scanned: str
    requests: int
    bytes: int
    facts: StoreFacts

    def says_the_same(self, other: Scan | None) -> bool:
        """Whether the store is as it was, whatever reading it took."""
        return other is not None and (self.source, self._said()) == (other.source, other._said())

    def _said(self) -> dict[str, Any]:
        return self.facts.model_dump(exclude={"bytes_read"})


def write_scan(manifest_dir: Path, id_: str, scan: Scan) -> bool:
    """Write a scan, whole or not at all; whether there was anything new to write.

    A scan that says the same as the one that is there leaves it, with its time, as it is.
    """
    folder = manifest_dir / "scans"
    try:
        if scan.says_the_same(read_scan(manifest_dir, id_)):
            return False
    except ScanBroken:
        pass
    text, lists = _packed(scan)
    for name, content in lists.items():
        path = folder / "lists" / f"{name}.json.gz"
        if not path.is_file():
            _replace(path, gzip.compress(content, 9, mtime=0))
    _replace(folder / f"{id_}.json", text)
    return True


def read_scan(manifest_dir: Path, id_: str) -> Scan | None:
    """The scan of an entry, None where there is none. Raises ScanBroken."""
    path = manifest_dir / "scans" / f"{id_}.json"
    try:
        stored = json.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RecursionError) as e:
        raise ScanBroken(f"{path.name} can't be read: {type(e).__name__}") from None
    try:
        if stored["format"] != FORMAT:
            raise ScanBroken(f"{path.name} has the format {stored['format']!r}, not {FORMAT!r}")
        facts = stored["facts"]
        for pointer, name in stored["lists"].items():
            _put(facts, pointer, _list(path.parent, name))
        return Scan(
            source=stored["source"],
            scanned=stored["scanned"],
            requests=stored["requests"],
            bytes=stored["bytes"],
            facts=StoreFacts.model_validate(facts),
        )
    except ScanBroken:
        raise
    except (KeyError, TypeError, ValueError, IndexError, ValidationError) as e:
        raise ScanBroken(f"{path.name} is not what a scan writes: {type(e).__name__}") from None


def prune_lists(manifest_dir: Path) -> None:
    """Remove the lists that no scan names any more."""
    folder = manifest_dir / "scans"
    named: set[str] = set()
    for path in folder.glob("*.json"):
        try:
            named.update(json.loads(path.read_bytes())["lists"].values())
        except (OSError, ValueError, KeyError, AttributeError, TypeError):
            return  # what can't be read may name any of them
    for path in (folder / "lists").glob("*.json.gz"):
        if path.name.partition(".")[0] not in named:
            path.unlink(missing_ok=True)


def scan_state(entry: Entry, config: SiteConfig) -> str:
    """Changes when what `kept_facts` tells may change: a scan, or whether its lists are there."""
    folder = config.manifest_dir / "scans"
    try:
        content = (folder / f"{entry.id}.json").read_bytes()
    except OSError:
        return "none"
    state = hashlib.sha256(content)
    for name in sorted(set(_LISTED.findall(content))):
        try:
            size = (folder / "lists" / f"{name.decode()}.json.gz").stat().st_size
        except OSError:
            size = -1
        state.update(b"%s %d" % (name, size))
    return state.hexdigest()


def kept_facts(entry: Entry, config: SiteConfig) -> tuple[StoreFacts | None, list[Problem]]:
    """The facts of an entry's store elsewhere as the last scan found them, without any request."""
    code, severity, what, remedy = "", "warning", "", ""
    scan = None
    try:
        scan = read_scan(config.manifest_dir, entry.id)
        if scan is None:
            code, severity = "scan-missing", "info"
            what = "The store lies elsewhere and was not scanned yet."
            remedy = "`portal scan` reads what it says of itself."
        elif scan.source != entry.source:
            code, scan = "scan-other-source", None
            what = f"The scan `scans/{entry.id}.json` is of another address than the source."
            remedy = "`portal scan` makes a new one."
    except ScanBroken as e:
        code, what = "scan-broken", f"The scan {e}."
        remedy = "Take it back out of version control, or `portal scan` makes a new one."
    problems = []
    if code:
        where = entry.where("source")
        problems = [Problem(code=code, severity=severity, where=where, what=what, remedy=remedy)]
    return (scan.facts if scan else None), problems


def _packed(scan: Scan) -> tuple[bytes, dict[str, bytes]]:
    """The file's content, and that of the lists beside it by their hash.

    Where long lists are not enough to keep it small, whole parts of the facts go the same way.
    """
    text, lists = b"", {}
    for parts in ((), ("attributes", "problems"), ("attributes", "problems", "elements")):
        facts = scan.facts.model_dump(mode="json", exclude_defaults=True, exclude={"bytes_read"})
        long = [f"/{part}" for part in parts if len(json.dumps(facts.get(part))) > _LONG]
        if "/elements" not in long:
            long += _long_lists(facts.get("elements"), "/elements")
        lists, places = {}, {}
        for pointer in long:
            value = _put(facts, pointer, None)
            content = _bytes(json.dumps(value, ensure_ascii=False, separators=(",", ":")))
            places[pointer] = hashlib.sha256(content).hexdigest()[:16]
            lists[places[pointer]] = content
        text = _text(scan, facts, places)
        if len(text) <= MAX_BYTES:
            break
    return text, lists


def _long_lists(value: Any, pointer: str) -> Iterator[str]:
    """Where lists of text are that are too long to read in a review."""
    if isinstance(value, dict):
        for key, inner in value.items():
            # A name may have a slash, which no place of ours has: such a list stays.
            if "/" not in key:
                yield from _long_lists(inner, f"{pointer}/{key}")
    elif isinstance(value, list) and value and all(isinstance(v, str) for v in value):
        if sum(map(len, value)) > _LONG:
            yield pointer
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from _long_lists(inner, f"{pointer}/{number}")


def _put(facts: Any, pointer: str, value: Any) -> Any:
    """Put a value at its place; what was there before."""
    *path, last = [int(p) if p.isdecimal() else p for p in pointer.split("/")[1:]]
    for part in path:
        facts = facts[part]
    before = facts[last]
    facts[last] = value
    return before


def _text(scan: Scan, facts: dict[str, Any], places: dict[str, str]) -> bytes:
    """JSON with a line for each element and problem."""
    head = {
        "format": FORMAT,
        "source": scan.source,
        "scanned": scan.scanned,
        "requests": scan.requests,
        "bytes": scan.bytes,
    }
    lines = [f" {_line(key)}: {_line(value)}" for key, value in head.items()]
    inner = []
    for key, value in facts.items():
        if isinstance(value, list) and value:
            items = ",\n".join(f"   {_line(item)}" for item in value)
            inner.append(f"  {_line(key)}: [\n{items}\n  ]")
        else:
            inner.append(f"  {_line(key)}: {_line(value)}")
    lines.append(' "facts": {\n' + ",\n".join(inner) + "\n }")
    kept = ",\n".join(f"  {_line(p)}: {_line(name)}" for p, name in places.items())
    lines.append(' "lists": {' + (f"\n{kept}\n }}" if kept else "}"))
    return _bytes("{\n" + ",\n".join(lines) + "\n}\n")


def _bytes(text: str) -> bytes:
    """UTF-8; lone surrogates, which it does not have, in JSON's own way of writing them."""
    return text.encode("utf-8", "backslashreplace")


def _line(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _list(folder: Path, name: Any) -> Any:
    """A list by its hash. Raises ScanBroken where it is not there, or is another."""
    if not isinstance(name, str) or not _HASH.fullmatch(name):
        raise ScanBroken("it names a list by what is no hash")
    try:
        packed = (folder / "lists" / f"{name}.json.gz").read_bytes()
        content = zlib.decompressobj(wbits=31).decompress(packed, _MAX_LIST)
    except (OSError, zlib.error):
        raise ScanBroken(f"it names the list {name}, which can't be read") from None
    if hashlib.sha256(content).hexdigest()[:16] != name:
        raise ScanBroken(f"it names the list {name}, which has another content")
    return json.loads(content)


def _replace(path: Path, content: bytes) -> None:
    """Write a file whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{os.getpid()}.writing")
    try:
        with beside.open("wb") as f:
            f.write(content)
            f.flush()
            os.fsync(f.fileno())
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)

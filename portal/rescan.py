"""Scans of stores elsewhere, made and compared with the last: `rescan(config, manifest, which)`.

Several stores are read at a time. A scan that met a fault on the way is never written over one
that did not: what is there stays until there is something better.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from typing import Any, Literal

from portal.config import SiteConfig
from portal.entry import Entry
from portal.errors import Problem, Severity, is_machine_fault
from portal.facts import ElementFacts, StoreFacts
from portal.manifest import Manifest
from portal.remote import open_remote
from portal.scan import scan_store
from portal.scan_codes import REMEDIES
from portal.scans import Scan, ScanBroken, prune_lists, read_scan, write_scan
from portal.store import StoreError

__all__ = ["Rescanned", "Which", "rescan"]

STORES = 8
"""Stores that are read at a time."""

_SHOWN = 8
"""Differences that are told one by one."""

Which = Literal["missing", "stale", "all"]
Outcome = Literal["missing", "new", "same", "changed", "failed"]


@dataclass(frozen=True)
class Rescanned:
    """What became of one entry with a store elsewhere.

    `missing` was only looked for, `new` had no scan, `same` and `changed` are against the last
    scan, `failed` could not be read. `scan` is what was read, if anything was.
    """

    id: str
    source: str
    outcome: Outcome
    requests: int = 0
    bytes: int = 0
    seconds: float = 0.0
    scan: Scan | None = None
    problems: tuple[Problem, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """All but the facts and the problems."""
        names = ("source", "outcome", "requests", "bytes", "seconds")
        return {name: getattr(self, name) for name in names}


def rescan(
    config: SiteConfig,
    manifest: Manifest,
    which: Which,
    *,
    scanned: str,
    write: bool = True,
    progress: Callable[[str, int, int], None] | None = None,
) -> list[Rescanned]:
    """Scan the stores elsewhere that have no scan (`missing`), or that have changed as well
    (`stale`), or all. New scans bear the time `scanned`; without `write` none is written.
    """
    say = progress or (lambda what, done, total: None)
    chosen = [e for e in manifest.entries if e.is_remote and e.status == "public"]
    last = {e.id: _last(e, config) for e in chosen}
    if which == "missing":
        chosen = [e for e in chosen if last[e.id] is None]
    if which == "missing" and not write:
        return [Rescanned(e.id, e.source or "", "missing") for e in chosen]
    found: dict[str, Rescanned] = {}
    say("Scanning stores elsewhere", 0, len(chosen))
    with ThreadPoolExecutor(STORES) as pool:
        jobs = [pool.submit(_one, e, last[e.id], config, which, scanned) for e in chosen]
        for job in as_completed(jobs):
            done = job.result()
            if write and done.scan and done.outcome in ("new", "changed"):
                write_scan(config.manifest_dir, done.id, done.scan)
            found[done.id] = done
            say("Scanning stores elsewhere", len(found), len(chosen))
    if write and found:
        prune_lists(config.manifest_dir)
    return [found[e.id] for e in chosen]


def _last(entry: Entry, config: SiteConfig) -> Scan | None:
    """The scan that counts for an entry, if there is one."""
    try:
        scan = read_scan(config.manifest_dir, entry.id)
    except ScanBroken:
        return None
    return scan if scan and scan.source == entry.source else None


def _one(
    entry: Entry, last: Scan | None, config: SiteConfig, which: Which, scanned: str
) -> Rescanned:
    """Read one store as far as it takes to know what became of it."""
    began = time.monotonic()
    source = entry.source or ""
    limit = config.limits.scan_bytes
    try:
        files = open_remote(source, limit=limit, settings=config.remote)
        with files:
            if which == "stale" and last and files.fingerprint == last.facts.fingerprint:
                outcome, scan, problems = "same", None, ()
            else:
                facts = scan_store(files, name=entry.id)
                scan = Scan(source, scanned, files.requests, files.bytes_read, facts)
                outcome, problems = _judged(entry, last, scan, files.faults)
            took = files.requests, files.bytes_read, time.monotonic() - began
    except StoreError as e:
        problems = (_fault(entry, e.code, str(e), last),)
        return Rescanned(entry.id, source, "failed", problems=problems)
    except Exception as e:  # one store never stops the others, whatever its server does
        if is_machine_fault(e):
            raise
        what = f"The scan met what it was not made for ({type(e).__name__})"
        problems = (_fault(entry, "scan-failed", what, last),)
        return Rescanned(entry.id, source, "failed", problems=problems)
    return Rescanned(entry.id, source, outcome, *took, scan, problems)


def _judged(
    entry: Entry, last: Scan | None, scan: Scan, faults: list[StoreError]
) -> tuple[Outcome, tuple[Problem, ...]]:
    changed = [p for p in scan.facts.problems if p.code == "remote-changed"]
    if changed or faults:
        code = changed[0].code if changed else faults[0].code
        what = changed[0].what.rstrip(".") if changed else str(faults[0])
        return "failed", (_fault(entry, code, what, last),)
    if last is None:
        return "new", ()
    if scan.says_the_same(last):
        return "same", ()
    found = list(_differences(last.facts, scan.facts)) or ["files that no fact tells of"]
    differences = "; ".join([*found[:_SHOWN], *(["…"] if len(found) > _SHOWN else [])])
    what = f"The store is another than on {last.scanned[:10]}: {differences}."
    remedy = "Read the difference in scans/, and commit it if it is meant."
    return "changed", (_problem(entry, "scan-drift", "warning", what, remedy),)


def _fault(entry: Entry, code: str, what: str, last: Scan | None) -> Problem:
    kept = f"The scan of {last.scanned[:10]} stays." if last else "There is no scan of it."
    return _problem(entry, code, "error", f"{what}. {kept}", REMEDIES[code])


def _problem(entry: Entry, code: str, severity: Severity, what: str, remedy: str) -> Problem:
    return Problem(
        code=code, severity=severity, where=entry.where("source"), what=what, remedy=remedy
    )


def _differences(old: StoreFacts, new: StoreFacts) -> Iterable[str]:
    """What is another in two scans of a store, in words."""
    before, after = ({e.path: e for e in facts.elements} for facts in (old, new))
    yield from (f"{path} is gone" for path in before if path not in after)
    yield from (f"{path} is new" for path in after if path not in before)
    for path in before:
        if path in after:
            yield from _changes(path, before[path], after[path])
    for name in ("kind", "container_version", "consolidated", "bytes", "files"):
        yield from _change(name, getattr(old, name), getattr(new, name))
    if old.attributes != new.attributes:
        yield "other attributes"
    codes = (sorted({p.code for p in facts.problems}) for facts in (old, new))
    yield from _change("problems", *(", ".join(c) or "none" for c in codes))


def _changes(path: str, old: ElementFacts, new: ElementFacts) -> Iterable[str]:
    for name in ElementFacts.model_fields:
        before, after = getattr(old, name), getattr(new, name)
        if isinstance(before, str | int | None) and isinstance(after, str | int | None):
            yield from _change(f"{path} {name}", before, after)
        elif before != after:
            yield f"{path} has another {name}"


def _change(what: str, old: Any, new: Any) -> Iterable[str]:
    if old != new:
        yield f"{what} {_told(old)} → {_told(new)}"


def _told(value: Any) -> str:
    return f"{value:,}" if isinstance(value, int) else "unknown" if value is None else str(value)

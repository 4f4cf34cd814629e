"""Local stores → their facts, many at a time. One verb: `scan_stores`.

Most stores are scanned in milliseconds, sooner than a process starts; so others are asked only
when it takes longer.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

from portal.errors import Problem
from portal.facts import StoreFacts
from portal.scan import scan_store
from portal.scan_codes import REMEDIES
from portal.working import Crew, Lost

__all__ = ["ToScan", "scan_stores"]

_PATIENCE = 2.0
"""Seconds of scanning here before others help."""


class ToScan(NamedTuple):
    """A store of an artifact, and how many bytes of it may be read."""

    id: str
    path: Path
    limit: int


def scan_stores(
    stores: Iterable[ToScan], crew: Crew, say: Callable[[], None] = lambda: None
) -> dict[str, StoreFacts]:
    """The facts by id; `say` is called after each store. What a scan says of a store does not
    depend on who does it."""
    found: dict[str, StoreFacts] = {}
    left = iter(stores)
    ends = time.monotonic() + _PATIENCE
    while not crew.cluster and time.monotonic() < ends and (store := next(left, None)):
        found[store.id] = _scan(store)
        say()
    for store, facts in crew.each(_scan, left):
        found[store.id] = _lost(store, facts) if isinstance(facts, Lost) else facts
        say()
    return found


def _scan(store: ToScan) -> StoreFacts:
    return scan_store(store.path, limit=store.limit, name=store.id)


def _lost(store: ToScan, lost: Lost) -> StoreFacts:
    problem = Problem(
        code="scan-failed",
        severity="error",
        where=store.id,
        what=lost.why,
        remedy=REMEDIES["scan-failed"],
    )
    return StoreFacts(kind="unreadable", problems=(problem,))

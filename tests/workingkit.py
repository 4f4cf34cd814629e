"""What the tests of spread work have done in other processes."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

from portal import making, scanning
from portal.errors import BuildError
from portal.facts import StoreFacts
from portal.scan import scan_store


def where(item: Any) -> tuple[int, bool]:
    """The process that this is done in, and whether it has loaded spatialdata."""
    time.sleep(0.05)
    return os.getpid(), "spatialdata" in sys.modules


def die_once(mark: Path) -> str:
    """Dies of a signal, the first time."""
    if mark.exists():
        return "done"
    mark.touch()
    die(mark)
    raise AssertionError


def die(item: Any) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def die_if_even(item: int) -> int:
    if item % 2 == 0:
        die(item)
    return item


def fail(words: str) -> None:
    raise BuildError(words)


class Unpicklable(Exception):
    """Goes into a pickle and never comes out."""

    def __init__(self, one: str, two: str):
        super().__init__(one)


def fail_oddly(item: Any) -> None:
    raise Unpicklable("odd", "thing")


def want_memory(item: Any) -> None:
    raise MemoryError


def sleep(item: Any) -> None:
    Path(item).write_text(str(os.getpid()))
    time.sleep(60)


def make_or_die(work: making.Work) -> dict[str, making.Fault]:
    """As `making.make`, but for a store named `deadly`."""
    if work.id == "deadly":
        die(work)
    return making.make(work)


def scan_or_die(store: scanning.ToScan) -> StoreFacts:
    """A scan, but not of the store `s1`."""
    if store.id == "s1":
        die(store)
    return scan_store(store.path, name=store.id)

"""Builds again whenever something that the site is made from changes, while somebody edits."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from portal.config import load_config
from portal.errors import PortalError
from portal.manifest import read_manifest, source_path

__all__ = ["watch"]

INTERVAL = 0.5
"""Seconds between two looks."""


def watch(
    config: Path,
    build: Callable[[], None],
    failed: Callable[[PortalError], None],
    *,
    keep_on: Callable[[], bool] = lambda: True,
) -> None:
    """Call `build` now and after each change, until `keep_on` says no.

    A build that fails is told to `failed`, and the next change is waited for. Looked at are the
    config, the manifest, templates and prose of the site's own, and the metadata of its stores.
    """
    seen = None
    while keep_on():
        now = _state(config)
        if now != seen:
            try:
                build()
            except PortalError as e:
                failed(e)
            seen = now
        time.sleep(INTERVAL)


def _state(config: Path) -> dict[str, tuple[int, int]]:
    """Time and size of every file that counts."""
    found: dict[str, tuple[int, int]] = {}
    for path in _files(config):
        try:
            info = path.stat()
        except OSError:
            continue
        found[str(path)] = info.st_mtime_ns, info.st_size
    return found


def _files(config: Path) -> Iterator[Path]:
    yield config
    try:
        site = load_config(config)
    except PortalError:
        return
    folders = [site.manifest_dir]
    folders += [site.root / name for name in (site.templates, site.docs) if name]
    for folder in folders:
        for at, _, names in os.walk(folder):
            yield from (Path(at) / name for name in names if not name.startswith("."))
    yield from (site.root / name for name in site.extra_css)
    for entry in read_manifest(site).entries:
        source = source_path(entry)
        if source is not None:  # a store that is written anew gets a new root
            yield from (source, *(source / n for n in ("zarr.json", ".zattrs", ".zmetadata")))

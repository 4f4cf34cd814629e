"""What was fetched from portals, kept on this machine: `kept_store(files) -> Path`.

A store is named by the artifact's id and a digest over the name, bytes and sha256 of each of its
files: what was published anew under the same id is another store, and no portal can put its files
in the place of another's. `sites/` beside holds the small files of portals.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from portal.client.fetching import Take
    from portal.client.filelist import StoreFile, StoreFiles

__all__ = ["Kept", "cache_folder", "cached", "clear", "kept_store"]

_ABOUT = "about.json"


def cache_folder() -> Path:
    """`$PORTAL_CACHE`, else `spatialdata-portal` in the folder that the system has for caches."""
    if named := os.environ.get("PORTAL_CACHE"):
        return Path(named).expanduser().absolute()
    home = Path.home()
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or home / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = home / "Library" / "Caches"
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME") or home / ".cache")
    return base / "spatialdata-portal"


@dataclass(frozen=True)
class Kept:
    """One store in the cache; `elements` is None where all of it is there."""

    id: str
    origin: str
    """The site, or the folder elsewhere, that it came from."""
    elements: tuple[str, ...] | None
    bytes: int
    """On this disk; while it is not complete, what has come so far."""
    complete: bool
    used: float
    """When it was last asked for, in seconds since 1970."""
    path: Path


def kept_store(
    files: StoreFiles, elements: Iterable[str] | None = None, *, progress: bool = True
) -> Path:
    """The store with these files, out of the cache; fetched into it where it is not there yet.

    With `elements` only theirs are fetched, unless all of it is there already. Raises what
    `fetch_store` raises.
    """
    from portal.client.fetching import alone, fetch_store

    stores = cache_folder() / "stores"
    base = f"{files.id}-{files.digest[:16]}"
    wanted = files if elements is None else files.only(elements)
    whole = stores / base / f"{files.id}.zarr"
    store = whole
    if wanted.elements is not None and not whole.is_dir():
        named = hashlib.sha256("\n".join(wanted.elements).encode()).hexdigest()[:8]
        store = stores / f"{base}+{named}" / whole.name
    with alone(store.parent):
        if not store.is_dir():
            store.parent.mkdir(exist_ok=True)
            _note(store.parent / _ABOUT, wanted)
            fetch_store(wanted, store, take=_linker(stores, base), progress=progress)
    os.utime(store.parent)
    return store


def _note(path: Path, files: StoreFiles) -> None:
    """What the entry is, written first, so that also half of one can be told."""
    about = {"id": files.id, "from": files.source.root, "elements": files.elements}
    path.write_text(json.dumps(about), "utf-8")


def _linker(stores: Path, base: str) -> Take:
    """Takes files out of other parts of the same store that are there."""
    beside = [p for folder in stores.glob(f"{base}*") for p in folder.glob("*.zarr")]

    def take(file: StoreFile, to: Path) -> bool:
        if file.path.count("/") < 2:
            return False  # metadata of groups, which parts of a store have in their own words
        for store in beside:
            have = store / file.path
            if have.is_file() and have.stat().st_size == file.bytes:
                to.parent.mkdir(parents=True, exist_ok=True)
                link_or_copy(have, to)
                return True
        return False

    return take


def link_or_copy(source: Path, to: Path) -> None:
    """Whole or not at all."""
    try:
        os.link(source, to)
    except OSError:
        part = to.with_name(f".{to.name}.part")
        shutil.copyfile(source, part)
        part.replace(to)


def cached() -> list[Kept]:
    """The stores in the cache, what was used last first."""
    found = []
    for note in (cache_folder() / "stores").glob(f"*/{_ABOUT}"):
        try:
            about = json.loads(note.read_bytes())
            elements = about["elements"]
            store = note.parent / f"{about['id']}.zarr"
            found.append(
                Kept(
                    id=about["id"],
                    origin=about["from"],
                    elements=None if elements is None else tuple(elements),
                    bytes=_bytes(note.parent),
                    complete=store.is_dir(),
                    used=note.parent.stat().st_mtime,
                    path=store,
                )
            )
        except (OSError, ValueError, KeyError, TypeError):
            continue  # somebody clears it at this moment
    return sorted(found, key=lambda kept: -kept.used)


def clear(id_: str | None = None, *, older_than: float = 0) -> int:
    """Remove the stores of one artifact, or all that is kept; returns the bytes that were freed.

    `older_than` keeps what was used within so many seconds. What is just being fetched stays.
    """
    freed = 0
    for kept in cached():
        if id_ in (None, kept.id) and time.time() - kept.used >= older_than:
            freed += _remove(kept)
    if id_ is None and not older_than:
        freed += _bytes(cache_folder() / "sites")
        shutil.rmtree(cache_folder() / "sites", ignore_errors=True)
    return freed


def _remove(kept: Kept) -> int:
    from portal.client.fetching import alone

    with alone(kept.path.parent, wait=False) as free:
        if not free:
            return 0
        shutil.rmtree(kept.path.parent, ignore_errors=True)
    return kept.bytes


def _bytes(folder: Path) -> int:
    return sum(p.stat().st_size for p in folder.rglob("*") if p.is_file())

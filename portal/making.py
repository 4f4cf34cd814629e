"""What is made of one store → the cache: the published copy, the view store, the picture.

One verb: `make`. It needs nothing but its argument, so that it runs in any process that sees the
cache; what it gives back is only what went wrong. Everything is named by the store's state, what
was asked for, and the versions of the code that makes it, so that a store is worked on once.
"""

from __future__ import annotations

import gc
import hashlib
import json
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache as cache_once
from functools import cached_property
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict

from portal import __version__, copying
from portal.cache import Cache
from portal.config import Remote
from portal.copying import publish_copy
from portal.derivation import Code, Thing
from portal.errors import BuildError, is_machine_fault
from portal.facts import StoreFacts
from portal.lineage import CRATE, track
from portal.published import content_digest, fetch_view
from portal.record import Picture, PublishedCopy
from portal.scans import ScanBroken, read_scan
from portal.store import StoreError

__all__ = [
    "Fault",
    "ViewMade",
    "Work",
    "as_fault",
    "code_that_draws",
    "kept_copy",
    "kept_picture",
    "kept_view",
    "make",
]

T = TypeVar("T")
_DRAWN_WITH = ("spatialdata", "anndata", "zarr", "scikit-image", "pillow", "numpy")


@dataclass(frozen=True)
class Fault:
    """Why something was not made; `code` where a store elsewhere could not be read."""

    what: str
    code: str = ""


@dataclass(frozen=True)
class Work:
    """What is asked of one store: a local one, or one at an address."""

    id: str
    source: Path | str
    state: str
    """Changes whenever the store does."""
    bytes: int
    facts: StoreFacts | Path
    """Of a store elsewhere, which need not be asked of each at every build: the folder of the
    manifest, which has them."""
    cache: Path
    copies: bool
    views: bool
    pictures: bool
    obs_noun: str = "observations"
    max_store_bytes: int = 25_000_000
    remote: Remote = field(default_factory=Remote)
    published: str = ""
    """Address of the site as it is now, where it may have the view of a store elsewhere."""
    barred: Fault | None = None
    """Why a store elsewhere is not to be asked."""
    code: str = ""
    """`code_that_draws` of who asks; who draws must have the same."""
    asked: datetime | None = None
    """When it was asked for: what is made says no other time, whoever makes it."""

    @property
    def host(self) -> str:
        """Where the store lies, empty for a local one."""
        if isinstance(self.source, Path):
            return ""
        parts = urlsplit(self.source)
        return f"{parts.scheme}://{parts.netloc}"

    @cached_property
    def name(self) -> str:
        """Of what is drawn: by the store, the limit, and the code."""
        key = f"{self.state}\n{self.max_store_bytes}\n{self.code}"
        return hashlib.sha256(key.encode()).hexdigest()[:16]

    def known(self) -> StoreFacts:
        """What is known of the store. Raises ScanBroken."""
        if isinstance(self.facts, StoreFacts):
            return self.facts
        scan = read_scan(self.facts, self.id)
        if scan is None:
            raise ScanBroken(f"{self.id}.json is gone")
        return scan.facts


class ViewMade(BaseModel):
    """A view store in the cache at `path`, or the reason why there is none."""

    model_config = ConfigDict(frozen=True)

    path: Path
    hints: dict[str, Any] = {}
    left_out: tuple[str, ...] = ()
    coordinate_system: str | None = None
    bytes: int = 0
    files: int = 0
    digest: str = ""
    """Of its content: the address changes with it, so that no browser mixes two stores."""
    reason: str = ""

    @property
    def crate(self) -> Path:
        """Where it is told what it was made from; there is none of a view that was fetched."""
        return self.path.parent / CRATE


def make(work: Work) -> dict[str, Fault]:
    """Make what is not in the cache yet; what could not be made, by `copy`, `view`, `picture`.

    Raises what is a fault of the machine. Several calls in one process wait for each other: a
    store takes much memory.
    """
    with _ONE_AT_A_TIME:
        try:
            return _make(work)
        finally:
            if not gc.isenabled():  # as in a build
                gc.collect()


_ONE_AT_A_TIME = threading.Lock()


def _make(work: Work) -> dict[str, Fault]:
    faults: dict[str, Fault] = {}
    if work.copies and (fault := _attempt(lambda: kept_copy(work, make=True))):
        faults["copy"] = fault
    if work.views and (fault := _attempt(lambda: kept_view(work, make=True))):
        faults["view"] = fault
    if work.pictures:
        told = faults.get("view")
        # Who does not answer is not asked once more.
        fault = told if told and told.code else _attempt(lambda: kept_picture(work, make=True))
        if fault:
            faults["picture"] = fault
    return faults


def _attempt(step: Callable[[], object]) -> Fault | None:
    try:
        step()
    except Exception as e:  # what a foreign store can raise has no end
        return as_fault(e)
    return None


def as_fault(e: Exception) -> Fault:
    """What is told of an exception; raised again where the machine is at fault."""
    if is_machine_fault(e) or isinstance(e, BuildError):
        raise e
    if isinstance(e, StoreError):
        return Fault(str(e), e.code)
    text = str(e).splitlines()[0] if str(e) else ""
    return Fault(f"{type(e).__name__}: {text}".rstrip(": .")[:300])


def kept_copy(work: Work, *, make: bool = False) -> tuple[Path, PublishedCopy] | None:
    """The published copy in the cache, and what is told of it; None where it is not there."""

    def fill(folder: Path) -> None:
        assert isinstance(work.source, Path)
        made = publish_copy(work.source, folder / "copy", work.id)
        (folder / "copy.json").write_text(made.model_dump_json(), "utf-8")

    def read(folder: Path) -> tuple[Path, PublishedCopy]:
        copy = PublishedCopy.model_validate_json((folder / "copy.json").read_bytes())
        return folder / "copy", copy

    key = ("copied", work.id, work.state, _code_that_copies())
    return _kept(work, key, fill if make else None, read)


@cache_once
def _code_that_copies() -> str:
    """A hash of the module that writes a copy and its list of files."""
    return hashlib.sha256(Path(copying.__file__).read_bytes()).hexdigest()


def kept_view(work: Work, *, make: bool = False) -> ViewMade | None:
    """The view store in the cache, None where it is not there."""

    def fill(folder: Path) -> None:
        if work.published and fetch_view(
            work.published, work.id, work.name, folder, work.max_store_bytes, work.remote
        ):
            return
        made = _drawn(work, folder / "view.zarr")
        (folder / "view.json").write_text(json.dumps(made), "utf-8")
        if made.get("digest") and find_spec("rocrate"):
            _tell_lineage(work, folder / "view.zarr", made["digest"])

    def read(folder: Path) -> ViewMade:
        stored = json.loads((folder / "view.json").read_bytes())
        return ViewMade.model_validate({**stored, "path": folder / "view.zarr"})

    return _kept(work, ("view", work.name), fill if make else None, read)


def _drawn(work: Work, view: Path) -> dict[str, Any]:
    """Make the view store; what is kept of it in words."""
    from portal.viewstore import NothingToShow, make_view_store

    with _drawing(work):
        try:
            made = make_view_store(
                work.source,
                work.known(),
                view,
                max_bytes=work.max_store_bytes,
                remote=work.remote,
            )
        except NothingToShow as e:
            return {"reason": str(e)}
    return {
        "hints": made.hints,
        "left_out": made.left_out,
        "coordinate_system": made.coordinate_system,
        "bytes": made.bytes,
        "files": made.files,
        "digest": content_digest(view),
    }


def _tell_lineage(work: Work, view: Path, digest: str) -> None:
    """Write beside the view store what it was made from, and with what."""
    track(
        view,
        [Thing(name=work.id, artifact=work.id, fingerprint=work.known().fingerprint)],
        {"max_store_bytes": work.max_store_bytes},
        code=Code(name="spatialdata-portal", version=__version__),
        name=f"view-{digest}.zarr",
        packages={name: version(name) for name in _DRAWN_WITH},
        ended=work.asked,
    )


def kept_picture(work: Work, *, make: bool = False) -> tuple[Path, Picture | None] | None:
    """The folder with the files of the picture, and what is told of it, None where the store has
    none; None for both where nothing was made yet."""
    view = kept_view(work) if work.views else None
    usable = view if view and not view.reason else None

    def fill(folder: Path) -> None:
        from portal.preview import make_preview

        with _drawing(work):
            picture = make_preview(
                usable.path if usable else work.source,
                work.known(),
                usable.hints if usable else {},
                folder,
                "picture",
                obs_noun=work.obs_noun,
                remote=work.remote,
            )
        text = picture.model_dump_json() if picture else "null"
        (folder / "picture.json").write_text(text, "utf-8")

    def read(folder: Path) -> tuple[Path, Picture | None]:
        stored = json.loads((folder / "picture.json").read_bytes())
        return folder, None if stored is None else Picture.model_validate(stored)

    key = ("picture", work.name, work.obs_noun, str(bool(usable)))
    return _kept(work, key, fill if make else None, read)


def _kept(
    work: Work,
    key: tuple[str, ...],
    fill: Callable[[Path], None] | None,
    read: Callable[[Path], T],
) -> T | None:
    """What `read` finds in the folder for `key`; None where there is none and nobody fills it."""
    cache = Cache(work.cache)
    folder = cache.folder(*key, make=fill) if fill else cache.find(*key)
    if folder is None:
        return None
    try:
        return read(folder)
    except (OSError, ValueError, TypeError) as e:
        if is_machine_fault(e):
            raise
        shutil.rmtree(folder, ignore_errors=True)  # damaged: it is only a cache
    return read(cache.folder(*key, make=fill)) if fill else None


@contextmanager
def _drawing(work: Work) -> Iterator[None]:
    """While something is drawn: with the code that was asked for, and with dask in this process,
    not on the cluster whose worker it may be. Raises StoreError where the store is not to be
    asked, BuildError where the code is another."""
    from dask import config

    if work.barred:
        raise StoreError(work.barred.code, work.barred.what)
    if work.code != code_that_draws():
        raise BuildError(
            "A worker has another version of the portal, or of what it draws with, than the "
            "build has: install the same for both."
        )
    with config.set(scheduler="threads"):
        yield


@cache_once
def code_that_draws() -> str:
    """A hash of the modules that draw, and the versions of what they draw with."""
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        if path.stem.startswith(("view", "preview", "colors", "scan", "store", "facts")):
            digest.update(path.read_bytes())
    for package in _DRAWN_WITH:
        digest.update(f"{package} {version(package)}\n".encode())
    return digest.hexdigest()

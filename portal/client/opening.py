"""Artifact → what can be read of it without a download: `open_store(record, source) -> Opened`.

The group of its zarr store, a table, one level of an image; the bytes come as they are used.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import zarr

from portal.client.filelist import KINDS, NoFiles, StoreFiles, elements_of, store_files
from portal.client.source import Damaged, NotThere, Source
from portal.client.zarrstore import ReadStore
from portal.config import Remote
from portal.errors import BuildError, UsageError, did_you_mean
from portal.record import Record
from portal.store import open_files

if TYPE_CHECKING:
    from anndata import AnnData

__all__ = ["Opened", "open_store"]

_NO_LIMIT = 1 << 62


class Opened:
    """A store that is open for reading; `group` is the zarr group at its top."""

    def __init__(self, name: str, group: zarr.Group, elements: list[str]):
        self._name = name
        self.group = group
        self.elements = elements
        """As `kind/name`."""

    def __repr__(self) -> str:
        return f"<{self._name}, open: {', '.join(self.elements) or 'no elements'}>"

    def table(self, name: str = "table") -> AnnData:
        """A table that reads its rows and columns when they are used.

        Raises BuildError where anndata, or what its lazy reading needs, is not installed.
        """
        try:
            import dask  # noqa: F401
            import xarray  # noqa: F401
            from anndata.experimental import read_lazy
        except ImportError as e:
            raise BuildError(
                f"A lazy table needs {e.name or 'a newer anndata'}: "
                "pip install 'anndata[lazy]>=0.12' or 'spatialdata-portal[build]'."
            ) from None
        return read_lazy(self._element(name, "tables", "table"))

    def image(self, name: str, level: int = 0) -> zarr.Array:
        """One level of an image or of labels, 0 the largest, -1 the smallest."""
        element = self._element(name, "images", "labels")
        attributes: Any = element.attrs.asdict()
        scales = (attributes.get("ome") or attributes).get("multiscales") or [{}]
        levels = [str(level["path"]) for level in scales[0].get("datasets", ())]
        try:
            array = element[levels[level]]
        except IndexError:
            raise UsageError(f"{name} has {len(levels)} levels; there is no {level}.") from None
        if not isinstance(array, zarr.Array):
            raise Damaged(f"The level {levels[level]} of {name} is no array.")
        return array

    def _element(self, name: str, *kinds: str) -> zarr.Group:
        for path in self.elements:
            kind, _, own = path.partition("/")
            if kind in kinds and name in (own, path):
                element = self.group[path]
                if isinstance(element, zarr.Group):
                    return element
        known = [e.partition("/")[2] for e in self.elements if e.partition("/")[0] in kinds]
        raise UsageError(f"There is no {name!r} among {kinds[0]}. {did_you_mean(name, known)}")


def open_store(record: Record, source: Source) -> Opened:
    """Open the store of `record`, which was read from `source`, wherever it lies."""
    copy = record.products.copy_
    if copy and not source.is_remote and not copy.store.endswith(".zip"):
        where: Any = Path(source.address(copy.store))
        names = [f"{p.relative_to(where).as_posix()}/" for p in where.glob("*/*/")]
        return _opened(record, where, names)
    try:
        files = store_files(record, source)
    except NoFiles:
        if record.url is None or record.status in ("withdrawn", "announced"):
            raise
        return _opened(record, _unlisted(record.url, source), None)
    store = _packed(files) if files.packed else _listed(files)
    return _opened(record, store, list(store.sizes or ()))


def _opened(record: Record, where: Any, names: list[str] | None) -> Opened:
    facts = record.facts
    # The name that older spatialdata gave the document, which zarr does not look for.
    consolidated = "zmetadata" if facts and facts.consolidated == "zmetadata" else None
    try:
        group = zarr.open_group(where, mode="r", use_consolidated=consolidated)
    except FileNotFoundError as e:
        raise NotThere(f"There is no zarr group at the address of {record.id}: {e}.") from None
    if names is None:
        kinds = [kind for kind in KINDS if kind in group]
        names = [f"{kind}/{name}/" for kind in kinds for name in group[kind]]  # type: ignore[union-attr]
    return Opened(record.id, group, elements_of(names))


def _listed(files: StoreFiles) -> ReadStore:
    known = {f.path: f for f in files.files}

    def read(path: str, start: int, length: int | None) -> bytes:
        file = known[path]
        body = files.source.range(file.at, start, length)
        whole = not start and length is None
        if whole and file.sha256 and hashlib.sha256(body).hexdigest() != file.sha256:
            raise Damaged(
                f"{files.source.address(file.at)} is not what its portal says of it (sha256). "
                "It may have been published anew: open the portal again."
            )
        return body

    sizes = {f.path: f.bytes for f in files.files}
    return ReadStore(f"{files.source.root}#{files.digest}", read, sizes.__getitem__, sizes)


def _unlisted(url: str, source: Source) -> ReadStore:
    from portal.client.remotesource import RemoteSource

    root = RemoteSource(url.rstrip("/"), allow_private=source.allow_private)
    return ReadStore(url, root.range, lambda path: root.stat(path).size, None)


def _packed(files: StoreFiles) -> ReadStore:
    """The inside of a zip: its members by ranges."""
    zipped = files.source.address(files.files[0].at)
    settings = Remote(timeout=120, total_time=86_400, allow_private=files.source.allow_private)
    inside = open_files(zipped, limit=_NO_LIMIT, remote=settings)
    sizes = {
        f"{folder.path}/{file.name}".lstrip("/"): file.size
        for folder in inside.walk()
        for file in folder.files
    }

    def read(path: str, start: int, length: int | None) -> bytes:
        left = max(0, sizes[path] - start)
        return inside.read_range(path, start, left if length is None else min(left, length))

    return ReadStore(zipped, read, sizes.__getitem__, sizes)

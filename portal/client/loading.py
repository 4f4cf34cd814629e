"""Artifact → SpatialData: `load(artifact)`, with the spatialdata that is installed.

spatialdata opens no address, so a store elsewhere is fetched into the cache once. What it leaves
out in silence, the single table of the first stores, is put back here.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from portal.client.filelist import KINDS, NoFiles, chosen_of, elements_of, store_files
from portal.client.store_cache import kept_store
from portal.errors import BuildError, PortalError, is_machine_fault
from portal.record import Record

if TYPE_CHECKING:
    from spatialdata import SpatialData

    from portal.client.source import Source

__all__ = ["load", "local_store"]

_READS = {"0.2": (0, 6)}
"""The first spatialdata that reads a version of the container; the others all of them read."""


def load(
    record: Record, source: Source, elements: Iterable[str] | None = None, *, progress: bool = True
) -> SpatialData:
    """The object, or only some `elements` of it.

    Raises BuildError where the extra `build` is missing or too old, PortalError where the store is
    none of spatialdata or can't be read, and what fetching raises.
    """
    _demand_readable(record)
    if elements is not None:
        elements = [elements] if isinstance(elements, str) else list(elements)
    store = local_store(record, source, elements, progress=progress)
    try:
        return _read(store, elements)
    except Exception as e:  # what a foreign store can raise has no end
        if isinstance(e, PortalError) or is_machine_fault(e):
            raise
        raise PortalError(
            f"spatialdata {version('spatialdata')} can't read {record.id} ({_kind(record)}): "
            f"{type(e).__name__}: {str(e)[:300]}. Its files are at {store}."
        ) from e


def local_store(
    record: Record, source: Source, elements: Iterable[str] | None = None, *, progress: bool = True
) -> Path:
    """The store as a folder of this machine: the portal's own, else one in the cache.

    It is not to be changed. With `elements` it may hold no others.
    """
    copy = record.products.copy_
    if not source.is_remote and copy is not None and not copy.store.endswith(".zip"):
        folder = Path(source.address(copy.store))
        if not folder.is_dir():
            raise NoFiles(f"The copy of {record.id} is not at {folder}, where the portal says.")
        return folder
    return kept_store(store_files(record, source), elements, progress=progress)


def _demand_readable(record: Record) -> None:
    try:
        have = version("spatialdata")
    except PackageNotFoundError:
        raise BuildError(
            "Loading needs spatialdata: pip install 'spatialdata-portal[build]'. Without it, "
            "artifact.open() reads parts, artifact.download(folder) fetches the files."
        ) from None
    if record.facts and record.facts.kind != "spatialdata":
        raise PortalError(
            f"{record.id} is {_kind(record)}: there is no such object to load. "
            "artifact.open().group reads it, artifact.download(folder) fetches its files."
        )
    container = (record.facts and record.facts.container_version) or ""
    need = _READS.get(container, (0, 0))
    if tuple(int(n) for n in have.split(".")[:2]) < need:
        raise BuildError(
            f"{record.id} is {_kind(record)}, which spatialdata {have} does not read: "
            f"pip install 'spatialdata>={need[0]}.{need[1]}'."
        )


def _kind(record: Record) -> str:
    facts = record.facts
    if facts is None:
        return "a store that was not scanned"
    if facts.kind != "spatialdata":
        return f"a store of kind {facts.kind}, not SpatialData"
    by = f", written by {facts.written_by}" if facts.written_by else ""
    return f"a SpatialData container of version {facts.container_version or 'unknown'}{by}"


def _read(store: Path, elements: Iterable[str] | None) -> SpatialData:
    import spatialdata

    found = elements_of(f"{p.relative_to(store).as_posix()}/" for p in store.glob("*/*/"))
    chosen = set(found) if elements is None else chosen_of(found, elements)
    kinds = tuple(kind for kind in KINDS if any(e.startswith(f"{kind}/") for e in chosen))
    with warnings.catch_warnings():
        # That a store is of an older version is in its record, not news to who only reads it.
        warnings.filterwarnings("ignore", message="SpatialData is not stored in the most current")
        sdata = spatialdata.read_zarr(store, selection=kinds or None)  # type: ignore[arg-type]
    for kind, name, _ in list(sdata.gen_elements()):
        if f"{kind}/{name}" not in chosen:
            del sdata[name]  # of the object alone, not of the store
    for name in (e.partition("/")[2] for e in chosen if e.startswith("table/")):
        try:
            _put_back(sdata, name, store / "table" / name)
        except Exception as e:  # what a foreign store can raise has no end
            if elements is not None or is_machine_fault(e):
                raise
            warnings.warn(f"The table {name} can't be read, and is left out: {e}", stacklevel=4)
    return sdata


def _put_back(sdata: Any, name: str, folder: Path) -> None:
    import anndata
    from spatialdata.models import TableModel

    if name not in sdata.tables:
        sdata.tables[name] = TableModel.parse(anndata.read_zarr(folder))

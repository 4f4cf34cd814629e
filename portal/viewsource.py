"""Opening a store for a view: every element that can be read, with the reasons for the others."""

from __future__ import annotations

import json
import logging
import math
import os
import shutil
import stat
import tempfile
import warnings
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import numpy as np

from portal.config import Remote
from portal.errors import PortalError, is_machine_fault
from portal.facts import ElementFacts, ElementKind, StoreFacts

if TYPE_CHECKING:
    from anndata import AnnData

    from portal.viewremote import Near

__all__ = ["Element", "Source", "Unreadable", "open_source", "raster_levels"]

KINDS: tuple[ElementKind, ...] = ("images", "labels", "points", "shapes", "tables")
_UNZIPPED_TIMES = 20  # what a zip may grow to, as a multiple of its own size
_UNZIPPED_LEAST = 1_000_000_000
_DENSE_VALUES = 250_000_000  # of a table that are read at once: 1 GB as float32
_ROOT_FILES = {"zarr.json", ".zgroup", ".zattrs", ".zmetadata", "zmetadata"}


class Unreadable(PortalError):
    """A store that can't be opened; the message says why."""


@dataclass(frozen=True)
class Element:
    """One element as SpatialData gives it, with where it lies."""

    kind: ElementKind
    name: str
    data: Any
    affines: dict[str, np.ndarray]
    """By coordinate system: 3 × 3, maps (x, y, 1) of the element to the system."""
    facts: ElementFacts | None = None
    bring: Callable[[int], None] = lambda level: None
    """Has the pixels of a level brought, where the store lies elsewhere."""
    most_values: int | None = None
    """How many may be read of it, all its levels together; None for no other limit than ever."""

    @property
    def path(self) -> str:
        """For example `images/he`."""
        return f"{self.kind}/{self.name}"

    @property
    def pixels(self) -> int:
        """Of the finest level, in the plane; 0 for what is no raster."""
        if self.kind not in ("images", "labels"):
            return 0
        sizes = raster_levels(self.data)[0].sizes
        return int(sizes["x"] * sizes["y"])


@dataclass(frozen=True)
class Source:
    """What could be read of a store."""

    elements: tuple[Element, ...]
    tables: dict[str, AnnData]
    left_out: tuple[str, ...]
    lost: tuple[Element, ...] = ()
    """Rasters that are there in the metadata only: not one chunk of them is stored."""

    def of(self, kind: ElementKind) -> list[Element]:
        """The elements of one kind, in order of name."""
        return [e for e in self.elements if e.kind == kind]


@contextmanager
def open_source(
    path: Path | str, facts: StoreFacts, beside: Path, remote: Remote | None = None
) -> Iterator[Source]:
    """Read every element of a store that can be read; pixels and points stay on disk.

    `path` is a folder; a `.zarr.zip`, which is unpacked into a folder of its own in `beside` for
    as long as the context lasts; or an address, of which the same is done with what is needed.
    An element in whose folder a link or a device lies is not read. Raises Unreadable when nothing
    at all can be opened, StoreError where an address can't be read.
    """
    with tempfile.TemporaryDirectory(prefix=".portal-", dir=beside) as name, ExitStack() as stack:
        folder = Path(name)
        if isinstance(path, str):
            from portal.viewremote import open_near

            near = open_near(path, facts, folder / "near", remote or Remote())
            yield _from_near(stack.enter_context(near), folder)
            return
        whole = path.resolve()
        if path.is_file() and path.suffix == ".zip":
            whole = _unzip(path, folder / "unpacked")
        yield _from_folder(whole, facts, folder, {})


def _from_folder(
    whole: Path, facts: StoreFacts, folder: Path, left_out: Mapping[str, str]
) -> Source:
    avoided = {**_huge(facts), **_linked(whole), **left_out}
    rest = _without(whole, avoided, folder / "rest") if avoided else whole
    return _read(rest, facts, whole, avoided)


def _from_near(near: Near, folder: Path) -> Source:
    """What is read of a store elsewhere: pixels come when they are asked for."""
    from portal.viewremote import MOST_VALUES

    source = _from_folder(near.folder, near.facts, folder, near.left_out)
    elements = tuple(
        replace(e, bring=partial(near.bring, e.path), most_values=MOST_VALUES)
        for e in source.elements
    )
    return replace(source, elements=elements, left_out=(*source.left_out, *near.notes))


def raster_levels(data: Any) -> list[Any]:
    """The levels of an image or of labels as DataArrays, the finest first."""
    from xarray import DataArray, DataTree

    if isinstance(data, DataArray):
        return [data]
    if isinstance(data, DataTree):
        return [next(iter(data[name].ds.values())) for name in data]
    raise TypeError(f"{type(data).__name__} is no raster")


def _unzip(path: Path, folder: Path) -> Path:
    """Unpack a store that some writer zipped, not one that was made to fill the disk."""
    folder.mkdir()
    allowed = max(_UNZIPPED_LEAST, path.stat().st_size * _UNZIPPED_TIMES)
    with zipfile.ZipFile(path) as archive:
        members = archive.infolist()
        size = sum(member.file_size for member in members)
        if size > allowed:
            raise Unreadable(f"{path.name} unpacks to {size:,} bytes, which is too much.")
        if size > shutil.disk_usage(folder).free * 0.9:
            raise Unreadable(f"{path.name} unpacks to {size:,} bytes; the disk has no room for it.")
        for member in members:
            inside = PurePosixPath(member.filename)
            linked = stat.S_ISLNK(member.external_attr >> 16)
            if linked or inside.is_absolute() or ".." in inside.parts or "\\" in member.filename:
                raise Unreadable(f"{path.name} holds a member that may not be unpacked.")
        try:
            archive.extractall(folder)
        except (zipfile.BadZipFile, NotImplementedError, RuntimeError, zlib.error) as error:
            raise Unreadable(f"{path.name} can't be unpacked: {error}") from error
    if any((folder / name).exists() for name in _ROOT_FILES):
        return folder
    inner = sorted(p for p in folder.iterdir() if p.is_dir())
    if len(inner) != 1:
        raise Unreadable(f"{path.name} does not hold one store.")
    return inner[0]


def _linked(root: Path) -> dict[str, str]:
    """Elements, as `kind/name`, that a link or a device lies in, and why they aren't read.

    `kind` alone stands for all of its elements. Nothing is followed.
    """
    found: dict[str, str] = {}
    why = "lies behind a link or a device and is left out."
    for folder, folders, files in os.walk(root, followlinks=False):
        for name in [*folders, *files]:
            path = os.path.join(folder, name)
            mode = os.lstat(path).st_mode
            if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
                parts = Path(path).relative_to(root).parts
                if len(parts) == 1 and parts[0] in _ROOT_FILES:
                    raise Unreadable(f"{parts[0]} of the store is a link, which is not followed.")
                whole = len(parts) < 3 and name in _ROOT_FILES
                found["/".join(parts[: 1 if whole else 2])] = why
    return found


def _huge(facts: StoreFacts) -> dict[str, str]:
    """Tables whose dense values would not fit into memory: their values are read by rows."""
    return {
        table.path: ""
        for table in facts.of("tables")
        if table.x
        and table.x.encoding == "array"
        and math.prod(table.x.shape or ()) > _DENSE_VALUES
    }


def _without(root: Path, avoided: Mapping[str, str], folder: Path) -> Path:
    """A folder that leads to all elements of a store but some.

    The links in it are ours, and lead to folders that have none.
    """
    folder.mkdir()
    for item in sorted(root.iterdir()):
        if item.name in avoided or item.is_symlink():
            continue
        if item.is_file() and item.name in _ROOT_FILES - {".zmetadata", "zmetadata"}:
            _copy_unconsolidated(item, folder / item.name)
        elif item.is_dir() and item.name in KINDS:
            (folder / item.name).mkdir()
            for inner in sorted(item.iterdir()):
                if f"{item.name}/{inner.name}" not in avoided:
                    (folder / item.name / inner.name).symlink_to(inner)
    return folder


def _copy_unconsolidated(source: Path, target: Path) -> None:
    """Metadata of the whole store speak of elements that are not there any more."""
    try:
        document = json.loads(source.read_text())
        document.pop("consolidated_metadata", None)
        target.write_text(json.dumps(document))
    except (ValueError, AttributeError):
        shutil.copyfile(source, target)


def _read(path: Path, facts: StoreFacts, whole: Path, avoided: Mapping[str, str]) -> Source:
    """`path` leads to all that may be read, `whole` is the store itself."""
    found, left_out = _read_objects(path)
    tables = dict(found.pop("tables", {}))
    for table in facts.of("tables"):
        linked = any(
            (why and f"{table.path}/".startswith(f"{name}/")) or name.startswith(f"{table.path}/")
            for name, why in avoided.items()
        )
        if table.name in tables or linked:
            continue
        by_rows = table.path in avoided
        read = _read_table(whole / table.path, by_rows=by_rows)
        if read is not None:
            tables[table.name] = read
            if by_rows and read.X is None:
                left_out.append(f"The values of {table.name} are too large to be drawn here.")
    left_out += [
        f"{name.rpartition('/')[2]} {why}"
        for name, why in sorted(avoided.items())
        if why and name.partition("/")[0] in (*KINDS, "table")
    ]
    by_path = {f"{f.kind}/{f.name}": f for f in facts.elements}
    elements, lost = [], []
    for kind in KINDS[:4]:
        for name, data in sorted(found.get(kind, {}).items()):
            affines = _affines(data)
            element = Element(kind, name, data, affines, by_path.get(f"{kind}/{name}"))
            if _has_no_pixels(element.facts):
                left_out.append(f"{name} has no stored pixels and is left out.")
                lost.append(element)
            elif affines:
                elements.append(element)
            else:
                left_out.append(f"{name} is in no coordinate system in the plane and is left out.")
    read = {(e.kind, e.name) for e in [*elements, *lost]} | {("tables", name) for name in tables}
    left_out += [
        f"{f.name} could not be read and is left out."
        for f in facts.elements
        if (f.kind, f.name) not in read and not any(s.startswith(f"{f.name} ") for s in left_out)
    ]
    return Source(tuple(elements), tables, tuple(left_out), tuple(lost))


def _read_objects(path: Path) -> tuple[dict[str, dict[str, Any]], list[str]]:
    """Elements by kind and name, as one read where that works, kind by kind where it does not."""
    try:
        return _by_kind(_read_zarr(path)), []
    except Exception as whole:
        if is_machine_fault(whole):
            raise
        found: dict[str, dict[str, Any]] = {}
        for kind in KINDS:
            try:
                found |= {kind: _by_kind(_read_zarr(path, (kind,)))[kind]}
            except Exception as one:
                if is_machine_fault(one):
                    raise
                logging.getLogger(__name__).info("%s of %s: %s", kind, path.name, one)
        if not any(found.values()):
            raise Unreadable(f"The store could not be opened: {whole}") from whole
        return found, []


def _read_zarr(path: Path, selection: tuple[str, ...] | None = None) -> Any:
    import spatialdata

    read: Any = spatialdata.read_zarr  # whose hints are narrower than what it takes
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return read(path, selection=selection, on_bad_files="warn")


def _by_kind(sdata: Any) -> dict[str, dict[str, Any]]:
    return {kind: dict(getattr(sdata, kind)) for kind in KINDS}


def _read_table(path: Path, *, by_rows: bool = False) -> AnnData | None:
    """A table that SpatialData itself passes over, such as a legacy `table/table`."""
    import anndata
    import zarr

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            group = zarr.open_group(path, mode="r")
            if not by_rows:
                return anndata.io.read_zarr(group)
            parts: dict[str, Any] = {
                k: anndata.io.read_elem(group[k]) for k in ("obs", "var", "obsm", "uns")
            }
            return anndata.AnnData(X=_sparse_by_rows(group["X"]), **parts)
    except Exception as error:
        if is_machine_fault(error):
            raise
        return None


def _sparse_by_rows(array: Any) -> Any:
    """A large dense matrix of mostly zeros as a sparse one; None where there are too many others."""
    import scipy.sparse as sp

    height, width = array.shape
    step = max(1, _DENSE_VALUES // 4 // max(1, width))
    blocks, stored = [], 0
    for start in range(0, height, step):
        blocks.append(sp.csr_matrix(np.asarray(array[start : start + step], np.float32)))
        stored += blocks[-1].nnz
        if stored > _DENSE_VALUES // 2:
            return None
    return sp.vstack(blocks, format="csr")


def _has_no_pixels(facts: ElementFacts | None) -> bool:
    levels = facts.levels if facts else ()
    return bool(levels) and all(
        level.chunks_stored == 0 and (level.chunks_expected or 0) > 0 for level in levels
    )


def _affines(data: Any) -> dict[str, np.ndarray]:
    from spatialdata.transformations import get_transformation

    affines = {}
    by_system: Any = get_transformation(data, get_all=True)
    for system, transformation in sorted(by_system.items()):
        try:
            matrix = np.asarray(transformation.to_affine_matrix(("x", "y"), ("x", "y")), float)
        except ValueError:
            continue
        if np.isfinite(matrix).all() and abs(np.linalg.det(matrix[:2, :2])) > 0:
            affines[system] = matrix
    return affines

"""Opening a store for a view: every element that can be read, with the reasons for the others."""

from __future__ import annotations

import logging
import tempfile
import warnings
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import numpy as np

from portal.errors import BuildError
from portal.facts import ElementFacts, ElementKind, StoreFacts

if TYPE_CHECKING:
    from anndata import AnnData

__all__ = ["Element", "Source", "open_source", "raster_levels"]

KINDS: tuple[ElementKind, ...] = ("images", "labels", "points", "shapes", "tables")
_UNZIPPED_MAX = 200 * 10**9


@dataclass(frozen=True)
class Element:
    """One element as SpatialData gives it, with where it lies."""

    kind: ElementKind
    name: str
    data: Any
    affines: dict[str, np.ndarray]
    """By coordinate system: 3 × 3, maps (x, y, 1) of the element to the system."""
    facts: ElementFacts | None = None

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
def open_source(path: Path, facts: StoreFacts) -> Iterator[Source]:
    """Read every element of a store that can be read; pixels and points stay on disk.

    `path` is a folder or a `.zarr.zip`, which is unpacked beside the system's temporary files
    for as long as the context lasts. Raises BuildError when nothing at all can be opened.
    """
    if path.is_file() and path.suffix == ".zip":
        with tempfile.TemporaryDirectory(prefix="portal-") as folder:
            yield _read(_unzip(path, Path(folder)), facts)
    else:
        yield _read(path, facts)


def raster_levels(data: Any) -> list[Any]:
    """The levels of an image or of labels as DataArrays, the finest first."""
    from xarray import DataArray, DataTree

    if isinstance(data, DataArray):
        return [data]
    if isinstance(data, DataTree):
        return [next(iter(data[name].ds.values())) for name in data]
    raise TypeError(f"{type(data).__name__} is no raster")


def _unzip(path: Path, folder: Path) -> Path:
    with zipfile.ZipFile(path) as archive:
        size = 0
        for member in archive.infolist():
            size += member.file_size
            inside = PurePosixPath(member.filename)
            if inside.is_absolute() or ".." in inside.parts or size > _UNZIPPED_MAX:
                raise BuildError(f"{path.name} holds a member that may not be unpacked.")
        archive.extractall(folder)
    if any((folder / name).exists() for name in ("zarr.json", ".zgroup", ".zattrs")):
        return folder
    inner = sorted(p for p in folder.iterdir() if p.is_dir())
    if len(inner) != 1:
        raise BuildError(f"{path.name} does not hold one store.")
    return inner[0]


def _read(path: Path, facts: StoreFacts) -> Source:
    found, left_out = _read_objects(path)
    tables = dict(found.pop("tables", {}))
    for table in facts.of("tables"):
        if table.name not in tables:
            legacy = _read_table(path / table.path)
            if legacy is not None:
                tables[table.name] = legacy
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
        found: dict[str, dict[str, Any]] = {}
        for kind in KINDS:
            try:
                found |= {kind: _by_kind(_read_zarr(path, (kind,)))[kind]}
            except Exception as one:
                logging.getLogger(__name__).info("%s of %s: %s", kind, path.name, one)
        if not any(found.values()):
            raise BuildError(f"{path.name} could not be opened: {whole}") from whole
        return found, []


def _read_zarr(path: Path, selection: tuple[str, ...] | None = None) -> Any:
    import spatialdata

    read: Any = spatialdata.read_zarr  # whose hints are narrower than what it takes
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return read(path, selection=selection, on_bad_files="warn")


def _by_kind(sdata: Any) -> dict[str, dict[str, Any]]:
    return {kind: dict(getattr(sdata, kind)) for kind in KINDS}


def _read_table(path: Path) -> AnnData | None:
    """A table that SpatialData itself passes over, such as a legacy `table/table`."""
    import anndata
    import zarr

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return anndata.io.read_zarr(zarr.open_group(path, mode="r"))
    except Exception:
        return None


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

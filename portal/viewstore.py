"""The web copy of a store: a small `.zarr` in the one layout that Vitessce draws right and fast.

What goes wrong in silence on stores as they come, and what is written instead:

- images without a pyramid, or in one chunk: 512-pixel chunks, factor-2 levels, 8 or 16 bits
- a table of several regions, rows paired with shapes by position: one region a table, shapes in
  its order with the ids in the Parquet index
- polygons of several parts: the largest part
- points in several files, or millions of them: one sorted file, a seeded sample
- sparse X: dense float32 with one gene (or a few) a chunk
- integer categories: text
- elements in other coordinate systems: one system that most share, said so

The copy is a SpatialData store itself: `spatialdata.read_zarr` opens it.
"""

from __future__ import annotations

import logging
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import reduce
from pathlib import Path
from typing import Any

import numpy as np

from portal.config import Remote
from portal.errors import BuildError, PortalError, is_machine_fault
from portal.facts import StoreFacts
from portal.store import StoreError
from portal.viewframe import Box, Frame, Placed, axis_aligned, choose_frame
from portal.viewids import paired, text_ids
from portal.viewmatrix import gene_names
from portal.viewraster import write_image, write_labels
from portal.viewshapes import write_points, write_shapes
from portal.viewsource import Source, open_source
from portal.viewtable import Part, split, write_features, write_table
from portal.viewzarr import LeftOut, Written, consolidate, folder_size, write_group

__all__ = ["NothingToShow", "ViewStore", "make_view_store"]

_FEW_FEATURES = 10  # that points show all at once, each in its colour: what a legend names
_RESERVE = 60_000  # for group metadata and its consolidated copy
# What each kind may take of what is left when its turn comes; what it leaves goes on.
_SHARES = {"shapes": 0.35, "labels": 0.35, "points": 0.45, "tables": 0.5, "images": 0.97}


class NothingToShow(PortalError):
    """The store holds nothing that a view could draw; the message says why."""


@dataclass(frozen=True)
class ViewStore:
    """A finished view store. `hints` is JSON: what `portal.viewer.compose` can't see in facts."""

    path: Path
    bytes: int
    files: int
    coordinate_system: str | None
    left_out: tuple[str, ...]
    hints: dict[str, Any]


@dataclass
class _Making:
    """What the parts of one copy share while it is made."""

    root: Path
    frame: Frame | None
    budget: int
    parts: list[Part]
    left_out: list[str]
    hints: dict[str, Any] = field(
        default_factory=lambda: {k: {} for k in ("images", "labels", "shapes", "points", "tables")}
    )

    @property
    def system(self) -> str:
        return self.frame.coordinate_system if self.frame else "global"

    def share(self, kind: str, elements_left: int) -> int:
        """Bytes that the next of `elements_left` elements of a kind may take."""
        return int(self.budget * _SHARES[kind] / max(1, elements_left))

    def took(self, spent: int, left_out: tuple[str, ...]) -> None:
        self.budget -= spent
        self.left_out += left_out


def make_view_store(
    source: Path | str,
    facts: StoreFacts,
    out: Path,
    *,
    max_bytes: int = 25_000_000,
    remote: Remote | None = None,
) -> ViewStore:
    """Copy what a browser can draw of `source` to `out`, in at most `max_bytes` bytes.

    `source` is a folder, a `.zarr.zip`, or an address, which is read as `remote` says. Pyramid
    levels, genes and points that don't fit are left out, and `left_out` says so. The copy appears
    whole or not at all. Raises NothingToShow where the store holds nothing to draw, Unreadable
    where it can't be opened, StoreError where an address can't be read, BuildError where the
    copy can't be written.
    """
    if facts.kind != "spatialdata":
        raise NothingToShow(f"This is {_KINDS.get(facts.kind, 'no SpatialData store')}.")
    with _folder_beside(out) as beside:
        with open_source(source, facts, beside.parent, remote) as opened:
            making = _write(opened, beside, max_bytes)
        size, files = folder_size(beside)
        if size > max_bytes:
            raise NothingToShow(
                f"The smallest copy takes {size:,} bytes; {max_bytes:,} are allowed."
            )
    system = making.system if making.frame else None
    return ViewStore(out, size, files, system, tuple(dict.fromkeys(making.left_out)), making.hints)


@contextmanager
def _folder_beside(out: Path) -> Iterator[Path]:
    """A new folder that takes the place of `out` in the end, unless something fails.

    Where the machine is at fault and not what is read, BuildError says so.
    """
    beside = None
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        beside = Path(tempfile.mkdtemp(prefix=f".{out.name}-", dir=out.parent))
        yield beside
        beside.chmod(0o755)
        if out.exists():
            shutil.rmtree(out)
        beside.rename(out)
    except Exception as error:
        if is_machine_fault(error) or (beside is None and isinstance(error, OSError)):
            what = f"The view store {out.name} could not be written: {error}"
            raise BuildError(what) from error
        raise
    finally:
        if beside is not None:
            shutil.rmtree(beside, ignore_errors=True)


_KINDS = {
    "anndata": "an AnnData table, not a SpatialData store",
    "mudata": "a MuData table, not a SpatialData store",
    "ome-zarr": "a plain OME-Zarr image, not a SpatialData store",
    "unreadable": "no store that can be read",
}


def _write(source: Source, root: Path, max_bytes: int) -> _Making:
    """Write every part, the small and the needed first; what is left goes to the images."""
    parts = [p for name, adata in sorted(source.tables.items()) for p in split(name, adata)]
    regions = [p.region for p in parts if p.region]
    frame = choose_frame(source, regions)
    left_out = [*source.left_out, *(frame.left_out if frame else ())]
    making = _Making(root, frame, max_bytes - _RESERVE, parts, left_out)
    write_group(root, {"spatialdata_attrs": {"version": "0.2"}})
    _write_shapes(making)
    _write_rasters(making, "labels")
    _write_points(making)
    _write_tables(making)
    _write_rasters(making, "images")
    drawn = [kind for kind in ("images", "labels", "shapes", "points") if making.hints[kind]]
    usable = [t for t in making.hints["tables"].values() if t["n_obs"] and _shows(t)]
    if not drawn and not usable:
        raise NothingToShow(_why_nothing(making))
    for kind in ("images", "labels", "shapes", "points", "tables"):
        if (root / kind).is_dir():
            write_group(root / kind, {})
    making.hints |= _view_of(making)
    making.left_out += _not_at_first(making)
    consolidate(root)
    return making


def _shows(table: dict[str, Any]) -> bool:
    return bool(table["sets"] or table["embeddings"] or table["genes"])


def _why_nothing(making: _Making) -> str:
    reasons = " ".join(making.left_out)
    return reasons or "The store holds no element that a view could draw."


def _placed(making: _Making, kind: str) -> list[Placed]:
    return making.frame.of(kind) if making.frame else []


@contextmanager
def _naming_failures(making: _Making, kind: str, name: str) -> Iterator[None]:
    """Let one broken element fail alone; what it left on disk goes, and the page names it.

    A disk that is full, or a server that does not answer, is not the element's fault.
    """
    try:
        yield
    except Exception as error:
        if is_machine_fault(error) or isinstance(error, StoreError):
            raise
        logging.getLogger(__name__).info("%s/%s: %s", kind, name, error)
        shutil.rmtree(making.root / kind / name, ignore_errors=True)
        told = isinstance(error, LeftOut)
        making.left_out.append(str(error) if told else f"{name} could not be read and is left out.")


def _write_shapes(making: _Making) -> None:
    shapes = _placed(making, "shapes")
    for i, placed in enumerate(shapes):
        name = placed.element.name
        part = _describing(making, name)
        budget = making.share("shapes", len(shapes) - i)
        with _naming_failures(making, "shapes", name):
            ids = part.ids if part else None
            written = write_shapes(placed, making.root, making.system, budget, ids)
            table = _attach(making, part, written)
            making.hints["shapes"][name] = {**written.hints, "table": table}
            making.took(written.bytes, written.left_out)


def _attach(making: _Making, part: Part | None, written: Written) -> str | None:
    """The table that describes what was written, with only the rows that are drawn."""
    if part is None or written.rows is None:
        return None
    if not len(written.rows):
        making.left_out.append(
            f"No row of {part.table} has an id of {part.region}, which is shown without it."
        )
        return None
    lost = part.adata.n_obs - len(written.rows)
    if lost:
        making.left_out.append(
            f"{lost:,} of the {part.adata.n_obs:,} rows of {part.table} have nothing to themselves "
            f"in {part.region} and are left out."
        )
    drawn = part.only(written.rows, written.ids)
    making.parts = [drawn if p is part else p for p in making.parts]
    return part.name


def _describing(making: _Making, region: str) -> Part | None:
    """The largest table part that annotates an element."""
    parts = [p for p in making.parts if p.region == region]
    return max(parts, key=lambda p: (p.adata.n_obs, p.adata.n_vars), default=None)


def _write_rasters(making: _Making, kind: str) -> None:
    rasters = sorted(_placed(making, kind), key=lambda p: p.element.pixels)
    for i, placed in enumerate(rasters):
        name = placed.element.name
        if not axis_aligned(placed.affine):
            making.left_out.append(f"{name} is rotated against the view and is left out.")
            continue
        budget = making.share(kind, len(rasters) - i)
        with _naming_failures(making, kind, name):
            if kind == "images":
                written = write_image(placed, making.root, making.system, budget)
                hints = written.hints
            else:
                part = _describing(making, name)
                ids = part.ids if part else None
                written = write_labels(placed, making.root, making.system, budget, ids)
                hints = {**written.hints, "table": _attach(making, part, written)}
            making.hints[kind][name] = hints
            making.took(written.bytes, written.left_out)
    making.hints[kind] = dict(sorted(making.hints[kind].items()))


def _write_points(making: _Making) -> None:
    points = _placed(making, "points")
    for i, placed in enumerate(points):
        name = placed.element.name
        budget = making.share("points", len(points) - i)
        with _naming_failures(making, "points", name):
            written = write_points(placed, making.root, making.system, budget)
            hints = dict(written.hints)
            counts = hints.pop("counts", None)
            hints["features_table"] = None
            if counts:
                hints["features_table"] = table = f"{name}-features"
                making.took(write_features(making.root, table, counts, name), ())
                hints["follows_genes"] = _share_names(making, set(counts))
                hints["features"] = list(counts) if len(counts) <= _FEW_FEATURES else []
            making.hints["points"][name] = hints
            making.took(written.bytes, written.left_out)


def _share_names(making: _Making, features: set[str]) -> bool:
    """Whether a gene picked for the tables is one of the points' features as well."""
    largest = max(making.parts, key=lambda p: p.adata.n_obs, default=None)
    names = set(gene_names(largest.adata)) if largest else set()
    return bool(names) and len(names & features) > 0.8 * len(names)


def _write_tables(making: _Making) -> None:
    shown = {h["table"] for kind in ("shapes", "labels") for h in making.hints[kind].values()}
    regions = {n for kind in ("shapes", "labels", "points") for n in making.hints[kind]}
    parts = sorted(making.parts, key=lambda p: p.adata.n_obs)
    parts = [p for p in parts if p.adata.n_obs and _describing_or_only(making, p)]
    for i, part in enumerate(parts):
        attached = part.name in shown
        if part.region and part.region not in regions:
            making.left_out.append(
                f"{part.table} describes {part.region}, which is not in the view."
            )
        budget = making.share("tables", len(parts) - i)
        xy = _row_places(making, part)
        with _naming_failures(making, "tables", part.name):
            written = write_table(part, making.root, budget, xy, with_spatial=not attached)
            making.hints["tables"][part.name] = {**written.hints, "attached": attached}
            making.took(written.bytes, written.left_out)


def _describing_or_only(making: _Making, part: Part) -> bool:
    """Whether a part is the one that speaks for its region, or has no region at all."""
    if part.region is None or _describing(making, part.region) is part:
        return True
    making.left_out.append(f"{part.table} also describes {part.region}; a larger table is shown.")
    return False


def _row_places(making: _Making, part: Part) -> np.ndarray | None:
    """Where each row of a table lies, (n_obs, 2); None where not every row has a place."""
    for placed in _placed(making, "shapes"):
        if placed.element.name == part.region:
            frame = placed.element.data
            rows, places = paired(part.ids, text_ids(frame.index))
            if len(rows) < part.adata.n_obs:
                break
            centres = frame.geometry.iloc[places].centroid
            return np.column_stack([centres.x.to_numpy(), centres.y.to_numpy()])
    for key in sorted(part.adata.obsm):
        if "spatial" in key.lower():
            values = np.asarray(part.adata.obsm[key])
            if values.ndim == 2 and values.shape[1] >= 2:
                return values[:, :2].astype(float)
    return None


def _view_of(making: _Making) -> dict[str, Any]:
    """The system's name, the box of what is drawn, and which table leads."""
    tables = making.hints["tables"]
    main = max(
        sorted(tables),
        key=lambda n: (tables[n]["attached"], bool(tables[n]["genes"]), tables[n]["n_obs"]),
        default=None,
    )
    hints: dict[str, Any] = {"main_table": main}
    box = making.frame.box if making.frame else None
    if box is None:
        return hints
    return {
        **hints,
        "coordinate_system": making.system,
        "bounds": [box.x0, box.y0, box.x1, box.y1],
        "focus": _focus(making),
        "unit": making.frame.unit if making.frame else None,
    }


def _focus(making: _Making) -> list[float] | None:
    """The box of the shapes that tables describe: where the tissue is."""
    boxes = [
        placed.box
        for placed in _placed(making, "shapes")
        if making.hints["shapes"].get(placed.element.name, {}).get("table")
    ]
    if not boxes:
        return None
    box = reduce(Box.joined, boxes)
    return [box.x0, box.y0, box.x1, box.y1]


def _not_at_first(making: _Making) -> list[str]:
    """What the copy holds but the first look does not show."""
    notes = []
    for name, image in making.hints["images"].items():
        on = sum(c["on"] for c in image["channels"])
        if not image["rgb"] and on < len(image["channels"]):
            notes.append(
                f"{on} of the {len(image['channels'])} channels of {name} are on at first; "
                "others can be chosen in its layer."
            )
    main = making.hints["main_table"]
    others = [name for name in making.hints["tables"] if name != main]
    if others:
        notes.append(f"The lists follow the table {main}; not {_enumerated(others)}.")
    return notes


def _enumerated(names: list[str]) -> str:
    shown = names if len(names) <= 4 else [*names[:3], f"{len(names) - 3} more"]
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} and {shown[-1]}"

"""What keeps an original store from being shown as it is, read from its facts alone."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from portal.colors import MAX_COLORS, channel_colors
from portal.facts import ElementFacts, StoreFacts
from portal.viewframe import Box, axis_aligned

__all__ = ["hints_of", "original_faults"]

_MAX_FLAT = 2048  # pixels along a side that need no pyramid
_MAX_CHUNK_BYTES = 8_000_000
_MAX_GENE_BYTES = 1_000_000
_MAX_POINTS = 1_000_000
_MAX_SETS = 60
_DTYPES = {
    "images": ("uint8", "uint16"),
    "labels": ("uint8", "uint16", "uint32", "int8", "int16", "int32"),
}
_CHANNELS_ON = 4


def original_faults(facts: StoreFacts) -> list[str]:
    """Sentences, one for each reason why a viewer would draw the original wrong or slowly."""
    if facts.kind != "spatialdata":
        return ["It is not a SpatialData store."]
    faults = []
    if facts.consolidated is None:
        faults.append("Its metadata are not consolidated.")
    if facts.zarr_format != 3:
        faults.append("It is in zarr version 2." if facts.zarr_format else "It is no zarr.")
    system = _shared_system(facts)
    if system is None and any(e.kind != "tables" for e in facts.elements):
        faults.append("Its elements share no coordinate system.")
    for element in facts.elements:
        if not element.readable:
            faults.append(f"{element.name} can't be read.")
        else:
            faults += _FAULTS[element.kind](element)
            if element.kind != "tables" and system is not None:
                faults += _placing_faults(element, system)
    return faults


def _placing_faults(element: ElementFacts, system: str) -> list[str]:
    """A raster that is turned or mirrored, or anything whose place could not be worked out."""
    affine = _affine(element, system)
    if affine is None:
        return [f"The place of {element.name} in `{system}` is not known."]
    if element.kind in ("images", "labels") and not axis_aligned(affine):
        return [f"{element.name} is turned or mirrored in `{system}`."]
    return []


def _affine(element: ElementFacts, system: str) -> np.ndarray | None:
    """Rows x and y of an element's map to a system: 2 × 3."""
    for transformation in element.transformations:
        rows = transformation.affine
        if transformation.coordinate_system == system and rows is not None:
            matrix = np.asarray(rows, float)
            plane = np.column_stack([matrix[:2, :2], matrix[:2, -1]])
            return plane if np.isfinite(plane).all() else None
    return None


def _raster_faults(element: ElementFacts) -> list[str]:
    faults = []
    if not element.levels or element.shape is None:
        return [f"{element.name} has no levels that could be read."]
    sides = element.shape[-2:]
    if len(element.levels) == 1 and max(sides) > _MAX_FLAT:
        faults.append(f"{element.name} has {max(sides):,} pixels along a side and no pyramid.")
    if any(
        _chunk_bytes(level.chunks, element.dtype) > _MAX_CHUNK_BYTES for level in element.levels
    ):
        faults.append(f"{element.name} has chunks that are too large to be fetched one by one.")
    for level in element.levels:
        lack = (level.chunks_expected or 0) - (level.chunks_stored or 0)
        if level.chunks_stored is not None and lack > 0:
            faults.append(f"{lack:,} chunks of {element.name} are not stored.")
            break
    if element.dtype not in _DTYPES[element.kind]:
        faults.append(f"{element.name} has pixels of type {element.dtype}.")
    return faults


def _chunk_bytes(chunks: tuple[int, ...], dtype: str | None) -> int:
    digits = "".join(c for c in dtype or "" if c.isdecimal())
    return math.prod(chunks) * (int(digits) // 8 if digits else 1)


def _points_faults(element: ElementFacts) -> list[str]:
    faults = []
    if (element.parts or 1) > 1:
        faults.append(f"{element.name} lies in {element.parts} files; only the first is drawn.")
    if (element.n_rows or 0) > _MAX_POINTS:
        faults.append(f"{element.name} has {element.n_rows:,} points.")
    if element.feature_key:
        faults.append(f"The features of {element.name} can be picked only with a table of them.")
    return faults


def _shapes_faults(element: ElementFacts) -> list[str]:
    faults = []
    if any(kind.startswith("Multi") for kind in element.geometry_types):
        faults.append(f"{element.name} has shapes of several parts.")
    if element.version == "0.1" and not element.radius:
        faults.append(f"{element.name} is in an old format.")
    return faults


def _table_faults(element: ElementFacts) -> list[str]:
    faults = []
    name, x = element.name, element.x
    if x is not None:
        if x.encoding != "array":
            faults.append(f"{name} is sparse: one gene would cost the whole matrix.")
        elif x.chunks and x.shape and _chunk_bytes(x.chunks, x.dtype) > _MAX_GENE_BYTES:
            faults.append(f"{name} has chunks of many genes.")
    if len(element.regions) > 1:
        faults.append(f"{name} describes {len(element.regions)} regions.")
    elif element.regions:
        faults.append(f"The rows of {name} are not known to be in the order of its region.")
    for column in element.obs:
        numeric = column.categories and all(_is_number(c) for c in column.categories)
        if column.dtype == "categorical" and numeric:
            faults.append(f"The categories of {name}/{column.name} are numbers.")
    return faults


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


_FAULTS: dict[str, Any] = {
    "images": _raster_faults,
    "labels": _raster_faults,
    "points": _points_faults,
    "shapes": _shapes_faults,
    "tables": _table_faults,
}


def _shared_system(facts: StoreFacts) -> str | None:
    """The coordinate system that every element in space has, `global` before others."""
    spatial = [e for e in facts.elements if e.kind != "tables"]
    if not spatial:
        return None
    shared = set.intersection(*(set(e.coordinate_systems) for e in spatial))
    return "global" if "global" in shared else min(shared, default=None)


def hints_of(facts: StoreFacts) -> dict[str, Any]:
    """The hints that facts alone allow, for an original that is shown as it is.

    Contrast is left to the viewer, and no heat map is offered, since nothing says which genes
    are worth one.
    """
    system = _shared_system(facts)
    tables = {e.name: _table_hints(e) for e in facts.of("tables") if e.n_rows}
    described = {r: e.name for e in facts.of("tables") for r in e.regions if e.name in tables}
    hints: dict[str, Any] = {
        "coordinate_system": system,
        "images": {e.name: _image_hints(e, system) for e in facts.of("images")},
        "labels": {
            e.name: {"table": described.get(e.name), "pixel": _pixel(e, system), **_depth(e)}
            for e in facts.of("labels")
        },
        "shapes": {
            e.name: {
                "geometry": "circle" if e.radius else "polygon",
                "rows": e.n_rows or 0,
                "table": described.get(e.name),
            }
            for e in facts.of("shapes")
        },
        "points": {
            e.name: {"rows": e.n_rows or 0, "total": e.n_rows or 0, "features_table": None}
            for e in facts.of("points")
        },
        "tables": tables,
        "main_table": max(tables, key=lambda n: (tables[n]["n_obs"], n), default=None),
    }
    return hints | _bounds(facts, system)


def _depth(element: ElementFacts) -> dict[str, Any]:
    depth = None
    if "z" in element.axes and element.shape:
        depth = element.shape[element.axes.index("z")]
    return {"z": depth, "default_z": (depth or 0) // 2}


def _pixel(element: ElementFacts, system: str | None) -> float | None:
    """The side of a raster's pixels in the system, None where it isn't known."""
    affine = _affine(element, system) if system is not None else None
    return float(abs(affine[0, 0])) or None if affine is not None else None


def _image_hints(element: ElementFacts, system: str | None) -> dict[str, Any]:
    sizes = dict(zip(element.axes, element.shape or (), strict=False))
    count = sizes.get("c", 1)
    names = list(element.channels[:count])
    names += [f"Channel {i}" for i in range(len(names), count)]
    channels = [
        {"index": i, "name": name, "color": color, "window": None, "on": i < _CHANNELS_ON}
        for i, (name, color) in enumerate(zip(names, channel_colors(names), strict=True))
    ]
    return {
        "rgb": bool(element.rgb),
        "channels": channels,
        "pixels": sizes.get("x", 0) * sizes.get("y", 0),
        "pixel": _pixel(element, system),
        **_depth(element),
    }


def _table_hints(element: ElementFacts) -> dict[str, Any]:
    sets = [
        {"name": c.name, "values": list(c.categories)}
        for c in element.obs
        if c.categories
        and 2 <= (c.n_categories or 0) <= _MAX_SETS
        and c.name not in (element.region_key, element.instance_key)
    ]
    while sum(1 + len(s["values"]) for s in sets) > MAX_COLORS:
        sets.pop()
    embeddings = [
        {"key": m.name, "label": m.name.removeprefix("X_").upper()}
        for m in element.obsm
        if m.shape and len(m.shape) == 2 and m.shape[1] >= 2 and "spatial" not in m.name.lower()
    ]
    genes = list(element.feature_ids[:8])
    return {
        "table": element.name,
        "region": element.regions[0] if element.regions else None,
        "attached": bool(element.regions),
        "n_obs": element.n_rows or 0,
        "n_vars": element.n_vars or 0,
        "sets": sets,
        "embeddings": embeddings,
        "genes": genes,
        "first_gene": genes[0] if genes else None,
        "heatmap": [],
    }


def _bounds(facts: StoreFacts, system: str | None) -> dict[str, Any]:
    box = None
    pictures = facts.of("images") or [e for e in facts.elements if e.kind != "tables"]
    for element in pictures:
        extent = element.extent.get(system or "", {})
        if "x" in extent and "y" in extent:
            (x0, x1), (y0, y1) = extent["x"], extent["y"]
            here = Box(x0, y0, x1, y1)
            box = here if box is None else box.joined(here)
    return {"bounds": [box.x0, box.y0, box.x1, box.y1]} if box else {}

"""What a thumbnail needs of a view store, read with zarr and pyarrow alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from portal.colors import Color, category_colors, ramp

__all__ = ["Coloring", "Raster", "coloring", "level_for", "read_points", "read_shapes"]


@dataclass(frozen=True)
class Raster:
    """One level of an image or of labels: the array, and its pixels' size and place."""

    array: Any
    pixel: tuple[float, float]
    origin: tuple[float, float]


@dataclass(frozen=True)
class Coloring:
    """A colour for each id, and in words what the colours mean."""

    by_id: dict[str, Color]
    strength: dict[str, float]
    """0 to 1, for values: what is low is drawn fainter. Empty for categories."""
    words: str


def level_for(root: Path, path: str, pixel: float) -> Raster:
    """The coarsest level of `images/<name>` whose pixels are no larger than `pixel`, or the finest."""
    import zarr

    group = zarr.open_group(root / path, mode="r")
    multiscale: Any = group.attrs["ome"]["multiscales"][0]  # type: ignore[index, call-overload]
    axes = [a["name"] for a in multiscale["axes"]]
    x, y = axes.index("x"), axes.index("y")
    scale, shift = _scale_and_shift(multiscale["coordinateTransformations"][0], len(axes))
    chosen = None
    for dataset in multiscale["datasets"]:
        step = dataset["coordinateTransformations"][0]["scale"]
        size = (scale[x] * step[x], scale[y] * step[y])
        if chosen is None or max(size) <= pixel * 1.01:
            chosen = Raster(group[dataset["path"]], size, (shift[x], shift[y]))
    assert chosen is not None
    return chosen


def _scale_and_shift(transformation: Mapping[str, Any], n: int) -> tuple[list[float], list[float]]:
    steps = transformation.get("transformations", [transformation])
    scale = next((s["scale"] for s in steps if s["type"] == "scale"), [1.0] * n)
    shift = next((s["translation"] for s in steps if s["type"] == "translation"), [0.0] * n)
    return scale, shift


def read_shapes(root: Path, name: str) -> tuple[np.ndarray, list[str], np.ndarray | None]:
    """Geometries, their ids, and radii where they are circles."""
    import pyarrow.parquet as pq
    import shapely

    table = pq.read_table(root / "shapes" / name / "shapes.parquet")
    geometry = shapely.from_wkb(table.column("geometry").to_pylist())
    ids = table.column("__index_level_0__").to_pylist()
    has_radius = "radius" in table.column_names
    return geometry, ids, table.column("radius").to_numpy() if has_radius else None


def read_points(root: Path, name: str) -> np.ndarray:
    """Places of points, (n, 2)."""
    import pyarrow.parquet as pq

    table = pq.read_table(root / "points" / name / "points.parquet", columns=["x", "y"])
    return np.column_stack([table.column("x").to_numpy(), table.column("y").to_numpy()])


def coloring(root: Path, name: str, table: Mapping[str, Any], *, on_color: bool) -> Coloring | None:
    """By the first set of a table, else by the gene that is shown first."""
    import zarr

    group = zarr.open_group(root / "tables" / name, mode="r")
    key = group.attrs.get("instance_key") or "_index"
    ids = [str(v) for v in np.asarray(group[f"obs/{key}"])]  # type: ignore[arg-type]
    if table["sets"]:
        first = table["sets"][0]
        codes = np.asarray(group[f"obs/{first['name']}/codes"])
        palette = category_colors(len(first["values"]))
        by_id = {i: palette[c] for i, c in zip(ids, codes, strict=True) if c >= 0}
        return Coloring(by_id, {}, f"coloured by {first['name']}")
    gene = table.get("first_gene")
    if not gene:
        return None
    names = [str(v) for v in np.asarray(group["var/_index"])]
    values = np.asarray(group["X"][:, names.index(gene)], dtype=float)  # type: ignore[index]
    low, high = np.percentile(values, [2, 99])
    unit = np.clip((values - low) / max(high - low, 1e-9), 0, 1)
    strength = dict(zip(ids, unit.tolist(), strict=True))
    colors = {i: ramp(v, on_color=on_color) for i, v in strength.items()}
    return Coloring(colors, strength, f"coloured by {gene}")

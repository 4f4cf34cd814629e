"""Shapes and points of a view store: one Parquet file each, coordinates already in the frame."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from portal.viewframe import Placed
from portal.viewids import paired, text_ids
from portal.viewzarr import LeftOut, Written, write_group

if TYPE_CHECKING:
    import geopandas
    import pandas as pd

__all__ = ["write_points", "write_shapes"]

# What Vitessce's whole-file mode still draws smoothly.
_MAX_POINTS = 1_000_000
_SEED = 7
_CIRCLE_CORNERS = 4  # a quarter circle


def write_shapes(
    placed: Placed, root: Path, system: str, budget: int, ids: Sequence[str] | None
) -> Written:
    """Write `shapes/<name>` as circles of one radius or as simple polygons.

    `ids` are those of a table's rows. The shapes of the rows come first, in their order, since
    a viewer pairs the two by position; the others come after them. Outlines that don't fit into
    `budget` bytes are made coarser, then circles of the same area.
    """
    frame, notes = _cleaned(placed)
    name = placed.element.name
    rows = None
    if ids is not None:
        rows, first = paired(ids, list(frame.index))
        rest = np.setdiff1d(np.arange(len(frame)), first)
        frame = frame.iloc[np.concatenate([first, rest])]
    if len(frame) == 0:
        raise LeftOut(f"{name} has no shapes that can be drawn and is left out.")
    frame, kind = _one_kind(frame)
    data = _parquet(frame)
    for attempt in range(4):
        if len(data) <= budget:
            break
        if kind == "circle" or attempt == 3:
            raise LeftOut(f"{name} is left out to keep the view small.")
        if attempt < 2:
            frame = _coarser(frame, attempt)
            note = f"The outlines of {name} are drawn with fewer corners."
            notes = [*notes, note] if note not in notes else notes
        else:
            frame, kind = _as_circles(frame), "circle"
            notes = [n for n in notes if "fewer corners" not in n]
            notes.append(f"{name} is drawn as circles of the same area instead of its outlines.")
        data = _parquet(frame)
    folder = root / "shapes" / name
    write_group(folder, _vector_attributes("ngff:shapes", system, {"version": "0.3"}))
    (folder / "shapes.parquet").write_bytes(data)
    hints: dict[str, Any] = {"geometry": kind, "rows": len(frame)}
    if kind == "circle":
        hints["radius"] = round(float(frame["radius"].iloc[0]), 6)
    return Written(
        hints,
        tuple(notes),
        len(data),
        rows=rows,
        ids=() if rows is None else tuple(frame.index[: len(rows)]),
    )


def _cleaned(placed: Placed) -> tuple[geopandas.GeoDataFrame, list[str]]:
    """Plain geometries in the frame: no empty ones, one part each, only x and y."""
    import geopandas
    import shapely

    source = placed.element.data
    geometry = shapely.force_2d(np.asarray(source.geometry.values))
    keep = ~(shapely.is_missing(geometry) | shapely.is_empty(geometry))
    geometry = geometry[keep]
    parts = shapely.get_type_id(geometry)
    several = np.flatnonzero(parts == 6)
    notes = []
    if len(several):
        geometry = geometry.copy()
        geometry[several] = [max(g.geoms, key=lambda part: part.area) for g in geometry[several]]
        split = sum(
            shapely.get_num_geometries(g) > 1 for g in source.geometry.values[keep][several]
        )
        if split:
            notes.append(
                f"{split:,} shapes of {placed.element.name} have several parts; "
                "the largest is drawn."
            )
    a = placed.affine
    moved = shapely.transform(geometry, lambda xy: xy @ a[:2, :2].T + a[:2, 2])
    frame = geopandas.GeoDataFrame(geometry=moved, index=_index(source)[keep])
    if "radius" in source.columns and (shapely.get_type_id(geometry) == 0).all():
        scale = float(np.sqrt(abs(np.linalg.det(a[:2, :2]))))
        frame["radius"] = source["radius"].to_numpy(float)[keep] * scale
    return frame, notes


def _index(source: geopandas.GeoDataFrame) -> pd.Index:
    import pandas as pd

    return pd.Index(text_ids(source.index), dtype=object)


def _one_kind(frame: geopandas.GeoDataFrame) -> tuple[geopandas.GeoDataFrame, str]:
    """Circles keep one radius; circles of many radii become polygons, as a viewer wants."""
    import geopandas
    import shapely

    if "radius" not in frame.columns:
        return frame, "polygon"
    radius = frame["radius"].to_numpy()
    if radius.max() <= radius.min() * 1.02 + 1e-12:
        return frame, "circle"
    outlines = shapely.buffer(frame.geometry.values, radius, quad_segs=_CIRCLE_CORNERS)
    return geopandas.GeoDataFrame(geometry=outlines, index=frame.index), "polygon"


def _coarser(frame: geopandas.GeoDataFrame, attempt: int) -> geopandas.GeoDataFrame:
    import geopandas
    import shapely

    geometry = np.asarray(frame.geometry.values)
    tolerance = np.sqrt(shapely.area(geometry)) * (0.04 if attempt == 0 else 0.1)
    simple = np.array(
        [shapely.simplify(g, t) for g, t in zip(geometry, tolerance, strict=True)], dtype=object
    )
    return geopandas.GeoDataFrame(geometry=simple, index=frame.index)


def _as_circles(frame: geopandas.GeoDataFrame) -> geopandas.GeoDataFrame:
    import geopandas
    import shapely

    geometry = np.asarray(frame.geometry.values)
    radius = float(np.median(np.sqrt(shapely.area(geometry) / np.pi)))
    circles = geopandas.GeoDataFrame(geometry=shapely.centroid(geometry), index=frame.index)
    circles["radius"] = radius
    return circles


def _parquet(frame: geopandas.GeoDataFrame) -> bytes:
    """GeoParquet with the ids, as text, in the index; coordinates to a thousandth of the view."""
    import geopandas
    import pyarrow as pa
    import pyarrow.parquet as pq
    import shapely

    geometry = np.asarray(frame.geometry.values)
    x0, y0, x1, y1 = shapely.total_bounds(geometry)
    digits = max(0, 5 - int(np.floor(np.log10(max(x1 - x0, y1 - y0, 1e-6)))))
    rounded = shapely.transform(geometry, lambda xy: np.round(xy, digits))
    table = geopandas.GeoDataFrame(frame.drop(columns="geometry"), geometry=rounded)
    wkb = shapely.to_wkb(rounded)
    arrays: dict[str, Any] = {"geometry": pa.array(wkb, pa.binary())}
    if "radius" in table.columns:
        arrays["radius"] = pa.array(table["radius"].to_numpy(float))
    arrays["__index_level_0__"] = pa.array(list(frame.index), pa.string())
    geo = {
        "version": "1.1.0",
        "primary_column": "geometry",
        "columns": {
            "geometry": {
                "encoding": "WKB",
                "crs": None,
                "geometry_types": ["Point" if "radius" in table.columns else "Polygon"],
            }
        },
    }
    return _bytes(pq, pa.table(arrays), {"geo": json.dumps(geo)}, "__index_level_0__")


def _bytes(pq: Any, table: Any, metadata: dict[str, str], index: str | None) -> bytes:
    """Parquet in the compression that every browser reader has."""
    pandas = {
        "index_columns": [index]
        if index
        else [{"kind": "range", "name": None, "start": 0, "stop": table.num_rows, "step": 1}],
        "column_indexes": [],
        "columns": [
            {
                "name": None if name == index else name,
                "field_name": name,
                "pandas_type": "unicode" if name == index else "empty",
                "numpy_type": "object",
                "metadata": None,
            }
            for name in table.column_names
            if name == index
        ],
        "creator": {"library": "pyarrow", "version": "0"},
        "pandas_version": "2.0.0",
    }
    table = table.replace_schema_metadata({**metadata, "pandas": json.dumps(pandas)})
    sink = io.BytesIO()
    pq.write_table(
        table,
        sink,
        compression="snappy",
        row_group_size=100_000,
        use_dictionary=[
            n for n in table.column_names if str(table.schema.field(n).type) == "string"
        ],
        write_statistics=False,
    )
    return sink.getvalue()


def write_points(placed: Placed, root: Path, system: str, budget: int) -> Written:
    """Write `points/<name>`: one file, sorted along a Morton curve, x and y as float32.

    Over a million rows, or `budget` bytes, a seeded sample of the rows is kept. The feature
    column, where there is one, is text.
    """
    frame, key, total = _points_frame(placed)
    if len(frame) == 0:
        raise LeftOut(f"{placed.element.name} has no points and is left out.")
    limit = len(frame)
    while True:
        kept = _sampled(frame, limit)
        data = _points_parquet(kept, key)
        if len(data) <= budget:
            break
        limit = int(limit * min(0.9, budget / len(data) * 0.97))
        if limit < 100:
            raise LeftOut(f"{placed.element.name} is left out to keep the view small.")
    folder = root / "points" / placed.element.name
    attributes: dict[str, Any] = {"version": "0.2"}
    if key:
        attributes["feature_key"] = key
    write_group(folder, _vector_attributes("ngff:points", system, attributes))
    (folder / "points.parquet").mkdir()
    (folder / "points.parquet" / "part.0.parquet").write_bytes(data)
    notes = []
    if len(kept) < total:
        notes.append(f"{len(kept):,} of the {total:,} points of {placed.element.name} are shown.")
    hints: dict[str, Any] = {"rows": len(kept), "total": total, "feature_key": key}
    if key:
        counts = {str(n): int(c) for n, c in kept[key].value_counts().items()}
        hints["counts"] = dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))
    return Written(hints, tuple(notes), len(data))


def _points_frame(placed: Placed) -> tuple[Any, str | None, int]:
    """Place and feature of at most a million points, in the frame; and how many there are."""
    import pandas as pd

    data = placed.element.data
    key = (data.attrs.get("spatialdata_attrs") or {}).get("feature_key")
    if key not in data.columns:
        key = None
    columns, total = _sampled_partitions(data[["x", "y", *([key] if key else [])]])
    xy = columns[["x", "y"]].to_numpy(float) @ placed.affine[:2, :2].T + placed.affine[:2, 2]
    frame = pd.DataFrame({"x": xy[:, 0].astype(np.float32), "y": xy[:, 1].astype(np.float32)})
    if key:
        frame[key] = [_text(v) for v in columns[key].to_numpy()]
    return frame[np.isfinite(xy).all(axis=1)], key, total


def _sampled_partitions(data: Any) -> tuple[pd.DataFrame, int]:
    """At most a million rows, read one partition at a time; and how many there are."""
    import pandas as pd

    total = len(data)
    rng = np.random.default_rng(_SEED)
    kept = []
    for i in range(data.npartitions):
        block = data.get_partition(i).compute()
        if total > _MAX_POINTS:
            block = block[rng.random(len(block)) < _MAX_POINTS / total]
        kept.append(block)
    columns = pd.concat(kept)
    return columns.iloc[_seeded_rows(len(columns), _MAX_POINTS)], total


def _seeded_rows(n: int, limit: int) -> np.ndarray:
    """Numbers of at most `limit` of `n` rows, in their order, the same each time."""
    if n <= limit:
        return np.arange(n)
    return np.sort(np.random.default_rng(_SEED).permutation(n)[:limit])


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def _sampled(frame: pd.DataFrame, limit: int) -> pd.DataFrame:
    """At most `limit` rows, always the same ones, in Morton order."""
    frame = frame.iloc[_seeded_rows(len(frame), limit)]
    return frame.iloc[
        np.argsort(_morton(frame["x"].to_numpy(), frame["y"].to_numpy()), kind="stable")
    ]


def _morton(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Places on a Z-order curve over the points' own box, 16 bits a side."""
    code = np.zeros(len(x), np.uint64)
    for shift, values in ((0, x), (1, y)):
        low, high = float(values.min()), float(values.max())
        grid = ((values - low) / max(high - low, 1e-9) * 65535).astype(np.uint64)
        for bit in range(16):
            code |= ((grid >> np.uint64(bit)) & np.uint64(1)) << np.uint64(2 * bit + shift)
    return code


def _points_parquet(frame: pd.DataFrame, key: str | None) -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    arrays: dict[str, Any] = {"x": pa.array(frame["x"]), "y": pa.array(frame["y"])}
    if key:
        arrays[key] = pa.array(frame[key].tolist(), pa.string())
    return _bytes(pq, pa.table(arrays), {}, None)


def _vector_attributes(encoding: str, system: str, attributes: dict[str, Any]) -> dict[str, Any]:
    axes = [{"name": a, "type": "space", "unit": "unit"} for a in "xy"]
    return {
        "encoding-type": encoding,
        "axes": ["x", "y"],
        "coordinateTransformations": [
            {
                "type": "identity",
                "input": {"name": "xy", "axes": axes},
                "output": {"name": system, "axes": axes},
            }
        ],
        "spatialdata_attrs": attributes,
    }

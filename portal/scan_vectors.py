"""Points and shapes: from the footers of their Parquet files, without a single coordinate.

A GeoParquet footer (https://geoparquet.org) has the geometry types and the bounding box;
column statistics have the range of each column of points. Shapes of the format 0.1 are zarr
arrays (`coords`, `Index`, `radius`, `offset*`) of which only the shapes are used.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from portal.facts import Column, ElementFacts
from portal.scan_codes import Problems
from portal.scan_survey import Survey
from portal.scan_transforms import extent_in, parse_transformations

if TYPE_CHECKING:
    import pyarrow.parquet

__all__ = ["scan_points", "scan_shapes"]

Box = dict[str, tuple[float, float]]
_GEOS = {
    "POINT": "Point",
    "POLYGON": "Polygon",
    "MULTIPOLYGON": "MultiPolygon",
    "LINESTRING": "LineString",
    "MULTIPOINT": "MultiPoint",
    "MULTILINESTRING": "MultiLineString",
}


def scan_points(found: Survey, base: ElementFacts, problems: Problems) -> ElementFacts:
    """Fill in points from `points.parquet`, a folder of parts or one file."""
    footers = _footers(found, base, "points.parquet", problems)
    attrs = _attrs(found, base)
    keys = {
        "feature_key": _text(attrs.get("feature_key")),
        "instance_key": _text(attrs.get("instance_key")),
    }
    if not footers:
        return _placed(found, base.model_copy(update={"readable": False, **keys}), {}, problems)
    schema = footers[0].schema.to_arrow_schema()
    (pandas,) = _json_metadata(schema, b"pandas")
    names = [name for name in schema.names if not name.startswith("__")]
    axes = tuple(axis for axis in ("x", "y", "z") if axis in names)
    readable = {"x", "y"} <= set(axes)
    if not readable:
        problems.add(
            "coordinates-absent", "error", base.path, f"It has columns {names}, no x and y."
        )
    for key, name in keys.items():
        if name and name not in names:
            what = f"The {key} is {name!r}; the columns are {names}."
            problems.add("feature-key-absent", "warning", base.path, what)
    filled = base.model_copy(
        update={
            **keys,
            "readable": readable,
            "axes": axes,
            "n_rows": sum(f.num_rows for f in footers),
            "parts": len(footers),
            "columns": _columns(schema, pandas, names, whole=len(footers) == 1),
            "index_name": _index_name(pandas),
        }
    )
    return _placed(found, filled, _box_of_columns(footers, axes), problems)


def scan_shapes(found: Survey, base: ElementFacts, problems: Problems) -> ElementFacts:
    """Fill in shapes, from `shapes.parquet` or, for the old format, from arrays."""
    node = found.nodes.get(base.path)
    legacy = found.nodes.get(f"{base.path}/coords")
    if node is not None and legacy is not None and legacy.array is not None:
        return _placed(found, _legacy_shapes(found, base), {}, problems)
    footers = _footers(found, base, "shapes.parquet", problems)
    if not footers:
        return _placed(found, base.model_copy(update={"readable": False}), {}, problems)
    footer = footers[0]
    schema = footer.schema.to_arrow_schema()
    pandas, geo = _json_metadata(schema, b"pandas", b"geo")
    primary = str(geo.get("primary_column", "geometry"))
    described = geo.get("columns")
    geometry = described.get(primary) if isinstance(described, Mapping) else None
    if not isinstance(geometry, Mapping):
        geometry = {}
        problems.add("geo-absent", "warning", base.path, "The Parquet file has no `geo` metadata.")
    if primary not in schema.names:
        what = f"It has columns {schema.names}, no {primary!r}."
        problems.add("coordinates-absent", "error", base.path, what)
    types = geometry.get("geometry_types")
    names = [n for n in schema.names if n != primary and not n.startswith("__")]
    box = _bbox(geometry.get("bbox"))
    radius = "radius" in schema.names
    filled = base.model_copy(
        update={
            "readable": primary in schema.names,
            "axes": tuple(box) or ("x", "y"),
            "n_rows": sum(f.num_rows for f in footers),
            "columns": _columns(schema, pandas, names, whole=True),
            "index_name": _index_name(pandas),
            "geometry_types": tuple(str(t) for t in types) if isinstance(types, list) else (),
            "radius": radius,
        }
    )
    if radius and box and set(filled.geometry_types) == {"Point"}:
        box = _grown(box, _box_of_columns(footers, ("radius",)).get("radius"))
    return _placed(found, filled, box, problems)


def _legacy_shapes(found: Survey, base: ElementFacts) -> ElementFacts:
    attrs = _attrs(found, base)
    geos = attrs.get("geos")
    name = str(geos.get("name")) if isinstance(geos, Mapping) else ""
    index = found.nodes.get(f"{base.path}/Index")
    coords = found.nodes[f"{base.path}/coords"].array
    rows = index.array.shape[0] if index and index.array and index.array.shape else None
    three = coords is not None and len(coords.shape) == 2 and coords.shape[1] == 3
    return base.model_copy(
        update={
            "axes": ("x", "y", "z") if three else ("x", "y"),
            "n_rows": rows,
            "geometry_types": (_GEOS.get(name, name.title()),) if name else (),
            "radius": f"{base.path}/radius" in found.nodes,
        }
    )


def _placed(found: Survey, base: ElementFacts, box: Box, problems: Problems) -> ElementFacts:
    """Add the transformations and, where `box` is known, the extents."""
    node = found.nodes.get(base.path)
    if node is None:
        return base
    stored = node.attributes.get("coordinateTransformations")
    transformations, faults = parse_transformations(stored, base.axes or ("x", "y"))
    for fault in faults:
        problems.add("transformation-unknown", "warning", base.path, f"{fault}.")
    return base.model_copy(
        update={
            "transformations": tuple(transformations),
            "extent": {
                t.coordinate_system: extent
                for t in transformations
                if t.affine and box and (extent := extent_in(t.affine, box))
            },
        }
    )


def _footers(
    found: Survey, base: ElementFacts, name: str, problems: Problems
) -> list[pyarrow.parquet.FileMetaData]:
    path = f"{base.path}/{name}"
    parts = sorted(p for p in found.parquet if p == path or p.startswith(path + "/"))
    if not parts:
        problems.add(
            "parquet-absent", "error", path, "The file is absent, so the element is empty."
        )
        return []
    import pyarrow as pa
    import pyarrow.parquet as pq

    footers = []
    for part in parts:
        footer = found.parquet[part]
        fault = footer if isinstance(footer, str) else ""
        if isinstance(footer, bytes):
            # A file with nothing but its footer is what Parquet calls a metadata file.
            whole = b"PAR1" + footer + len(footer).to_bytes(4, "little") + b"PAR1"
            try:
                footers.append(pq.read_metadata(pa.BufferReader(whole)))
                if len(footers) == 1:  # the schema that is used
                    footers[0].schema.to_arrow_schema()
            except (pa.ArrowException, OSError, ValueError) as error:
                fault = str(error)
        if fault:
            problems.add("parquet-broken", "error", part, f"The file cannot be read: {fault}.")
    return footers if len(footers) == len(parts) else []


def _attrs(found: Survey, base: ElementFacts) -> Mapping[str, Any]:
    node = found.nodes.get(base.path)
    attrs = node.attributes.get("spatialdata_attrs") if node else None
    return attrs if isinstance(attrs, Mapping) else {}


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _columns(
    schema: Any, pandas: Mapping[str, Any], names: list[str], *, whole: bool
) -> tuple[Column, ...]:
    """Columns by name. The number of categories holds for one file, so only if it is `whole`."""
    listed = pandas.get("columns")
    described = {
        str(c.get("name")): c.get("metadata")
        for c in (listed if isinstance(listed, list) else [])
        if isinstance(c, Mapping)
    }
    columns = []
    for name in names:
        arrow = schema.field(name).type
        dtype = _dtype(arrow)
        note = described.get(name)
        note = note if isinstance(note, Mapping) else {}
        count = note.get("num_categories") if dtype == "categorical" and whole else None
        columns.append(
            Column(
                name=name,
                dtype=dtype,
                n_categories=count if isinstance(count, int) else None,
                ordered=dtype == "categorical" and bool(note.get("ordered")),
            )
        )
    return tuple(columns)


def _dtype(arrow: Any) -> str:
    import pyarrow.types as kinds

    if kinds.is_dictionary(arrow):
        return "categorical"
    if kinds.is_string(arrow) or kinds.is_large_string(arrow) or kinds.is_string_view(arrow):
        return "string"
    if kinds.is_boolean(arrow):
        return "boolean"
    names = {"halffloat": "float16", "float": "float32", "double": "float64"}
    return names.get(str(arrow), str(arrow))


def _index_name(pandas: Mapping[str, Any]) -> str | None:
    index = pandas.get("index_columns")
    first = index[0] if isinstance(index, list) and len(index) == 1 else None
    if isinstance(first, Mapping):
        first = first.get("name")
    return first if isinstance(first, str) and not first.startswith("__") else None


def _json_metadata(schema: Any, *keys: bytes) -> list[Mapping[str, Any]]:
    """JSON objects under these keys of a schema; an empty one where there is none."""
    metadata = schema.metadata or {}
    values = []
    for key in keys:
        try:
            value = json.loads(metadata.get(key, b"{}"))
        except (ValueError, RecursionError):
            value = {}
        values.append(value if isinstance(value, Mapping) else {})
    return values


def _box_of_columns(footers: list[Any], names: tuple[str, ...]) -> Box:
    """Range of each column from the statistics; a column without them has none."""
    ranges: dict[str, list[float]] = {name: [] for name in names}
    positions = _positions(footers[0])
    for footer in footers:
        for name in list(ranges):
            position = positions.get(name, footer.num_columns)
            if position >= footer.num_columns or footer.schema.column(position).path != name:
                del ranges[name]
        for number in range(footer.num_row_groups):
            group = footer.row_group(number)
            for name in list(ranges) if group.num_rows else ():
                statistics = group.column(positions[name]).statistics
                if statistics is None or not statistics.has_min_max:
                    del ranges[name]
                    continue
                ranges[name] += [statistics.min, statistics.max]
    return {
        name: (float(min(values)), float(max(values)))
        for name, values in ranges.items()
        if values and all(isinstance(v, (int, float)) and math.isfinite(v) for v in values)
    }


def _positions(footer: Any) -> dict[str, int]:
    """Position of each column among the leaves of the schema."""
    return {footer.schema.column(i).path: i for i in range(footer.num_columns)}


def _bbox(stored: Any) -> Box:
    """GeoParquet: all minima, then all maxima."""
    if not isinstance(stored, list) or len(stored) not in (4, 6):
        return {}
    if not all(isinstance(v, (int, float)) and math.isfinite(v) for v in stored):
        return {}
    half = len(stored) // 2
    return {
        axis: (float(stored[i]), float(stored[i + half])) for i, axis in enumerate("xyz"[:half])
    }


def _grown(box: Box, radius: tuple[float, float] | None) -> Box:
    """Circles reach beyond their centres, by at most the largest radius."""
    if radius is None:
        return box
    return {axis: (low - radius[1], high + radius[1]) for axis, (low, high) in box.items()}

"""Images and labels: OME-NGFF multiscales, version 0.4 at the top or 0.5 under `ome`."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

from portal.facts import ElementFacts, Level
from portal.scan_chunks import check_raster_chunks
from portal.scan_codes import Problems
from portal.scan_nodes import Node
from portal.scan_survey import Survey
from portal.scan_transforms import extent_in, parse_transformations

__all__ = ["scan_raster"]

_AXES = ("t", "c", "z", "y", "x")


def scan_raster(found: Survey, base: ElementFacts, problems: Problems) -> ElementFacts:
    """Fill in what the metadata of an image or labels say; `base` names the element."""
    node = found.nodes[base.path]
    ome = node.attributes.get("ome")
    ome = ome if isinstance(ome, dict) else node.attributes
    multiscales = ome.get("multiscales")
    first = multiscales[0] if isinstance(multiscales, list) and multiscales else None
    if not isinstance(first, dict) or not isinstance(first.get("datasets"), list):
        problems.add("multiscales-absent", "error", base.path, "It has no multiscales metadata.")
        return base.model_copy(update={"readable": False})
    axes = _axes(first, base, problems)
    levels, nodes = _levels(found, base, first["datasets"], problems)
    if not nodes or nodes[0].array is None:
        return base.model_copy(update={"readable": False, "axes": axes, "levels": tuple(levels)})
    top = nodes[0].array
    sound = _check_levels(base, axes, levels, problems) and bool(axes)
    if found.complete:
        check_raster_chunks(base, nodes, problems)
    channels = _channels(node, ome, first)
    transformations, faults = parse_transformations(first.get("coordinateTransformations"), axes)
    for fault in faults:
        problems.add("transformation-unknown", "warning", base.path, f"{fault}.")
    sizes = zip(axes, top.shape, strict=True) if sound else ()
    box = {axis: (0.0, float(size)) for axis, size in sizes if axis in ("x", "y", "z")}
    return base.model_copy(
        update={
            "readable": sound,
            "axes": axes,
            "shape": top.shape,
            "dtype": top.dtype,
            "levels": tuple(levels),
            "channels": channels,
            "rgb": _is_rgb(ome, axes, levels[0], top.dtype, channels)
            if base.kind == "images"
            else None,
            "transformations": tuple(transformations),
            "extent": {
                t.coordinate_system: extent
                for t in transformations
                if t.affine and box and (extent := extent_in(t.affine, box))
            },
        }
    )


def _axes(first: Mapping[str, Any], base: ElementFacts, problems: Problems) -> tuple[str, ...]:
    stored = first.get("axes")
    if not isinstance(stored, list) or not stored:
        problems.add("multiscales-absent", "error", base.path, "Its multiscales name no axes.")
        return ()
    return tuple(str(a.get("name") if isinstance(a, Mapping) else a) for a in stored)


def _levels(
    found: Survey, base: ElementFacts, datasets: list[Any], problems: Problems
) -> tuple[list[Level], list[Node]]:
    levels: list[Level] = []
    nodes: list[Node] = []
    for number, dataset in enumerate(datasets):
        path = str(dataset.get("path")) if isinstance(dataset, Mapping) else ""
        node = found.nodes.get(f"{base.path}/{path}")
        if node is None or node.array is None:
            severity = "error" if number == 0 else "warning"
            what = f"Level {path!r} is listed, but there is no such array."
            problems.add("level-absent", severity, base.path, what)
            if number == 0:
                return [], []
            continue
        array = node.array
        nodes.append(node)
        levels.append(
            Level(
                path=path,
                shape=array.shape,
                chunks=array.chunks,
                shards=array.shards,
                codecs=array.codecs,
                chunks_stored=array.stored if found.complete else None,
                chunks_expected=array.expected,
            )
        )
    if not datasets:
        problems.add("multiscales-absent", "error", base.path, "Its multiscales list no levels.")
    return levels, nodes


def _check_levels(
    base: ElementFacts, axes: tuple[str, ...], levels: list[Level], problems: Problems
) -> bool:
    """Whether all levels have the dimensions of the axes."""
    for level in levels:
        if axes and len(level.shape) != len(axes):
            what = f"Level {level.path!r} has shape {level.shape}, the axes are {axes}."
            problems.add("axes-mismatch", "error", base.path, what)
            return False
    for above, below in itertools.pairwise(levels):
        pairs = list(zip(above.shape, below.shape, strict=True)) if axes else []
        if any(b > a for a, b in pairs) or (pairs and all(a == b for a, b in pairs)):
            what = f"Level {below.path!r} {below.shape} follows {above.path!r} {above.shape}."
            problems.add("levels-not-decreasing", "warning", base.path, what)
    return True


def _channels(node: Node, ome: Mapping[str, Any], first: Mapping[str, Any]) -> tuple[str, ...]:
    """Labels of the channels; spatialdata has kept them in three places over time."""
    nested = first.get("metadata")
    for holder in (
        ome.get("omero"),
        node.attributes.get("channels_metadata"),
        nested.get("omero") if isinstance(nested, Mapping) else None,
    ):
        channels = holder.get("channels") if isinstance(holder, Mapping) else None
        if isinstance(channels, list) and channels:
            return tuple(
                str(c.get("label", i)) if isinstance(c, Mapping) else str(i)
                for i, c in enumerate(channels)
            )
    return ()


def _is_rgb(
    ome: Mapping[str, Any],
    axes: tuple[str, ...],
    level: Level,
    dtype: str,
    channels: tuple[str, ...],
) -> bool:
    if "c" not in axes or len(axes) != len(level.shape):
        return False
    count = level.shape[axes.index("c")]
    if count not in (3, 4):
        return False
    names = [name.strip().lower() for name in channels]
    if names[:3] in (["r", "g", "b"], ["red", "green", "blue"]):
        return True
    omero = ome.get("omero")
    listed = omero.get("channels") if isinstance(omero, Mapping) else None
    colors = [str(c.get("color", "")).upper() for c in listed or [] if isinstance(c, Mapping)]
    if colors[:3] == ["FF0000", "00FF00", "0000FF"] and dtype == "uint8":
        return True
    unnamed = not names or names == [str(i) for i in range(count)]
    return unnamed and dtype == "uint8" and count == 3

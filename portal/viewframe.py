"""Where things lie in a view: one coordinate system, and each element's place in it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from portal.errors import is_machine_fault
from portal.viewsource import Element, Source, raster_levels

__all__ = ["Box", "Frame", "Placed", "axis_aligned", "camera", "choose_frame"]

# Two elements lie together when their boxes share this part of the smaller one.
_TOGETHER = 0.2


@dataclass(frozen=True)
class Box:
    """An upright rectangle, in units of some coordinate system."""

    x0: float
    y0: float
    x1: float
    y1: float

    @property
    def area(self) -> float:
        """Never quite nothing, so that a single point can still lie inside something."""
        return max(self.x1 - self.x0, 1e-9) * max(self.y1 - self.y0, 1e-9)

    def moved(self, affine: np.ndarray) -> Box:
        """The upright box around this one after an affine map."""
        corners = np.array(
            [[self.x0, self.x1, self.x0, self.x1], [self.y0, self.y0, self.y1, self.y1], [1.0] * 4]
        )
        x, y = (affine @ corners)[:2]
        return Box(float(x.min()), float(y.min()), float(x.max()), float(y.max()))

    def shared(self, other: Box) -> float:
        """The part of the smaller box that both have in common, 0 to 1."""
        width = min(self.x1, other.x1) - max(self.x0, other.x0)
        height = min(self.y1, other.y1) - max(self.y0, other.y0)
        if width < 0 or height < 0:
            return 0.0
        common = max(width, 1e-9) * max(height, 1e-9)
        return common / min(self.area, other.area)

    def common(self, other: Box) -> Box:
        """What both boxes have in common; they must meet."""
        return Box(
            max(self.x0, other.x0),
            max(self.y0, other.y0),
            min(self.x1, other.x1),
            min(self.y1, other.y1),
        )

    def joined(self, other: Box) -> Box:
        """The smallest box around both."""
        return Box(
            min(self.x0, other.x0),
            min(self.y0, other.y0),
            max(self.x1, other.x1),
            max(self.y1, other.y1),
        )


@dataclass(frozen=True)
class Placed:
    """An element, its map to the frame (3 × 3), and its box there."""

    element: Element
    affine: np.ndarray
    box: Box


@dataclass(frozen=True)
class Frame:
    """The coordinate system of a view and what lies in it."""

    coordinate_system: str
    placed: tuple[Placed, ...]
    left_out: tuple[str, ...]
    unit: str | None = None
    """Set where the store names a unit: the frame is then in micrometres, as the scale bar is."""

    def of(self, kind: str) -> list[Placed]:
        """What is drawn of one kind, in order of name."""
        return [p for p in self.placed if p.element.kind == kind]

    @property
    def box(self) -> Box | None:
        """Around the images, or around everything where there is none."""
        boxes = [p.box for p in self.of("images")] or [p.box for p in self.placed]
        whole = None
        for box in boxes:
            whole = box if whole is None else whole.joined(box)
        return whole


def camera(box: Box, width: int, height: int) -> dict[str, Any]:
    """Target and zoom that make a box fill a stage of `width` × `height` pixels."""
    w, h = max(box.x1 - box.x0, 1e-6), max(box.y1 - box.y0, 1e-6)
    zoom = min(math.log2(width / w), math.log2(height / h)) - 0.04
    return {
        "bounds": [box.x0, box.y0, box.x1, box.y1],
        "target": [(box.x0 + box.x1) / 2, (box.y0 + box.y1) / 2],
        "zoom": round(zoom, 3),
    }


def axis_aligned(affine: np.ndarray) -> bool:
    """True for a positive scale and a shift: what a viewer draws without resampling."""
    size = np.abs(affine[:2, :2]).max()
    return bool(
        abs(affine[0, 1]) < 1e-6 * size
        and abs(affine[1, 0]) < 1e-6 * size
        and affine[0, 0] > 0
        and affine[1, 1] > 0
    )


def choose_frame(source: Source, regions: Sequence[str]) -> Frame | None:
    """The coordinate system that shows most: elements that share it and really lie together.

    `regions` are names of elements that tables annotate; a system in which such an element
    lies on an image goes before all others. None where nothing lies in space.
    """
    boxes, unread = _boxes(source)
    elements = [e for e in source.elements if e.path in boxes]
    elements, notes = _with_stand_ins(elements, source)
    notes += unread
    systems = sorted({system for e in elements for system in e.affines})
    candidates = []
    for system in systems:
        placed = [
            Placed(e, e.affines[system], boxes[e.path].moved(e.affines[system]))
            for e in elements
            if system in e.affines
        ]
        candidates.append((_score(system, placed, regions), system, placed))
    if not candidates:
        return None
    _, system, placed = max(candidates, key=lambda c: (c[0], c[1]))
    kept = _kept(placed, regions)
    apart = [p for p in placed if p not in kept]
    notes += [f"{p.element.name} lies away from the image in `{system}`." for p in apart]
    elsewhere = [e for e in elements if system not in e.affines]
    notes += [
        f"{e.name} has no place in the coordinate system `{system}`, which the view shows."
        for e in elsewhere
    ]
    framed = _in_frame(kept)
    scale, unit = (1.0, None) if framed is not kept else _unit_scale(kept, system)
    scale = scale if unit else _points_scale(framed)
    return Frame(system, tuple(_scaled(framed, scale)), tuple(notes), unit)


def _boxes(source: Source) -> tuple[dict[str, Box], list[str]]:
    """The own box of each element that is not empty; sentences about those that can't be read."""
    boxes, unread = {}, []
    for element in source.elements:
        try:
            box = _intrinsic_box(element)
        except Exception as error:
            if is_machine_fault(error):
                raise
            unread.append(f"{element.name} could not be read and is left out.")
            continue
        if box is not None:
            boxes[element.path] = box
    return boxes, unread


def _with_stand_ins(elements: list[Element], source: Source) -> tuple[list[Element], list[str]]:
    """Let an image take the place of one of the very same size whose pixels are absent.

    Visium stores often hold the same picture twice under different systems. Where one copy
    has lost its chunks, the other shows what was there.
    """
    notes: list[str] = []
    for lost in source.lost:
        twin = next(
            (
                e
                for e in elements
                if e.kind == lost.kind
                and _size(e) == _size(lost)
                and not (set(lost.affines) & set(e.affines))
            ),
            None,
        )
        if twin is None:
            continue
        affines = {**lost.affines, **twin.affines}
        elements = [replace(e, affines=affines) if e is twin else e for e in elements]
        notes.append(f"{twin.name}, of the same size, is shown in the place of {lost.name}.")
    return elements, notes


def _size(element: Element) -> dict[str, int]:
    return {str(k): int(v) for k, v in raster_levels(element.data)[0].sizes.items()}


def _intrinsic_box(element: Element) -> Box | None:
    """In the element's own units: pixels for rasters; None for an empty element."""
    if element.kind in ("images", "labels"):
        sizes = _size(element)
        return Box(0.0, 0.0, float(sizes["x"]), float(sizes["y"]))
    if element.kind == "shapes":
        if len(element.data) == 0:
            return None
        x0, y0, x1, y1 = (float(v) for v in element.data.total_bounds)
    else:
        from dask.base import compute

        xy = element.data[["x", "y"]]
        low, high = compute(xy.min(), xy.max())
        x0, y0, x1, y1 = (float(v) for v in (low["x"], low["y"], high["x"], high["y"]))
    return Box(x0, y0, x1, y1) if np.isfinite([x0, y0, x1, y1]).all() else None


def _groups(placed: list[Placed]) -> list[list[Placed]]:
    """Elements that lie together, directly or through others; the largest group first."""
    groups: list[list[Placed]] = []
    for p in placed:
        near = [g for g in groups if any(p.box.shared(q.box) >= _TOGETHER for q in g)]
        groups = [g for g in groups if g not in near] + [[p, *(q for g in near for q in g)]]
    return sorted(groups, key=len, reverse=True)


def _score(system: str, placed: list[Placed], regions: Sequence[str]) -> tuple[Any, ...]:
    groups = _groups(placed)
    annotated_on_image = any(
        any(p.element.kind == "images" for p in g) and any(p.element.name in regions for p in g)
        for g in groups
    )
    pixels = max((p.element.pixels for p in placed), default=0)
    annotated = sum(p.element.name in regions for p in placed)
    return annotated_on_image, annotated, len(placed), pixels, system == "global"


def _kept(placed: list[Placed], regions: Sequence[str]) -> list[Placed]:
    """Without what lies apart from every image, unless a table speaks of it."""
    groups = _groups(placed)
    with_image = [g for g in groups if any(p.element.kind == "images" for p in g)]
    if not with_image:
        return placed
    kept = [p for g in with_image for p in g]
    if any(p.element.name in regions for p in kept):
        return [p for p in placed if p in kept]
    return [p for p in placed if p in kept or p.element.name in regions]


def _in_frame(placed: list[Placed]) -> list[Placed]:
    """Keep the system's own units unless the main raster is rotated or mirrored in it.

    Then its pixels become the frame, so that the picture itself needs no resampling.
    """
    rasters = [p for p in placed if p.element.kind in ("images", "labels")]
    if not rasters:
        return placed
    main = max(rasters, key=lambda p: (p.element.kind == "images", p.element.pixels))
    if axis_aligned(main.affine):
        return placed
    to_pixels = np.linalg.inv(main.affine)
    moved = []
    for p in placed:
        affine = to_pixels @ p.affine
        intrinsic = _intrinsic_box(p.element)
        assert intrinsic is not None
        moved.append(Placed(p.element, affine, intrinsic.moved(affine)))
    return moved


_MICROMETRES = {"micrometer": 1.0, "micron": 1.0, "um": 1.0, "µm": 1.0, "millimeter": 1000.0}
_MICROMETRES |= {"nanometer": 0.001, "centimeter": 10_000.0, "meter": 1_000_000.0}
# A point is drawn with a radius of five units: beyond this width it would be too faint to see.
_POINTS_WIDTH = 4000.0


def _unit_scale(placed: list[Placed], system: str) -> tuple[float, str | None]:
    """What turns a system's unit into micrometres, and that name; 1 and None without a unit."""
    for p in placed:
        for transformation in p.element.facts.transformations if p.element.facts else ():
            if transformation.coordinate_system == system and transformation.unit in _MICROMETRES:
                return _MICROMETRES[transformation.unit], "micrometer"
    return 1.0, None


def _points_scale(placed: list[Placed]) -> float:
    """What a frame without unit is multiplied by so that points show."""
    width = max((max(p.box.x1 - p.box.x0, p.box.y1 - p.box.y0) for p in placed), default=0.0)
    has_points = any(p.element.kind == "points" for p in placed)
    return _POINTS_WIDTH / width if has_points and width > _POINTS_WIDTH else 1.0


def _scaled(placed: list[Placed], scale: float) -> list[Placed]:
    if scale == 1:
        return placed
    matrix = np.diag([scale, scale, 1.0])
    return [Placed(p.element, matrix @ p.affine, p.box.moved(matrix)) for p in placed]

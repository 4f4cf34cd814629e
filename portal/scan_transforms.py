"""Coordinate transformations as SpatialData and OME-NGFF write them, as affine matrices.

Follows the transformations of the NGFF proposal that spatialdata implements
(`spatialdata.transformations.ngff`): identity, scale, translation, rotation, affine, mapAxis,
sequence, byDimension. Each names its input and output axes, in which its numbers are ordered;
inside a sequence the axes may be left out and follow from the step before.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Mapping
from typing import Any

from portal.facts import Transformation

__all__ = ["UnknownTransformation", "extent_in", "parse_transformations"]

SPACE = ("x", "y", "z")
Affine = tuple[tuple[float, ...], ...]
_CANNOT = (
    ValueError,
    TypeError,
    KeyError,
    IndexError,
    AttributeError,
    OverflowError,
    RecursionError,
)
"""What numbers and names of any shape may raise while they are made a matrix."""
Row = dict[str, float]
"""A linear form: coefficient by input axis; the constant under the name ``1``."""
_ONE = "1"


class UnknownTransformation(ValueError):
    """A transformation of a kind, or with numbers, that cannot be made a matrix."""


def parse_transformations(
    stored: Any, axes: tuple[str, ...]
) -> tuple[list[Transformation], list[str]]:
    """The transformations of an element, and in words what is wrong with those that failed.

    `stored` is the list under `coordinateTransformations`; `axes` are the element's own, for
    transformations that name none.
    """
    found: dict[str, Transformation] = {}
    faults: list[str] = []
    for item in stored if isinstance(stored, list) else []:
        if not isinstance(item, Mapping):
            faults.append("A transformation is not an object")
            continue
        system = _system_name(item.get("output"))
        if system is None:
            continue
        kind = str(item.get("type"))
        affine: Affine | None = None
        try:
            affine = _matrix(item, axes)
        except _CANNOT as error:
            faults.append(f"The transformation to {system!r} ({kind}) is not understood: {error}")
        found[system] = Transformation(
            coordinate_system=system, kind=kind, affine=affine, unit=_unit(item.get("output"))
        )
    return list(found.values()), faults


def extent_in(
    affine: Affine, box: Mapping[str, tuple[float, float]]
) -> dict[str, tuple[float, float]] | None:
    """The box around `box` after `affine`; None when the matrix needs an axis it lacks."""
    axes = SPACE[: len(affine)]
    missing = [i for i, axis in enumerate(axes) if axis not in box]
    known = [axis for axis in axes if axis in box]
    if any(affine[r][i] for i in missing for r, a in enumerate(axes) if a in box):
        return None
    corners = list(itertools.product(*(box[axis] for axis in known)))
    columns = [axes.index(axis) for axis in known]
    extent = {}
    for axis in known:
        row = affine[axes.index(axis)]
        values = [
            sum(row[c] * v for c, v in zip(columns, corner, strict=True)) + row[-1]
            for corner in corners
        ]
        if not values or not all(math.isfinite(v) for v in values):
            return None
        extent[axis] = (min(values), max(values))
    return extent


def _matrix(item: Mapping[str, Any], axes: tuple[str, ...]) -> Affine:
    inputs = _axes(item.get("input")) or axes
    rows = _rows(item, inputs, _axes(item.get("output")))
    space = [axis for axis in SPACE if axis in inputs]
    if space[:2] != ["x", "y"]:
        raise UnknownTransformation(f"no x and y among its axes {inputs}")
    matrix = tuple(
        tuple(rows.get(axis, {}).get(column, 0.0) for column in (*space, _ONE)) for axis in space
    )
    if not all(math.isfinite(v) for row in matrix for v in row):
        raise UnknownTransformation("a number is not finite")
    return matrix


def _rows(
    item: Mapping[str, Any], inputs: tuple[str, ...], outputs: tuple[str, ...] | None
) -> dict[str, Row]:
    """The linear form of each output axis of one transformation, in terms of `inputs`."""
    kind = item.get("type")
    out = outputs or inputs
    if kind == "identity":
        return {axis: {axis: 1.0} for axis in inputs}
    if kind == "scale":
        return {a: {a: v} for a, v in _paired(inputs, item["scale"])}
    if kind == "translation":
        return {a: {a: 1.0, _ONE: v} for a, v in _paired(inputs, item["translation"])}
    if kind == "affine":
        return _from_matrix(item["affine"], inputs, out)
    if kind == "rotation":
        return _from_matrix(_square(item["rotation"]), inputs, out)
    if kind == "mapAxis":
        return {str(to): {str(source): 1.0} for to, source in item["mapAxis"].items()}
    if kind == "sequence":
        return _sequence(item["transformations"], inputs)
    if kind == "byDimension":
        return _by_dimension(item["transformations"], inputs)
    raise UnknownTransformation(f"unknown kind {kind!r}")


def _paired(axes: tuple[str, ...], values: Any) -> list[tuple[str, float]]:
    if len(values) != len(axes):
        raise UnknownTransformation(f"{len(values)} numbers for {len(axes)} axes")
    return [(axis, float(value)) for axis, value in zip(axes, values, strict=True)]


def _from_matrix(matrix: Any, inputs: tuple[str, ...], outputs: tuple[str, ...]) -> dict[str, Row]:
    if len(matrix) != len(outputs):
        raise UnknownTransformation(f"{len(matrix)} rows for {len(outputs)} axes")
    rows = {}
    for axis, numbers in zip(outputs, matrix, strict=True):
        if len(numbers) not in (len(inputs), len(inputs) + 1):
            raise UnknownTransformation(f"{len(numbers)} columns for {len(inputs)} axes")
        # A rotation has no constant, an affine has.
        names = (*inputs, _ONE)[: len(numbers)]
        rows[axis] = {name: float(v) for name, v in zip(names, numbers, strict=True)}
    return rows


def _square(numbers: Any) -> list[list[float]]:
    """spatialdata writes a rotation flat, the NGFF specification as rows."""
    if numbers and isinstance(numbers[0], list):
        return numbers
    side = math.isqrt(len(numbers))
    if side * side != len(numbers):
        raise UnknownTransformation(f"a rotation of {len(numbers)} numbers")
    return [numbers[i : i + side] for i in range(0, len(numbers), side)]


def _sequence(steps: Iterable[Mapping[str, Any]], inputs: tuple[str, ...]) -> dict[str, Row]:
    current: dict[str, Row] = {axis: {axis: 1.0} for axis in inputs}
    axes = inputs
    for step in steps:
        step_in = _axes(step.get("input")) or axes
        step_out = _axes(step.get("output"))
        rows = _rows(step, step_in, step_out)
        current = {axis: _substitute(row, current) for axis, row in rows.items()}
        axes = step_out or tuple(rows)
    return current


def _by_dimension(steps: Iterable[Mapping[str, Any]], inputs: tuple[str, ...]) -> dict[str, Row]:
    rows: dict[str, Row] = {}
    for step in steps:
        rows.update(_rows(step, _axes(step.get("input")) or inputs, _axes(step.get("output"))))
    return rows


def _substitute(row: Row, by: Mapping[str, Row]) -> Row:
    result: Row = {_ONE: row.get(_ONE, 0.0)}
    for axis, factor in row.items():
        if axis == _ONE:
            continue
        for name, value in by.get(axis, {}).items():
            result[name] = result.get(name, 0.0) + factor * value
    return result


def _axes(system: Any) -> tuple[str, ...] | None:
    if isinstance(system, Mapping) and isinstance(system.get("axes"), list):
        return tuple(str(a["name"] if isinstance(a, Mapping) else a) for a in system["axes"])
    if isinstance(system, list):
        return tuple(str(axis) for axis in system)
    return None


def _system_name(system: Any) -> str | None:
    name = system.get("name") if isinstance(system, Mapping) else system
    return name if isinstance(name, str) else None


def _unit(system: Any) -> str | None:
    """The unit all spatial axes share; spatialdata writes `unit` where it knows none."""
    axes = system.get("axes") if isinstance(system, Mapping) else None
    units = {
        a.get("unit")
        for a in (axes if isinstance(axes, list) else [])
        if isinstance(a, Mapping) and a.get("name") in SPACE
    }
    unit = units.pop() if len(units) == 1 else None
    return unit if isinstance(unit, str) and unit != "unit" else None
